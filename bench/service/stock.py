"""The databases that the service is measured on: SQLite in a folder, PostgreSQL in a cluster of its own.

It never fills a database through the service: what is measured is not the filling.
"""

from __future__ import annotations

from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Final

from sqlalchemy import insert, text, update
from tests.framework import postgresql

from inventory_service.bootstrap import schema
from inventory_service.db.database import Database
from inventory_service.db.models import Product
from inventory_service.settings import Settings, load

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

DATABASES: Final = ("SQLite", "PostgreSQL")
#: Far from its bounds: no change of stock in a measurement is refused.
STOCK: Final = 1_000_000


@contextmanager
def new_databases(folder: Path) -> Iterator[Callable[[str], str]]:
    """Yield a function that returns the URL of a new empty database of a kind."""
    cluster, made = postgresql.start(fsync=True), 0

    def new(kind: str) -> str:
        nonlocal made
        made += 1
        if kind == "SQLite":
            return f"sqlite:///{folder}/{made}.db"
        cluster.execute("CREATE DATABASE {}", f"bench_{made}")
        return cluster.url(f"bench_{made}")

    try:
        yield new
    finally:
        postgresql.stop(cluster)


def fill(url: str, products: int) -> None:
    """Make the tables, and products that were last changed yesterday; every tenth is low."""
    then = datetime.now(UTC) - timedelta(days=1)
    same = {"description": "d" * 100, "min_stock_threshold": 10, "price": Decimal("9.99")}
    rows = [
        {
            "name": f"Product number {number}",
            "sku": f"SKU-{number}",
            "stock_level": number % 100 if number % 10 == 0 else STOCK,
            "created_at": then,
            "updated_at": then,
            **same,
        }
        for number in range(1, products + 1)
    ]
    with opened(url) as (database, settings):
        schema.prepare(database, settings)
        with database.writing() as session:
            session.execute(insert(Product), rows)
            session.execute(text("ANALYZE"))


def touch_all(url: str) -> None:
    """Change the stock of every product, as an import of the whole inventory does."""
    with opened(url) as (database, _), database.writing() as session:
        now = datetime.now(UTC)
        session.execute(update(Product).values(stock_level=Product.stock_level + 1, updated_at=now))


@contextmanager
def opened(url: str) -> Iterator[tuple[Database, Settings]]:
    """Open a database beside the service."""
    settings = load({"DATABASE_URL": url})
    database = Database(settings.database_url, connections=1)
    try:
        yield database, settings
    finally:
        database.close()
