"""The language of a request: chosen by a person (a cookie), or else what their browser asks for."""

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.middleware.locale import LocaleMiddleware
from django.views.decorators.http import require_POST
from django.views.i18n import set_language

from uploads.notices import preferences
from uploads.pages.people import person_of

# Pictures and figures are the same in every language, and caches must not keep one for each.
WITHOUT_WORDS = {
    *(f"uploads:{name}" for name in ("picture", "rendition", "original", "healthz", "readyz", "metrics")),
    "favicon",
}


class LanguageMiddleware(LocaleMiddleware):
    """Activate the language of a request, and tell caches of it where the answer has words."""

    def process_response(self, request: HttpRequest, response: HttpResponseBase) -> HttpResponseBase:
        """Add `Content-Language` and `Vary` to all but pictures and what programs watch."""
        if request.resolver_match and request.resolver_match.view_name in WITHOUT_WORDS:
            return response
        return super().process_response(request, response)


@require_POST
def choose(request: HttpRequest) -> HttpResponse:
    """Show the pages in a language from now on, and write to the person in it."""
    language = request.POST.get("language", "")
    if request.user.is_authenticated and language in dict(settings.LANGUAGES):
        preferences.choose_language(person=person_of(request), language=language)
    return set_language(request)
