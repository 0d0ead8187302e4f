"""The application's class and its OpenAPI 3.1 document at /openapi.json.

Models and routes describe themselves; here is added what all operations have in common.
"""

from __future__ import annotations

import json
import re
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final

from apiflask import APIFlask

from inventory_service.http.idempotency import HEADER
from inventory_service.schemas.answers import Problem
from inventory_service.schemas.importexport import ImportProblem
from inventory_service.schemas.reading import ReadingAdapter
from inventory_service.version import VERSION

if TYPE_CHECKING:
    from collections.abc import Iterator

_DESCRIPTION: Final = """\
Products, their stock, and a ledger of every change.

Every error is an RFC 9457 problem that also carries `success: false` and `error`, a sentence a person can act on.
A changing POST may carry an `Idempotency-Key`: sent again, it is done once and answered as the first time.
The strong `ETag` of a product is its version; a change may name it in `If-Match`.
"""
_PROBLEM: Final = {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}}
_ALWAYS: Final = (400, 414, 429, 431, 500, 503)
_WITH_TOKENS: Final = (401, 403)
_MEANINGS: Final = {
    304: "The version that If-None-Match names is the one there is.",
    401: "Tokens are required, and the request holds none that is valid.",
    403: "The token's scope does not allow this.",
    404: "What the path names is not there.",
    409: "The state of the inventory, or a request in flight with the same Idempotency-Key, does not allow this.",
    412: "The product was changed since the client read the version that If-Match names.",
    414: "The address is longer than 8190 bytes.",
    422: "The Idempotency-Key was used for another request.",
    428: "The settings require If-Match of this request.",
    429: "There were too many requests; Retry-After tells when to come again.",
    503: "The service is temporarily unavailable; Retry-After tells when to retry.",
}


def new_app() -> APIFlask:
    """Return an application without routes but /openapi.json."""
    app = APIFlask(
        "inventory_service",
        title="Inventory service",
        version=VERSION,
        spec_path="/openapi.json",
        docs_path=None,
        json_errors=False,
        static_folder=None,  # type: ignore[arg-type]  # as Flask takes it
    )
    app.json.sort_keys = False  # type: ignore[attr-defined]
    app.config.update(
        DESCRIPTION=_DESCRIPTION,
        LICENSE={"name": "Apache-2.0", "identifier": "Apache-2.0"},
        AUTO_404_RESPONSE=False,
        AUTO_VALIDATION_ERROR_RESPONSE=False,
        AUTO_AUTH_ERROR_RESPONSE=False,
        AUTO_SERVERS=False,
        AUTO_OPERATION_ID=True,
        SECURITY_SCHEMES={"token": {"type": "http", "scheme": "bearer", "description": "Where tokens are required."}},
    )
    app.spec_processor(_complete)  # type: ignore[arg-type]  # the document is JSON, never YAML
    return app


def document(app: APIFlask) -> dict[str, Any]:
    """Return the document, made once."""
    made: dict[str, Any] = app._get_spec("json")  # type: ignore[assignment]  # noqa: SLF001 - `spec` makes it anew
    return made


def _complete(document: dict[str, Any]) -> dict[str, Any]:
    document["tags"] = [{"name": name} for name in dict.fromkeys(tag["name"] for tag in document["tags"])]
    schemas = document["components"]["schemas"]
    schemas.pop("HTTPError", None)  # APIFlask's own shape of an error, which no answer has
    for problem in (Problem, ImportProblem):
        schemas[problem.__name__] = ReadingAdapter(problem).get_openapi_schema()
    schemas["RowProblem"] = schemas["ImportProblem"].pop("$defs")["RowProblem"]
    for path in document["paths"].values():
        for method, operation in path.items():
            _complete_operation(method, operation)
    return _with_shared_schemas(document)


def _with_shared_schemas(document: dict[str, Any]) -> dict[str, Any]:
    """Return the document with one schema for each model: APIFlask writes `Parent.Child` for each parent."""
    text = re.sub(r"#/components/schemas/\w+\.", "#/components/schemas/", json.dumps(document))
    shared: dict[str, Any] = json.loads(text)
    schemas = shared["components"]["schemas"]
    shared["components"]["schemas"] = {name.rpartition(".")[2]: schemas[name] for name in sorted(schemas)}
    return shared


def _complete_operation(method: str, operation: dict[str, Any]) -> None:
    answers, parameters = operation["responses"], operation.setdefault("parameters", [])
    for status in _refusals(method, operation):
        if "application/problem+json" in answers.get(str(status), {}).get("content", {}):
            continue  # the route says more than we know
        meaning = _MEANINGS.get(status, HTTPStatus(status).phrase)
        answers[str(status)] = {"description": meaning, "content": _PROBLEM}
    for parameter in parameters:
        _drop_null(parameter["schema"])
    if "304" in answers:
        answers["304"] = {"description": _MEANINGS[304]}
        parameters.append(_header("If-None-Match", "The ETag of what the client has.", '"3"'))
    if "412" in answers:
        parameters.append(_header("If-Match", "The ETag of the product as the client read it.", '"3"'))
    if method == "post":
        meaning = "A new key for each new request, 1 to 255 characters."
        parameters.append(_header(HEADER, meaning, "order-1234-line-1", pattern="^[!-~]{1,255}$"))
    operation["security"] = [{}, {"token": []}]


def _drop_null(schema: dict[str, Any]) -> None:
    """Take out `null`, which is how a model says that a parameter may be left out: a query can't hold it."""
    if "anyOf" in schema:
        [kind] = [each for each in schema.pop("anyOf") if each != {"type": "null"}]
        del schema["default"]
        schema.update(kind)


def _refusals(method: str, operation: dict[str, Any]) -> Iterator[int]:
    yield from _ALWAYS
    yield from _WITH_TOKENS
    yield from (int(status) for status in operation["responses"] if status >= "400")
    if any(parameter["in"] == "path" for parameter in operation["parameters"]):
        yield 404
    if "requestBody" in operation:
        operation["requestBody"].setdefault("required", True)
        yield from (413, 415)
    if method == "post":
        yield from (409, 422)


def _header(name: str, description: str, example: str, **schema: str) -> dict[str, Any]:
    schema = {"type": "string", **schema}
    return {"name": name, "in": "header", "description": description, "schema": schema, "example": example}
