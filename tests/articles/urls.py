"""The URLs of a project that has articles and uploads."""

from django.urls import include, path

from tests.articles import views
from tests.articles.admin import authors

urlpatterns = [
    path("articles/new", views.edit, name="new_article"),
    path("articles/<int:article_id>/", views.article, name="article"),
    path("articles/<int:article_id>/edit", views.edit, name="edit_article"),
    path("authors/", authors.urls),
    path("", include("myproject.urls")),
]
