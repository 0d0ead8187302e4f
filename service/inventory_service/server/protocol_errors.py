"""Answers to what the server refuses before there is a request for the application: the service's JSON.

What the client sent is not repeated in them.
"""

from __future__ import annotations

import json
import uuid
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final

import structlog

if TYPE_CHECKING:
    from collections.abc import Mapping

_log = structlog.get_logger(__name__)

#: By the status that the parser chose; every other one below 500 is a 400.
_SENTENCES: Final = {
    HTTPStatus.REQUEST_URI_TOO_LONG: "The address is longer than this service takes.",
    HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE: "The headers are more, or longer, than this service takes.",
    HTTPStatus.EXPECTATION_FAILED: "Expect must be 100-continue.",
    HTTPStatus.NOT_IMPLEMENTED: "Transfer-Encoding must be chunked.",
    HTTPStatus.SERVICE_UNAVAILABLE: "Other large files are being sent; send this one again in a few seconds.",
    HTTPStatus.INTERNAL_SERVER_ERROR: "The service failed; its log tells why.",
}
_MALFORMED: Final = "This is no valid HTTP request."
_RETRY_SECONDS: Final = 5


def answer_to(error: Any) -> tuple[HTTPStatus, Mapping[str, str], bytes]:
    """Return status, headers and body for an error of waitress or of `request`."""
    status = HTTPStatus(error.code) if HTTPStatus(error.code) in _SENTENCES else HTTPStatus.BAD_REQUEST
    sentence = _SENTENCES.get(status, _MALFORMED)
    if status != HTTPStatus.INTERNAL_SERVER_ERROR:
        _log.info("request refused by the server", status=status.value, reason=type(error).__name__)
    occurrence = str(uuid.uuid4())
    problem = {
        "success": False,
        "error": sentence,
        "type": "about:blank",
        "title": status.phrase,
        "status": status.value,
        "detail": sentence,
        "instance": f"urn:uuid:{occurrence}",
        "request_id": occurrence,
    }
    headers = {
        "Content-Type": "application/problem+json",
        "X-Content-Type-Options": "nosniff",
        "X-Frame-Options": "DENY",
    }
    if status == HTTPStatus.SERVICE_UNAVAILABLE:
        headers["Retry-After"] = str(_RETRY_SECONDS)
    return status, headers, json.dumps(problem).encode()
