"""The form of an article, as a browser without JavaScript sends it, or the widget's script."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.core.files.uploadedfile import UploadedFile
from django.http import QueryDict
from django.utils.datastructures import MultiValueDict

from tests.articles.forms import ArticleForm
from tests.articles.models import Article
from uploads.models import Upload

Fill = Callable[..., ArticleForm]


@pytest.fixture
def fill() -> Fill:
    """Return a function that posts the form of an article; `shown` and the like are the widget's fields."""

    def fill(
        article: Article | None = None,
        *,
        title: str = "Sea",
        file: UploadedFile[Any] | None = None,
        **parts: str,
    ) -> ArticleForm:
        data = QueryDict(mutable=True)
        data.update({"title": title, **{f"photo-{part}": text for part, text in parts.items()}})
        files: MultiValueDict[str, Any] = MultiValueDict({"photo": [file]} if file else {})
        return ArticleForm(data, files, instance=article)

    return fill


@pytest.fixture
def article(upload: Upload) -> Article:
    """Return an article with a picture."""
    return Article.objects.create(title="Sea", photo=upload)


@pytest.fixture
def upload(send: Callable[..., Upload]) -> Upload:
    """Return a pending upload."""
    return send(name="sea.jpg")
