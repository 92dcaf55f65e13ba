"""Admission: whether somebody may send an image now, asked before its bytes move.

`body_guard` has these views answer, at the addresses of `admission_urls`, while it holds the body back.
"""

from collections.abc import Callable
from http import HTTPStatus
from typing import Any, cast

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.contrib.auth.models import User
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from processing import refusals
from processing.errors import Refusal
from uploads.problems import members_of, problem_response
from uploads.receiving import quotas, rate_limits
from uploads.receiving.body_guard import Question


def admit(request: HttpRequest, *, byte_size: int = 0) -> None:
    """Count an image as sent by this person now.

    Raises `RateLimited` or `QuotaExceeded`.
    """
    person = cast("User", request.user)
    quotas.check(person=person, byte_size=byte_size)
    rate_limits.take(person_id=person.pk, address=request.META.get("REMOTE_ADDR", ""))


def is_admitted(request: HttpRequest) -> bool:
    """Tell whether the guard has asked already: not all that calls a view comes through it."""
    return bool(getattr(request, "scope", {}).get("admitted"))


class AdmissionView(APIView):
    """Whether the API takes an image."""

    @property
    def default_response_headers(self) -> dict[str, str]:
        """Return none: the verbs of this view are not those of the address."""
        return {}

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        """Refuse what is wrong whoever sends it; then see who does."""
        question = _question(request)
        if question.refusal:
            raise question.refusal
        super().initial(request, *args, **kwargs)

    def get(self, request: Request) -> Response:
        """Let the body in."""
        admit(request, byte_size=_question(request).byte_size)
        return Response(status=HTTPStatus.NO_CONTENT)


def _in_words(view: Callable[[HttpRequest], HttpResponse]) -> Callable[[HttpRequest], HttpResponse]:
    """Let a page tell why a form's files are not taken."""

    def answer(request: HttpRequest) -> HttpResponse:
        try:
            return view(request)
        except Refusal as refusal:
            messages.error(request, refusals.sentence(refusal))
            return redirect(request.path)

    return answer


@login_required
@_in_words
def form(request: HttpRequest) -> HttpResponse:
    """Let the form's files in."""
    question = _question(request)
    if question.refusal:
        raise question.refusal
    admit(request)
    return HttpResponse(status=HTTPStatus.NO_CONTENT)


def other(request: HttpRequest) -> HttpResponse:
    """Refuse a body that no page and no program of ours sends."""
    refusal = _question(request).refusal
    if refusal is None:
        return HttpResponse(status=HTTPStatus.NO_CONTENT)
    return problem_response(**members_of(refusal))


def _question(request: Any) -> Question:
    question: Question = request.scope["question"]
    return question
