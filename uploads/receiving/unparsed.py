"""Requests that Django does not parse: foreign hosts, too many fields or files, and broken forms."""

from http import HTTPStatus

from django.conf import settings
from django.core.exceptions import (
    BadRequest,
    DisallowedHost,
    RequestDataTooBig,
    SuspiciousOperation,
    TooManyFieldsSent,
    TooManyFilesSent,
)
from django.http import HttpRequest, HttpResponse
from django.http.multipartparser import MultiPartParserError

from processing.errors import Refusal
from uploads.problems import answer, malformed_request


class InvalidHost(Refusal):
    """The request names a host that the site does not serve."""

    code = "invalid_host"
    title = "The host is not served here"
    status = HTTPStatus.BAD_REQUEST


class TooManyFields(Refusal):
    """The form or the query has too many fields."""

    code = "too_many_fields"
    title = "Too many fields"
    status = HTTPStatus.BAD_REQUEST


class TooManyFiles(Refusal):
    """The form has too many files."""

    code = "too_many_files"
    title = "Too many files"
    status = HTTPStatus.BAD_REQUEST


class RequestTooLarge(Refusal):
    """A form or a JSON body is too large."""

    code = "too_large"
    title = "The request is too large"
    status = HTTPStatus.REQUEST_ENTITY_TOO_LARGE


# The errors with which Django refuses to parse a request.
ERRORS = (SuspiciousOperation, MultiPartParserError, BadRequest)


def refusal_of(error: Exception) -> Refusal:
    """Return the refusal for a request that Django did not parse."""
    match error:
        case TooManyFieldsSent():
            limit = settings.DATA_UPLOAD_MAX_NUMBER_FIELDS or 0
            return TooManyFields("The request has more than {limit} fields. Send fewer.", limit=limit)
        case TooManyFilesSent():
            limit = settings.DATA_UPLOAD_MAX_NUMBER_FILES or 0
            return TooManyFiles("The request has more than {limit} files. Send fewer at once.", limit=limit)
        case RequestDataTooBig():
            return RequestTooLarge("The request is too large. Send less at once.")
        case DisallowedHost():
            return InvalidHost("The site does not exist under this host name. Check the URL.")
    return malformed_request()


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Answer a request that Django did not parse; it is Django's `handler400`."""
    return answer(request, refusal_of(exception))
