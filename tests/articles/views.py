"""The pages of articles, as a new project would write them."""

from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render

from tests.articles.forms import ArticleForm
from tests.articles.models import Article
from uploads.forms.keeping import keep_pictures


def article(request: HttpRequest, article_id: int) -> HttpResponse:
    """Show an article."""
    return render(request, "articles/article.html", {"article": get_object_or_404(Article, pk=article_id)})


def edit(request: HttpRequest, article_id: int = 0) -> HttpResponse:
    """Create or change an article."""
    row = get_object_or_404(Article, pk=article_id) if article_id else None
    form = ArticleForm(request.POST or None, request.FILES or None, instance=row)
    if request.user.is_authenticated:
        form.instance.photo_owner = request.user
    if form.is_valid():
        return redirect("article", form.save().pk)
    keep_pictures(form, request)
    return render(request, "articles/form.html", {"form": form})
