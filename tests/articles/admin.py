"""The admin pages of articles."""

from django.contrib import admin

from tests.articles.models import Article
from uploads.admin import PictureAdmin, thumbnail


@admin.register(Article)
class ArticleAdmin(PictureAdmin):
    """Articles with their thumbnails."""

    list_display = (thumbnail("photo"), "title")
    list_display_links = ("title",)
