"""The pictures of many rows are fetched with two queries."""

from typing import Any

import pytest
from django.contrib.auth.models import User
from django.template import Context, Template

from tests.articles.models import Article, Portrait
from tests.conftest import MakeImage
from tests.uploads.test_templatetags import with_rows
from uploads.fields import picture_lookups
from uploads.models import Upload

pytestmark = [pytest.mark.django_db, pytest.mark.any_database]

PAGE = Template(
    "{% load darkroom %}{% for article in articles %}"
    "{% picture article.photo preset='large' alt='' %}{{ article.photo.srcset }}{{ article.photo.is_ready }}"
    "{% endfor %}"
)


def test_hundred_articles_take_three_queries(owner: User, django_assert_num_queries: Any) -> None:
    for seed in range(100):
        Article.objects.create(title="Sea", photo=with_rows(owner, seed=seed))
    with django_assert_num_queries(3):
        text = PAGE.render(Context({"articles": Article.objects.prefetch_related(*picture_lookups("photo"))}))
    assert text.count("<picture>") == text.count("True") == 100


def test_articles_without_a_picture_and_with_a_deleted_one_show_nothing(owner: User) -> None:
    Article.objects.create(title="Sea")
    Article.objects.create(title="Sea", photo=with_rows(owner))
    Upload.objects.update(deleted_at="2026-01-01T00:00Z")
    articles = Article.objects.prefetch_related(*picture_lookups("photo"))
    assert "<picture>" not in PAGE.render(Context({"articles": articles}))


def test_lookups_lead_through_other_relations(
    owner: User, make_image: MakeImage, django_assert_num_queries: Any
) -> None:
    Portrait.objects.create(person=owner, picture=with_rows(owner))
    with django_assert_num_queries(4):
        people = User.objects.prefetch_related("portrait_set", *picture_lookups("portrait_set__picture"))
        assert [one.picture.url("thumb") for person in people for one in person.portrait_set.all()]
