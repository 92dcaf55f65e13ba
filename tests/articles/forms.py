"""The form of articles."""

from django import forms

from tests.articles.models import Article


class ArticleForm(forms.ModelForm):  # type: ignore[type-arg]  # Django's class accepts no type at run time
    """An article with its picture."""

    class Meta:
        model = Article
        fields = ("title", "photo")
