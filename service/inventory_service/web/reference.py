"""The description of the API as a page, made from the OpenAPI document that the service serves."""

from __future__ import annotations

import json
import shlex
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, cast

from apiflask import APIBlueprint
from flask import current_app, request

from inventory_service.api import openapi
from inventory_service.context import context
from inventory_service.http.authentication import open_to_all
from inventory_service.web.render import page

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from apiflask import APIFlask
    from flask import Response

blueprint = APIBlueprint("reference", __name__, enable_openapi=False)

_REFERENCE: Final = "#/components/schemas/"
_PROBLEM: Final = "application/problem+json"
_KINDS: Final = {
    "integer": "a whole number",
    "number": "a number",
    "boolean": "true or false",
    "string": "a text",
    "object": "an object",
    "null": "null",
}
_EXAMPLES: Final = {"integer": 1, "number": 1.5, "boolean": True, "string": "text", "null": None}
_FILES: Final = {"text/csv": "products.csv", "application/x-ndjson": "products.jsonl"}


@dataclass(frozen=True, slots=True)
class Field:
    """One parameter of a request, or one field of a body."""

    name: str
    place: str
    required: bool
    what: str
    #: The schema that tells more, or "".
    schema: str
    example: str


@dataclass(frozen=True, slots=True)
class Answer:
    """One status that a route answers with, and the schema of its body, or ""."""

    status: str
    what: str
    schema: str


@dataclass(frozen=True, slots=True)
class Operation:
    """One method of one route."""

    id: str
    method: str
    path: str
    summary: str
    description: str
    parameters: Sequence[Field]
    body: Sequence[Field]
    content_types: Sequence[str]
    answers: Sequence[Answer]
    problems: Sequence[Answer]
    curl: str


@blueprint.get("/docs")
@open_to_all
def show_reference() -> Response:
    """Show every operation and every schema of the API."""
    document = openapi.document(cast("APIFlask", current_app))
    return page(
        "reference",
        title=document["info"]["title"],
        introduction=document["info"]["description"].strip().split("\n"),
        groups=groups(document, request.host_url.rstrip("/"), tokens=context().settings.require_tokens),
        schemas={name: fields(schema) for name, schema in sorted(document["components"]["schemas"].items())},
    )


def groups(document: Mapping[str, Any], server: str, *, tokens: bool) -> Mapping[str, Sequence[Operation]]:
    """Return the operations of an OpenAPI document by their tag, in the order of the document."""
    found: dict[str, list[Operation]] = {tag["name"]: [] for tag in document["tags"]}
    for path, item in document["paths"].items():
        for method, operation in item.items():
            found[operation["tags"][0]].append(_operation(document, method, path, operation, (server, tokens)))
    return found


def fields(schema: Mapping[str, Any]) -> Sequence[Field]:
    """Return the fields of an object's schema."""
    required = schema.get("required", ())
    return [_field(name, "", name in required, each) for name, each in schema.get("properties", {}).items()]


def _operation(
    document: Mapping[str, Any], method: str, path: str, operation: Mapping[str, Any], where: tuple[str, bool]
) -> Operation:
    content = operation.get("requestBody", {}).get("content", {})
    schema = _resolved(document, next(iter(content.values()))["schema"]) if content else {}
    answers = [
        Answer(status, answer["description"], _name_of(_schema(answer)))
        for status, answer in sorted(operation["responses"].items())
    ]
    problems = {status for status, answer in operation["responses"].items() if _PROBLEM in answer.get("content", {})}
    return Operation(
        id=operation["operationId"],
        method=method.upper(),
        path=path,
        summary=operation["summary"],
        description=operation.get("description", ""),
        parameters=[
            _field(each["name"], each["in"], each.get("required", False), {**each["schema"], **_said(each)})
            for each in operation["parameters"]
        ],
        body=fields(schema),
        content_types=list(content),
        answers=[answer for answer in answers if answer.status not in problems],
        problems=[answer for answer in answers if answer.status in problems],
        curl=" \\\n  ".join(_curl(document, method, path, operation, where)),
    )


