"""Around every request: its id, its duration, its metrics, its line in the log, the security headers of its answer.

The log has no query, header or body of a request: they may be private.
"""

from __future__ import annotations

import logging
import os
import re
import time
from typing import TYPE_CHECKING, Final

import structlog
from flask import Flask, Response, g, request

from inventory_service.http.client_address import client_address
from inventory_service.telemetry.request_metrics import METHODS, OTHER, UNMATCHED

if TYPE_CHECKING:
    from collections.abc import Container

    from werkzeug.routing import Rule

    from inventory_service.telemetry.request_metrics import RequestMetrics

_log = structlog.get_logger(__name__)

_SANE_REQUEST_ID: Final = re.compile(r"[A-Za-z0-9._:-]{1,64}")
_SECURITY_HEADERS: Final = {"X-Content-Type-Options": "nosniff", "X-Frame-Options": "DENY"}
#: Asked every few seconds by machines: their good answers are logged at debug level only.
_ROUTINE: Final = frozenset({"/livez", "/readyz", "/metrics", "/api/health"})


def register(app: Flask, metrics: RequestMetrics) -> None:
    """Observe every request of `app`; call it first, for what is registered later runs inside of it."""

    def start() -> None:
        metrics.begin()
        g.started = time.perf_counter()
        given = request.environ.get("HTTP_X_REQUEST_ID")
        g.request_id = given if given and _SANE_REQUEST_ID.fullmatch(given) else os.urandom(16).hex()

    def finish(response: Response) -> Response:
        request_id = g.request_id
        response.headers.update({**_SECURITY_HEADERS, "X-Request-ID": request_id})
        seconds = time.perf_counter() - g.started
        rule = request.url_rule
        endpoint = rule.rule if rule is not None else None
        metrics.observe(request.method, endpoint, response.status_code, seconds, request_id)
        _log_access(endpoint, response.status_code, seconds)
        return response

    def end(_error: BaseException | None) -> None:
        # Not in `finish`: that is left out when another function after the request fails.
        if "started" in g:
            metrics.end()

    app.before_request(start)
    app.after_request(finish)
    app.teardown_request(end)


def expect_routes(app: Flask, metrics: RequestMetrics) -> None:
    """Let the series of every route, and of none, exist from the start, with the answers commonly given there.

    Not of HEAD and OPTIONS, which come with every route: they would be half of all series, for what hardly comes.
    """
    routed: set[str] = set()
    for rule in app.url_map.iter_rules():
        methods = rule.methods or set()
        routed |= methods
        for method in methods - {"HEAD", "OPTIONS"}:
            metrics.expect(method, rule.rule, _common_answers(rule, method))
    for method in (*METHODS, OTHER):
        metrics.expect(method, UNMATCHED, _answers_without_route(method, routed))


def _answers_without_route(method: str, routed: Container[str]) -> set[int]:
    # 308 leads a path with two slashes in a row to the one that is meant; OPTIONS is possible at every route.
    return {404} | ({308} if method in routed else set()) | ({405} if method != "OPTIONS" else set())


def _common_answers(rule: Rule, method: str) -> set[int]:
    missing = {404} if rule.arguments else set()
    if method not in {"POST", "PUT"}:
        return {200, 500} | missing
    if rule.rule.startswith("/api/"):
        return {200, 400, 415, 500} | missing | ({201} if method == "POST" and not rule.arguments else set())
    return {303, 400, 403, 500} | missing


def _log_access(endpoint: str | None, status: int, seconds: float) -> None:
    routine = endpoint in _ROUTINE and status < 400  # noqa: PLR2004 - the first error status
    level = logging.DEBUG if routine else logging.INFO
    # Checked first: to build a line that is not logged costs as much as to measure the request.
    if not logging.root.isEnabledFor(level):
        return
    _log.log(
        level,
        "request",
        method=request.method,
        path=request.path,
        endpoint=endpoint,
        status=status,
        duration_ms=round(seconds * 1000, 2),
        client=client_address(),
    )
