"""The language of a request: the person's choice, stored in a cookie, or else the browser's language."""

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.middleware.locale import LocaleMiddleware
from django.views.decorators.http import require_POST
from django.views.i18n import set_language

from uploads.notices import preferences
from uploads.pages.people import person_of

# Apart from errors with `no-store`, these responses are the same in every language. Caches must not
# store one for each language.
WITHOUT_WORDS = {
    *(f"uploads:{name}" for name in ("picture", "rendition", "original", "healthz", "readyz", "metrics")),
    "favicon",
}


class LanguageMiddleware(LocaleMiddleware):
    """Activate the language of a request. Responses with text vary by language."""

    def process_response(self, request: HttpRequest, response: HttpResponseBase) -> HttpResponseBase:
        """Add `Content-Language` and `Vary`, except to images and monitoring responses."""
        # The project may have included the URLs under another instance namespace.
        match = request.resolver_match
        if match and ":".join([*match.app_names, match.url_name or ""]) in WITHOUT_WORDS:
            return response
        return super().process_response(request, response)


@require_POST
def choose(request: HttpRequest) -> HttpResponse:
    """Store a person's language for the pages and for email."""
    language = request.POST.get("language", "")
    if request.user.is_authenticated and language in dict(settings.LANGUAGES):
        preferences.choose_language(person=person_of(request), language=language)
    return set_language(request)
