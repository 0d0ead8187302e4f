"""The application factory.

It never touches the database: that is `bootstrap`'s, and the requests' own.
"""

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
from inventory_service.inventory.stock import HYSTERESIS
from inventory_service.telemetry import process_metrics, request_hooks
from inventory_service.telemetry.exposition import Exposition
from inventory_service.telemetry.request_metrics import RequestMetrics, new_registry
from inventory_service.telemetry.stock_collector import StockCollector
from inventory_service.web import site

if TYPE_CHECKING:
    from flask import Flask

    from inventory_service.settings import Settings


_NEED_THE_DATABASE: Final = (products, stock, restocks, movements, low_stock, reservations, importexport)
_GATED: Final = frozenset(noun.blueprint.name for noun in _NEED_THE_DATABASE) | site.NAMES


def create_app(settings: Settings) -> Flask:
    """Return a new application; several can live in one process."""
    app = openapi.new_app()
    app.config["MAX_CONTENT_LENGTH"] = settings.max_body_bytes

    # A connection for each thread, and some for the preparation and a second scrape.
    rules = {HYSTERESIS: settings.low_stock_hysteresis}
    database = Database(settings.database_url, connections=settings.threads + 2, info=rules)
    registry = new_registry()
    audit = LastAudit()
    process_metrics.register(registry, audit, database.engine.dialect.name)
    exposition = Exposition(registry, StockCollector(database, settings.metrics_max_products))
    limiter = rate_limit.new_limiter(settings, registry)
    failures = authentication.failures_counter(registry)
    Context(settings, database, exposition, Lifecycle(), limiter, audit, failures).attach(app)

    request_metrics = RequestMetrics(registry)
    request_hooks.register(app, request_metrics)
    errors.register(app)
    # Who asks is known before the rate limit, and strangers are counted by it before they are refused.
    for hook in (authentication.identify, rate_limit.refuse_above_rate, authentication.refuse_strangers):
        app.before_request(hook)
    app.before_request(_wait_for_the_database)
    for noun in (*_NEED_THE_DATABASE, health, metrics):
        app.register_blueprint(noun.blueprint)
    site.register(app)
    request_hooks.expect_routes(app, request_metrics)
    return app


def _wait_for_the_database() -> None:
    """Refuse what needs the tables until they were migrated."""
    if context().lifecycle.obstacle and request.blueprint in _GATED:
        raise Unavailable(NOT_NOW, retry_after=RETRY_SECONDS)
