"""Every error of the service, in one JSON shape: the contract's `success` and `error`, and an RFC 9457 problem.

The cause of an unexpected error is in the log, under the request's id, and not in the answer.
"""

from __future__ import annotations

import json
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote

import structlog
from flask import Response, g, request
from werkzeug import exceptions
from werkzeug.exceptions import HTTPException

from inventory_service.db.faults import DatabaseUnavailable
from inventory_service.inventory import refusals

if TYPE_CHECKING:
    from flask import Flask

_log = structlog.get_logger(__name__)

#: All that answers say of the database; the reason may name hosts and users, and is in the log and in /readyz.
NOT_NOW: Final = "The service is temporarily unavailable; retry in a few seconds."
RETRY_SECONDS: Final = 5

PROBLEM_TYPE: Final = "urn:inventorystack:problem:"

#: What an HTTP error means here, where werkzeug's own words don't help a person. {0} is the method, {1} the path.
_SENTENCES: Final = {
    404: "There is nothing at {1}.",
    405: "{0} is not possible at {1}; the Allow header names what is.",
    413: "The body is larger than this service takes.",
    500: "The service failed; its log tells why under the request id {2}.",
}
#: The contract answers 400 where a status of its own would be usual.
_REFUSALS: Final[dict[type[refusals.Refusal], tuple[int, str]]] = {
    refusals.UnknownProduct: (404, "unknown-product"),
    refusals.DuplicateSku: (400, "duplicate-sku"),
    refusals.StockLimit: (400, "stock-limit"),
    refusals.StaleVersion: (412, "stale-version"),
    refusals.InsufficientStock: (409, "insufficient-stock"),
    refusals.UnknownMovement: (404, "unknown-movement"),
    refusals.AlreadyReversed: (409, "already-reversed"),
    refusals.UnknownReservation: (404, "unknown-reservation"),
    refusals.ReservationEnded: (409, "reservation-ended"),
    refusals.BadCursor: (400, "bad-cursor"),
    refusals.ImportConflict: (409, "import-conflict"),
}


class BadRequest(exceptions.BadRequest):
    """The request's body or query can't be used; the description says how to mend it."""


class UnsupportedEncoding(exceptions.UnsupportedMediaType):
    """The body is compressed."""

    description = "The body must be plain JSON, without Content-Encoding."


class UnsupportedType(exceptions.UnsupportedMediaType):
    """The body is not JSON, by its Content-Type."""

    description = "The body must be JSON, with Content-Type application/json."


class PreconditionNeeded(exceptions.PreconditionRequired):
    """The settings require If-Match of this request."""

    description = "This change needs If-Match with the ETag of the product as you read it."


class Unavailable(exceptions.ServiceUnavailable):
    """The service is temporarily unavailable."""


def register(app: Flask) -> None:
    """Answer every error of `app` from here."""
    app.register_error_handler(HTTPException, _on_http_error)
    app.register_error_handler(refusals.Refusal, refuse)
    app.register_error_handler(Exception, _on_unexpected)
    app.register_error_handler(DatabaseUnavailable, _on_unavailable)


def problem(status: int, sentence: str, code: str | None = None, **members: Any) -> Response:
    """Return the one shape, and what else there is to say.

    Without a code the problem means no more than its status (RFC 9457, 4.2.1).
    """
    content = {
        "success": False,
        "error": sentence,
        "type": f"{PROBLEM_TYPE}{code}" if code else "about:blank",
        "title": HTTPStatus(status).phrase,
        "status": status,
        "detail": sentence,
        "instance": quote(request.path),
        "request_id": g.get("request_id"),
        **members,
    }
    return Response(json.dumps(content), status, content_type="application/problem+json")


def _on_http_error(error: HTTPException) -> Response:
    own = error.get_response()
    if own.status_code < HTTPStatus.BAD_REQUEST:  # a redirect is no problem
        return Response(own.get_data(), own.status_code, dict(own.headers))
    response = problem(own.status_code, _sentence(error, own.status_code), getattr(error, "problem_code", None))
    for header in ("Allow", "Retry-After", "WWW-Authenticate", "RateLimit", "RateLimit-Policy"):
        if header in own.headers:
            response.headers[header] = own.headers[header]
    return response


def _sentence(error: HTTPException, status: int) -> str:
    words = type(error).description
    if error.description and (error.description != words or type(error).__module__ == __name__):
        return error.description
    template = _SENTENCES.get(status)
    if template is None:
        return error.description or HTTPStatus(status).phrase
    return template.format(request.method, request.path, g.get("request_id"))


def refuse(error: refusals.Refusal) -> Response:
    """Return what a refusal of the inventory's rules looks like."""
    status, code = _REFUSALS[type(error)]
    return problem(status, str(error), code)


def _on_unavailable(error: DatabaseUnavailable) -> Response:
    _log.warning("database unavailable", fault=error.fault.name.lower(), reason=str(error))
    response = problem(503, NOT_NOW, "database-unavailable")
    response.headers["Retry-After"] = str(RETRY_SECONDS)
    return response


def _on_unexpected(error: Exception) -> Response:
    _log.error("request failed", exc_info=error)
    return _on_http_error(exceptions.InternalServerError())
