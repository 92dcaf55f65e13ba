"""Let pages of other origins use pictures in a canvas, in scripts, and with embedder policies."""

from collections.abc import Callable
from functools import wraps
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.utils.cache import patch_vary_headers

from processing.conf import ANY_ORIGIN, darkroom

View = Callable[..., HttpResponse]


def for_origins(view: View) -> View:
    """Add the headers for the origins of `PICTURE_ORIGINS` to every answer of a view.

    Browsers then send no cookies, so such a page sees only what every visitor may see.
    """

    @wraps(view)
    def answer(request: HttpRequest, *arguments: Any, **options: Any) -> HttpResponse:
        response = view(request, *arguments, **options)
        origins = darkroom().picture_origins
        if origins:
            response.headers["Cross-Origin-Resource-Policy"] = "cross-origin"
        if ANY_ORIGIN in origins:
            response.headers["Access-Control-Allow-Origin"] = ANY_ORIGIN
        elif origins:
            patch_vary_headers(response, ["Origin"])
            if (origin := request.headers.get("Origin", "")) in origins:
                response.headers["Access-Control-Allow-Origin"] = origin
        return response

    return answer
