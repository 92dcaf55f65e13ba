"""The schema: files are binary, and every operation has a summary and valid examples."""

from collections.abc import Iterator
from typing import Any

import pytest
from drf_spectacular.generators import SchemaGenerator
from openapi_schema_validator import OAS30Validator

from uploads.api.openapi.schema import SETTINGS


@pytest.fixture(scope="module")
def schema() -> dict[str, Any]:
    """Return the schema of the API."""
    generator: Any = SchemaGenerator
    schema: dict[str, Any] = generator().get_schema(request=None, public=True)
    return schema


def operations(schema: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    for path, found in schema["paths"].items():
        for verb, operation in found.items():
            yield f"{verb.upper()} {path}", operation


def bodies(operation: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield the content types and bodies of the request and of the successful responses."""
    good = [part for status, part in operation["responses"].items() if status.startswith("2")]
    for part in (operation.get("requestBody", {}), *good):
        yield from part.get("content", {}).items()


def with_null(schema: Any) -> Any:
    """Return a schema in which a component that may be null accepts null, too, as every program reads it."""
    if isinstance(schema, list):
        return [with_null(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    found = {name: with_null(value) for name, value in schema.items()}
    if found.get("nullable") is True and "type" not in found:
        return {"anyOf": [found, {"enum": [None], "nullable": True}]}
    return found


def test_every_operation_has_its_own_summary(schema: dict[str, Any]) -> None:
    summaries = {name: operation["summary"] for name, operation in operations(schema)}
    assert len(summaries) > 25
    assert len(set(summaries.values())) == len(summaries)
    for name, summary in summaries.items():
        assert summary[0].isupper(), name
        assert not summary.endswith("."), name
        assert len(summary) <= 90, name


def test_every_body_has_a_valid_example(schema: dict[str, Any]) -> None:
    components, checked = with_null(schema["components"]), 0
    for name, operation in operations(schema):
        for content_type, body in bodies(operation):
            assert "example" in body, f"{name} {content_type}"
            if "$ref" in body["schema"]:
                validator = OAS30Validator({**body["schema"], "components": components})
                assert [error.message for error in validator.iter_errors(body["example"])] == [], name
                checked += 1
    assert checked > 30


def test_example_of_a_response_has_every_field(schema: dict[str, Any]) -> None:
    for _name, operation in operations(schema):
        for status, part in operation["responses"].items():
            for body in part.get("content", {}).values():
                component = body["schema"].get("$ref", "").rpartition("/")[2]
                if status.startswith("2") and component:
                    fields = schema["components"]["schemas"][component]["properties"]
                    assert set(body["example"]) == set(fields)


def test_every_operation_has_an_example(schema: dict[str, Any]) -> None:
    for name, operation in operations(schema):
        parameters = [one for one in operation.get("parameters", []) if "example" in one]
        assert parameters or any("example" in body for _, body in bodies(operation)), name
        assert all("example" in one for one in operation.get("parameters", []) if one["in"] == "path"), name


@pytest.mark.parametrize(("path", "verb"), [("/api/uploads/", "post"), ("/api/uploads/{id}/file/", "put")])
def test_file_is_binary(path: str, verb: str, schema: dict[str, Any]) -> None:
    content = schema["paths"][path][verb]["requestBody"]["content"]
    assert list(content) == ["multipart/form-data"]
    component = content["multipart/form-data"]["schema"]["$ref"].rpartition("/")[2]
    assert schema["components"]["schemas"][component]["properties"]["file"] == {
        "type": "string",
        "format": "binary",
    }


def test_filters_are_parameters(schema: dict[str, Any]) -> None:
    parameters = {one["name"] for one in schema["paths"]["/api/uploads/"]["get"]["parameters"]}
    filters = {"status", "q", "content_hash", "created_after", "ordering"}
    assert parameters == {*filters, "cursor", "page_size"}


def test_replacing_names_its_problems(schema: dict[str, Any]) -> None:
    responses = schema["paths"]["/api/uploads/{id}/file/"]["put"]["responses"]
    assert {"200", "404", "409", "412", "413", "415", "422", "507"} <= set(responses)


def test_requests_and_responses_have_components_of_their_own() -> None:
    assert SETTINGS["COMPONENT_SPLIT_REQUEST"] is True
