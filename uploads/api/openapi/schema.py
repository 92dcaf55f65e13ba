"""The settings of the OpenAPI schema, and what drf-spectacular cannot derive.

That is the summaries, the examples, the problem responses, and the sub-path.
"""

import re
from collections.abc import Iterator
from typing import Any

from django.urls import get_script_prefix

from uploads.api.openapi.examples import EVENTS, IDS, example_of
from uploads.place import below

# The settings of drf-spectacular for Darkroom's API. A project's own are for its own API.
SETTINGS: dict[str, Any] = {
    "TITLE": "Darkroom",
    "DESCRIPTION": "Upload images and fetch their renditions.",
    "VERSION": "1.0.0",
    # Requests and responses have components of their own, so that a file is binary in a request.
    "COMPONENT_SPLIT_REQUEST": True,
    "PREPROCESSING_HOOKS": ["uploads.api.openapi.schema.leave_out_others"],
    "POSTPROCESSING_HOOKS": [
        "drf_spectacular.hooks.postprocess_schema_enums",
        "uploads.api.openapi.schema.add_summaries",
        "uploads.api.openapi.schema.add_examples",
        "uploads.api.openapi.schema.add_problems",
        "uploads.api.openapi.schema.add_server",
    ],
}

_PROBLEM = {
    "type": "object",
    "description": "A problem as RFC 9457 defines it. `code` is stable. `errors` lists the errors by field.",
    "properties": {
        "type": {"type": "string", "format": "uri"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string"},
        "code": {"type": "string"},
        "errors": {"type": "object", "additionalProperties": {}},
    },
    "required": ["type", "title", "status", "detail", "code"],
}
_ALWAYS = {
    "400": "The request is malformed or invalid.",
    "401": "The request is not authenticated, or its token is unknown, revoked or expired.",
    "403": "The token lacks the scope, or the session's CSRF header is missing.",
    "406": "The server offers none of the accepted types.",
    "429": "Too many requests. `Retry-After` gives the seconds to wait.",
    "503": "The database or the storage is unavailable, or the server is busy. See `Retry-After`.",
}
_OF_THINGS = {"404": "The resource does not exist or belongs to another owner."}
_OF_BODIES = {
    "408": "The request body did not arrive in time.",
    "413": "The request body is too large.",
    "415": "The type of the body or of the file is not supported.",
}
_OF_IMAGES = {"422": "The image has too many pixels.", "507": "The person's quota is used up."}
_OF_FILES = {
    "409": "Another upload has this file, or staff have taken this one down.",
    "412": "The file is not the one that `If-Match` names.",
}
_OF_LINKS = {"409": "The image is not private, or has too many private links."}
_OF_WEBHOOKS = {"409": "The person has too many webhooks, or this webhook is disabled."}
_OF_TOKENS = {"409": "The person has too many tokens."}
_FILE = "/api/uploads/{id}/file/"
# The path parameters with the resource before them.
_PARAMETER = re.compile(r"(\w+)/\{(\w+)\}")


def add_summaries(result: dict[str, Any], **_options: Any) -> dict[str, Any]:
    """Give each operation a summary: the first sentence of its description."""
    for _path, operation in _operations(result):
        operation["summary"] = re.split(r"(?<=\.)\s", operation["description"])[0].rstrip(".")
    return result


def add_examples(result: dict[str, Any], **_options: Any) -> dict[str, Any]:
    """Give each body of a request and of a response an example, and each id in a path."""
    for path, operation in _operations(result):
        for content_type, body in _bodies(operation):
            reference = body["schema"].get("$ref", "")
            name = reference.rpartition("/")[2]
            known = result["components"]["schemas"].get(name, {})
            body["example"] = EVENTS if content_type == "text/event-stream" else example_of(name, known)
        resources = {parameter: resource for resource, parameter in _PARAMETER.findall(path)}
        for parameter in operation.get("parameters", []):
            if parameter["in"] == "path":
                parameter["example"] = IDS[resources[parameter["name"]]]
    return result


def leave_out_others(endpoints: list[tuple[str, str, str, Any]]) -> list[tuple[str, str, str, Any]]:
    """Return the endpoints of Darkroom's API without those of the project's other apps."""
    return [endpoint for endpoint in endpoints if endpoint[3].cls.__module__.startswith("uploads.api.")]


def add_problems(result: dict[str, Any], **_options: Any) -> dict[str, Any]:
    """Add to each operation the problems that it can return."""
    result["components"]["schemas"]["Problem"] = _PROBLEM
    for path, operations in result["paths"].items():
        for verb, operation in operations.items():
            _add(operation, _problems_of(below(path), verb, operation))
    return result


def add_server(result: dict[str, Any], **_options: Any) -> dict[str, Any]:
    """Name the sub-path of the site, which the paths of the schema do not contain."""
    sub_path = get_script_prefix().rstrip("/")
    return {**result, "servers": [{"url": sub_path}]} if sub_path else result


def _operations(result: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    for path, operations in result["paths"].items():
        for operation in operations.values():
            yield path, operation


def _bodies(operation: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield the content types of the request and of the responses, with their schemas."""
    for part in (operation.get("requestBody", {}), *operation["responses"].values()):
        yield from part.get("content", {}).items()


def _problems_of(path: str, verb: str, operation: dict[str, Any]) -> dict[str, str]:
    names = {parameter["name"] for parameter in operation.get("parameters", [])}
    return {
        **_ALWAYS,
        **(_OF_THINGS if "{" in path or "cursor" in names else {}),
        **(_OF_BODIES if verb in ("post", "patch", "put") else {}),
        **(_OF_IMAGES if (verb, path) in (("post", "/api/uploads/"), ("put", _FILE)) else {}),
        **(_OF_FILES if path == _FILE else {}),
        **(_OF_LINKS if (verb, path) == ("post", "/api/uploads/{upload}/links/") else {}),
        **(_OF_WEBHOOKS if verb != "get" and path.startswith("/api/webhooks/") else {}),
        **(_OF_TOKENS if (verb, path) == ("post", "/api/tokens/") else {}),
    }


def _add(operation: dict[str, Any], problems: dict[str, str]) -> None:
    content = {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}}
    for status, description in problems.items():
        operation["responses"].setdefault(status, {"description": description, "content": content})
