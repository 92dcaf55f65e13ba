"""The admin pages of articles."""

from django.contrib import admin
from django.contrib.auth.models import User

from tests.articles.models import Article
from uploads.admin import PictureAdmin, thumbnail


@admin.register(Article)
class ArticleAdmin(PictureAdmin):
    """Articles with their thumbnails."""

    list_display = (thumbnail("photo"), "title")
    list_display_links = ("title",)


class ArticleInline(admin.StackedInline):  # type: ignore[type-arg]  # Django takes no type at run time
    """The articles of an author."""

    model = Article
    extra = 0


class AuthorAdmin(PictureAdmin):
    """Authors with their articles."""

    fields = ("username",)
    inlines = (ArticleInline,)


authors = admin.AdminSite("authors")
authors.register(User, AuthorAdmin)
