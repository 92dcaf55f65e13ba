"""The choice of a language, which every page offers."""

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.views.decorators.http import require_POST
from django.views.i18n import set_language

from uploads import preferences
from uploads.accounts import person_of


@require_POST
def choose(request: HttpRequest) -> HttpResponse:
    """Show the pages in a language from now on, and write to the person in it."""
    language = request.POST.get("language", "")
    if request.user.is_authenticated and language in dict(settings.LANGUAGES):
        preferences.choose_language(person=person_of(request), language=language)
    return set_language(request)
