"""The application factory.

It never touches the database: that is `preparation`'s, and the requests' own.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from flask import Flask, request
from flask.json.provider import DefaultJSONProvider

from inventory_service import errors, limits, observe
from inventory_service.api import health, metrics, products, restocks
from inventory_service.audit import LastAudit
from inventory_service.context import Context, context
from inventory_service.database import Database
from inventory_service.errors import NOT_NOW, RETRY_SECONDS, Unavailable
from inventory_service.lifecycle import Lifecycle
from inventory_service.metrics import RequestMetrics, new_registry
from inventory_service.stock_collector import StockCollector
from inventory_service.store import stock

if TYPE_CHECKING:
    from inventory_service.settings import Settings


class _Json(DefaultJSONProvider):
    sort_keys = False


def create_app(settings: Settings) -> Flask:
    """Return a new application; several can live in one process."""
    app = Flask("inventory_service", static_folder=None)
    app.config["MAX_CONTENT_LENGTH"] = settings.max_body_bytes
    app.json = _Json(app)

    # A connection for each thread, and some for the preparation and a second scrape.
    rules = {stock.HYSTERESIS: settings.low_stock_hysteresis}
    database = Database(settings.database_url, connections=settings.threads + 2, info=rules)
    registry = new_registry()
    registry.register(StockCollector(database))
    limiter = limits.RateLimiter(settings.rate_limit) if settings.rate_limit else None
    Context(settings, database, registry, Lifecycle(), limiter, LastAudit()).attach(app)

    request_metrics = RequestMetrics(registry)
    observe.register(app, request_metrics)
    errors.register(app)
    limits.register(app)
    app.before_request(_wait_for_the_database)
    for noun in (products, restocks, health, metrics):
        app.register_blueprint(noun.blueprint)
    observe.expect_routes(app, request_metrics)
    return app


def _wait_for_the_database() -> None:
    """Refuse what needs the tables until they were migrated."""
    if context().lifecycle.obstacle and request.blueprint in {products.blueprint.name, restocks.blueprint.name}:
        raise Unavailable(NOT_NOW, retry_after=RETRY_SECONDS)