def _said(parameter: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return what a parameter says beside its schema."""
    said = {"description": parameter["description"]} if "description" in parameter else {}
    return {**said, "examples": [parameter["example"]]} if "example" in parameter else said


def _schema(answer: Mapping[str, Any]) -> Mapping[str, Any]:
    content: Mapping[str, Any] = next(iter(answer.get("content", {}).values()), {})
    schema: Mapping[str, Any] = content.get("schema", {})
    return schema


def _field(name: str, place: str, required: bool, schema: Mapping[str, Any]) -> Field:  # noqa: FBT001
    example = schema.get("examples", [schema.get("default")])[0]
    shown = "" if example is None or example == "" else json.dumps(example, ensure_ascii=False)
    return Field(name, place, required, schema.get("description") or kind(schema), _name_of(schema), shown)


def kind(schema: Mapping[str, Any]) -> str:
    """Return in words what a schema takes."""
    if "$ref" in schema:
        return str(schema["$ref"]).removeprefix(_REFERENCE)
    if "anyOf" in schema:
        return " or ".join(kind(each) for each in schema["anyOf"])
    if "enum" in schema:
        return f"one of {', '.join(map(str, schema['enum']))}"
    if "const" in schema:
        return json.dumps(schema["const"])
    if schema.get("type") == "array":
        return f"a list of {kind(schema.get('items', {}))}"
    return _KINDS.get(schema.get("type", ""), "anything")


def _name_of(schema: Mapping[str, Any]) -> str:
    """Return the name of the first schema that is referred to, or ""."""
    if "$ref" in schema:
        return str(schema["$ref"]).removeprefix(_REFERENCE)
    parts = [*schema.get("anyOf", ()), schema.get("items", {})]
    return next((name for part in parts if part and (name := _name_of(part))), "")


def _resolved(document: Mapping[str, Any], schema: Mapping[str, Any]) -> Mapping[str, Any]:
    name = schema.get("$ref", "").removeprefix(_REFERENCE)
    found: Mapping[str, Any] = document["components"]["schemas"][name] if name else schema
    return found


def example_of(document: Mapping[str, Any], schema: Mapping[str, Any]) -> Any:
    """Return a value that fits a schema: its own example, or one made of its parts."""
    schema = _resolved(document, schema)
    if "examples" in schema:
        return schema["examples"][0]
    if "enum" in schema:
        return schema["enum"][0]
    if "anyOf" in schema:
        return example_of(document, schema["anyOf"][0])
    if schema.get("type") == "array":
        return [example_of(document, schema["items"])]
    if schema.get("type") == "object":
        required = schema.get("required", ())
        parts = schema.get("properties", {}).items()
        return {name: example_of(document, each) for name, each in parts if name in required or "examples" in each}
    return _EXAMPLES.get(schema.get("type", "string"))


def _curl(
    document: Mapping[str, Any], method: str, path: str, operation: Mapping[str, Any], where: tuple[str, bool]
) -> Iterator[str]:
    server, tokens = where
    for parameter in operation["parameters"]:
        path = path.replace(f"{{{parameter['name']}}}", "1")
    verb = "" if method == "get" else f"-X {method.upper()} "
    yield f"curl {verb}{shlex.quote(server + path)}"
    if tokens:
        yield '-H "Authorization: Bearer $TOKEN"'
    if method == "post":
        yield "-H 'Idempotency-Key: '$(uuidgen)"
    for content_type, content in list(operation.get("requestBody", {}).get("content", {}).items())[:1]:
        yield f"-H 'Content-Type: {content_type}'"
        if content_type in _FILES:
            yield f"--data-binary @{_FILES[content_type]}"
        else:
            body = json.dumps(example_of(document, content["schema"]), ensure_ascii=False)
            yield f"-d {shlex.quote(body)}"
