"""The page of an article, and Darkroom's URLs."""

from blog.models import Article
from django.shortcuts import get_object_or_404, render
from django.urls import include, path


def article(request, pk):
    """Show an article, by the template that the query names."""
    page = request.GET["page"]
    return render(request, f"{page}.html", {"article": get_object_or_404(Article, pk=pk)})


urlpatterns = [path("articles/<int:pk>/", article), path("", include("uploads.urls"))]
