"""The views of health, readiness, and metrics for Prometheus."""

import ipaddress
from http import HTTPStatus

from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.utils.crypto import constant_time_compare
from django.views.decorators.http import require_safe

from processing.conf import darkroom
from uploads.monitoring import exposition, readiness

# Prefixes of the headers that proxies add to a request.
_PASSED_ON = ("HTTP_FORWARDED", "HTTP_VIA", "HTTP_X_FORWARDED", "HTTP_X_REAL_IP")


@require_safe
def healthz(request: HttpRequest) -> HttpResponse:
    """Answer 200 as long as the process runs."""
    return HttpResponse("ok\n", content_type="text/plain", headers={"Cache-Control": "no-store"})


@require_safe
def readyz(request: HttpRequest) -> JsonResponse:
    """Answer 200 if this process can serve, else 503; the body names what else is not well."""
    seen = readiness.latest()
    return JsonResponse(
        {
            "ready": seen.is_ready,
            "checks": {name: problem or "ok" for name, problem in seen.problems.items()},
            # A weaker sandbox does not keep this process from serving.
            "renderer": readiness.renderer_weakness() or "ok",
        },
        status=HTTPStatus.OK if seen.is_ready else HTTPStatus.SERVICE_UNAVAILABLE,
        headers={"Cache-Control": "no-store"},
    )


@require_safe
def metrics(request: HttpRequest) -> HttpResponse:
    """Answer staff, and clients with `METRICS_TOKEN`; if it is not set, answer local requests instead."""
    trusted = _has_token(request) if darkroom().metrics_token else _is_local(request)
    if not (trusted or request.user.is_staff):
        raise Http404
    return HttpResponse(exposition.text(), content_type=exposition.CONTENT_TYPE)


def _has_token(request: HttpRequest) -> bool:
    return constant_time_compare(
        request.headers.get("Authorization", ""), f"Bearer {darkroom().metrics_token}"
    )


def _is_local(request: HttpRequest) -> bool:
    """Return whether the request comes from this machine and not through a proxy."""
    if any(name.startswith(_PASSED_ON) for name in request.META):
        return False
    try:
        return ipaddress.ip_address(request.META.get("REMOTE_ADDR", "")).is_loopback
    except ValueError:
        return False
