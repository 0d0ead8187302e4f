"""The application factory. It opens no connection to the database: `bootstrap` and the requests do."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from flask import request

from inventory_service.api import (
    health,
    importexport,
    low_stock,
    metrics,
    movements,
    openapi,
    products,
    reservations,
    restocks,
    stock,
)
from inventory_service.context import Context, LastAudit, Lifecycle, context
from inventory_service.db.database import Database
from inventory_service.http import authentication, errors, rate_limit
from inventory_service.http.errors import NOT_NOW, RETRY_SECONDS, Unavailable
from inventory_service.http.turns import Turns
from inventory_service.importexport import applying, download
from inventory_service.inventory.stock import HYSTERESIS
from inventory_service.telemetry import process_metrics, request_hooks
from inventory_service.telemetry.exposition import Exposition
from inventory_service.telemetry.request_metrics import RequestMetrics, new_registry
from inventory_service.telemetry.stock_collector import StockCollector
from inventory_service.web import import_forms, site

if TYPE_CHECKING:
    from collections.abc import Callable

    from flask import Flask

    from inventory_service.settings import Settings


_NEED_THE_DATABASE: Final = (products, stock, restocks, movements, low_stock, reservations, importexport)
_GATED: Final = frozenset(noun.blueprint.name for noun in _NEED_THE_DATABASE) | site.NAMES
#: So many files are downloaded at a time, and so large a part of the threads waits for each kind of turn.
_DOWNLOADS: Final = 2
_SHARE: Final = 4


def create_app(settings: Settings) -> Flask:
    """Return a new application; several can live in one process."""
    app = openapi.new_app()
    app.config["MAX_CONTENT_LENGTH"] = settings.max_body_bytes

    # However the database hangs, two threads are left for what doesn't need it, and to say so.
    rules = {HYSTERESIS: settings.low_stock_hysteresis}
    database = Database(settings.database_url, connections=max(1, settings.threads - 2), info=rules)
    registry = new_registry()
    audit = LastAudit()
    process_metrics.register(registry, audit, database.engine.dialect.name)
    exposition = Exposition(registry, StockCollector(database, settings.metrics_max_products))
    limiter = rate_limit.new_limiter(settings, registry)
    failures = authentication.failures_counter(registry)
    some = max(1, settings.threads // _SHARE)
    imports, downloads = Turns(1, some, applying.BUSY), Turns(min(_DOWNLOADS, some), some, download.BUSY)
    Context(settings, database, exposition, Lifecycle(), limiter, audit, failures, imports, downloads).attach(app)

    request_metrics = RequestMetrics(registry)
    request_hooks.register(app, request_metrics)
    errors.register(app)
    # The client is identified before the rate limit, which counts clients without a token before they are refused.
    for hook in (authentication.identify, rate_limit.refuse_above_rate, authentication.require_token):
        app.before_request(hook)
    app.before_request(_wait_for_the_database)
    for noun in (*_NEED_THE_DATABASE, health, metrics):
        app.register_blueprint(noun.blueprint)
    site.register(app)
    request_hooks.expect_routes(app, request_metrics)
    return app


def body_limit(settings: Settings) -> Callable[[str], int]:
    """Return how many bytes a body may have, by the path of its request."""
    large = {**importexport.largest_bodies(settings), **import_forms.largest_bodies(settings)}
    return lambda path: large.get(path, settings.max_body_bytes)


def _wait_for_the_database() -> None:
    """Refuse what needs the tables until they were migrated, and while the database is out of reach."""
    if context().lifecycle.not_ready_reason and request.blueprint in _GATED:
        raise Unavailable(NOT_NOW, retry_after=RETRY_SECONDS)
