"""What gunicorn refuses before there is a request, said in the service's one shape instead of gunicorn's HTML.

It never repeats what the client sent.
"""

from __future__ import annotations

import json
import uuid
from http import HTTPStatus
from typing import Final

from gunicorn.http import errors  # type: ignore[import-untyped]

#: By gunicorn's exception; every other one is a 400.
_MEANINGS: Final = {
    errors.LimitRequestLine: (HTTPStatus.REQUEST_URI_TOO_LONG, "The address is longer than this service takes."),
    errors.LimitRequestHeaders: (
        HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE,
        "The headers are more, or longer, than this service takes.",
    ),
    errors.ExpectationFailed: (HTTPStatus.EXPECTATION_FAILED, "Expect must be 100-continue."),
    errors.UnsupportedTransferCoding: (HTTPStatus.NOT_IMPLEMENTED, "Transfer-Encoding must be chunked."),
}
_MALFORMED: Final = (HTTPStatus.BAD_REQUEST, "This is no valid HTTP request.")
_FAILED: Final = (HTTPStatus.INTERNAL_SERVER_ERROR, "The service failed; its log tells why.")


def answer_to(error: Exception) -> tuple[int, bytes]:
    """Return the status and the whole answer, head and body, for what gunicorn raised; the connection ends with it."""
    ours = not isinstance(error, errors.ParseException) or isinstance(error, errors.InvalidResponseHeader)
    status, sentence = _FAILED if ours else _MEANINGS.get(type(error), _MALFORMED)
    occurrence = str(uuid.uuid4())
    problem = {
        "success": False,
        "error": sentence,
        "type": "about:blank",
        "title": status.phrase,
        "status": status,
        "detail": sentence,
        "instance": f"urn:uuid:{occurrence}",
        "request_id": occurrence,
    }
    body = json.dumps(problem).encode()
    head = (
        f"HTTP/1.1 {status} {status.phrase}\r\nConnection: close\r\nContent-Type: application/problem+json\r\n"
        f"Content-Length: {len(body)}\r\nX-Content-Type-Options: nosniff\r\nX-Frame-Options: DENY\r\n\r\n"
    )
    return status, head.encode() + body
