"""What the instrumentation of a request costs, beside none and beside prometheus-flask-exporter: CPU time, in one run.

It goes through no server and no network: they would cost more than what is measured, and the same for all.
"""

from __future__ import annotations

import contextlib
import gc
import logging
import os
import statistics
import time
import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from bench.service.stock import fill
from prometheus_client import CollectorRegistry
from werkzeug.test import EnvironBuilder

from inventory_service.app import create_app
from inventory_service.context import context_of
from inventory_service.settings import load
from inventory_service.telemetry import logging as telemetry_logging

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from flask import Flask

NONE: Final = "none"
OURS: Final = "ours"
LOGGED: Final = "ours, with its access log"
PEER: Final = "prometheus-flask-exporter"

#: The cheapest route there is, and the one a shop asks most.
ROUTES: Final = {"GET /livez": "/livez", "GET /api/products/<id>": "/api/products/1"}
#: Requests at a time, before it is the next one's turn: short, so that all meet the same weather.
_AT_A_TIME: Final = 40


@dataclass(frozen=True, slots=True)
class Cost:
    """CPU time of one request in microseconds, and how it relates to none in the same round: medians."""

    route: str
    variant: str
    microseconds: float
    ratio: float


def measure(folder: Path, rounds: int) -> Sequence[Cost]:
    """Return the cost of each variant at each route."""
    url = f"sqlite:///{folder}/cost.db"
    fill(url, 10)
    with open(os.devnull, "w") as nowhere, contextlib.redirect_stdout(nowhere):  # noqa: PTH123 - no path of a file
        telemetry_logging.configure("info")
        apps = _apps(url)
        gc.collect()
        gc.freeze()  # as the server does
        found = [cost for route, path in ROUTES.items() for cost in _compare(apps, route, path, rounds)]
        logging.getLogger().handlers.clear()
    for app in {*apps.values()}:
        context_of(app).database.close()
    return found


def _apps(url: str) -> Mapping[str, Flask]:
    ours = _new(url)
    bare, peer = _without_ours(_new(url)), _without_ours(_new(url))
    with warnings.catch_warnings(action="ignore"):  # of what its dependencies will take away
        from prometheus_flask_exporter import PrometheusMetrics  # type: ignore[import-untyped]
    # By route and without a /metrics of its own: as like ours as it can be.
    PrometheusMetrics(peer, path=None, group_by="url_rule", registry=CollectorRegistry())
    return {NONE: bare, OURS: ours, LOGGED: ours, PEER: peer}


def _new(url: str) -> Flask:
    app = create_app(load({"DATABASE_URL": url}))
    context_of(app).lifecycle.not_ready_reason = None
    return app


def _without_ours(app: Flask) -> Flask:
    """Take away everything that `observe` does around a request: metrics, id, security headers and log."""
    taken = 0
    for hooks in (app.before_request_funcs, app.after_request_funcs, app.teardown_request_funcs):
        functions: list[Any] = hooks[None]
        kept = [
            function for function in functions if function.__module__ != "inventory_service.telemetry.request_hooks"
        ]
        taken += len(functions) - len(kept)
        functions[:] = kept
    assert taken == 3, "observe has other hooks than this measurement knows"  # noqa: PLR2004
    return app


def _compare(apps: Mapping[str, Flask], route: str, path: str, rounds: int) -> Sequence[Cost]:
    environment = EnvironBuilder(path=path).get_environ()
    times: dict[str, list[float]] = {variant: [] for variant in apps}
    order = list(apps)
    for number in range(-3, rounds):
        for variant in order:
            logging.getLogger().setLevel(logging.INFO if variant == LOGGED else logging.WARNING)
            seconds = _run(apps[variant].wsgi_app, environment)
            if number >= 0:
                times[variant].append(seconds)
        order.append(order.pop(0))
    return [
        Cost(
            route,
            variant,
            statistics.median(found) * 1e6,
            statistics.median(mine / none for mine, none in zip(found, times[NONE], strict=True)),
        )
        for variant, found in times.items()
    ]


def _run(application: Callable[..., Any], environment: Mapping[str, Any]) -> float:
    """Return the CPU seconds of one request."""

    def start_response(status: str, _headers: object, _error: object = None) -> None:
        assert status == "200 OK", status

    began = time.thread_time()
    for _ in range(_AT_A_TIME):
        answer = application(dict(environment), start_response)
        for _part in answer:
            pass
        answer.close()
    return (time.thread_time() - began) / _AT_A_TIME
