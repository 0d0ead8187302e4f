"""Around every request: its id, its time, its metrics, its line in the log, the security headers of its answer.

It never logs a query, a header or a body: they may hold what is nobody's business.
"""

from __future__ import annotations

import re
import time
import uuid
from typing import TYPE_CHECKING, Final

import structlog
from flask import Flask, Response, g, request

if TYPE_CHECKING:
    from werkzeug.routing import Rule

    from inventory_service.metrics import RequestMetrics

_log = structlog.get_logger(__name__)

_SANE_REQUEST_ID: Final = re.compile(r"[A-Za-z0-9._:-]{1,64}")
_SECURITY_HEADERS: Final = {"X-Content-Type-Options": "nosniff", "X-Frame-Options": "DENY"}
#: Asked every few seconds by machines: their good answers are logged at debug level only.
_ROUTINE: Final = frozenset({"/livez", "/readyz", "/metrics", "/api/health"})


def register(app: Flask, metrics: RequestMetrics) -> None:
    """Observe every request of `app`; call it first, for what is registered later runs inside of it."""

    def finish(response: Response) -> Response:
        seconds = time.perf_counter() - g.started
        metrics.observe(request.method, _template(), response.status_code, seconds)
        _log_access(response, seconds)
        return response

    app.before_request(_start)
    app.after_request(finish)
    app.after_request(_add_headers)


def expect_routes(app: Flask, metrics: RequestMetrics) -> None:
    """Let the series of every route exist from the start, with the answers it commonly gives."""
    for rule in app.url_map.iter_rules():
        for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}:
            metrics.expect(method, rule.rule, _common_answers(rule, method))


def _common_answers(rule: Rule, method: str) -> set[int]:
    creates = method == "POST" and not rule.arguments
    takes_body = method in {"POST", "PUT"}
    return {201 if creates else 200, 500} | ({400} if takes_body else set()) | ({404} if rule.arguments else set())


def _start() -> None:
    g.started = time.perf_counter()
    given = request.headers.get("X-Request-ID", "")
    g.request_id = given if _SANE_REQUEST_ID.fullmatch(given) else uuid.uuid4().hex
    structlog.contextvars.clear_contextvars()
    structlog.contextvars.bind_contextvars(request_id=g.request_id)


def _add_headers(response: Response) -> Response:
    response.headers.update(_SECURITY_HEADERS)
    response.headers["X-Request-ID"] = g.request_id
    return response


def _template() -> str | None:
    return request.url_rule.rule if request.url_rule else None


def _log_access(response: Response, seconds: float) -> None:
    routine = request.path in _ROUTINE and response.status_code < 400  # noqa: PLR2004 - the first error status
    write = _log.debug if routine else _log.info
    write(
        "request",
        method=request.method,
        path=request.path,
        endpoint=_template(),
        status=response.status_code,
        duration_ms=round(seconds * 1000, 2),
        client=request.remote_addr,
    )
