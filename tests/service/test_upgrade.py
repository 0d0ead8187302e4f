"""From the first version's schema with its data in it: every product and every restock is there afterwards."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest
import sqlalchemy as sa
from alembic import command
from sqlalchemy import inspect, text
from tests.framework.service_app import prepared_app

from inventory_service.bootstrap import schema
from inventory_service.context import context_of
from inventory_service.db.database import Database
from inventory_service.inventory import audit
from inventory_service.settings import load

if TYPE_CHECKING:
    from flask import Flask
    from flask.testing import FlaskClient

FIRST = datetime(2026, 1, 2, 3, 4, 5, 678901, tzinfo=UTC)
#: Product number -> its starting stock and the changes since, as pods of the first version wrote them.
HISTORY = {number: (number % 25, [("restock", number + 1), ("adjustment", -(number % 3))]) for number in range(1, 301)}


def _time(minutes: int) -> datetime:
    return FIRST + timedelta(minutes=minutes)


def _tables(connection: sa.Connection) -> tuple[sa.Table, sa.Table]:
    metadata = sa.MetaData()
    metadata.reflect(connection, only=["products", "stock_movements"])
    return metadata.tables["products"], metadata.tables["stock_movements"]


def _product(number: int) -> dict[str, object]:
    start, changes = HISTORY[number]
    return {
        "name": f"Früchte № {number}; DROP TABLE",
        "sku": f"OLD-{number}",
        "description": "as the first version kept it",
        "stock_level": start + sum(delta for _, delta in changes),
        "min_stock_threshold": 10 + number % 7,
        "price": 19_990_001 + number,
        "version": 3,
        "low_stock_alerts": number % 4,
        "restock_operations": 1,
        "update_operations": number % 2,
        "created_at": _time(number),
        "updated_at": _time(number + 60),
        "archived_at": _time(number + 90) if number % 10 == 0 else None,
    }


def _movements(number: int, product_id: int) -> list[dict[str, object]]:
    start, changes = HISTORY[number]
    balance, rows = 0, []
    for kind, delta in [("opening", start), *changes]:
        balance += delta
        rows.append(
            {
                "product_id": product_id,
                "kind": kind,
                "delta": delta,
                "balance_after": balance,
                "reason": f"{kind} of {number}",
                "reference": f"PO-{number}" if kind == "restock" else None,
                "actor": None,
                "request_id": f"request-{number}",
                "at": _time(number + len(rows)),
            }
        )
    return rows


#: Whose stock the first version left at or below the threshold, but above one.
LOW = [n for n in HISTORY if n % 10 and _product(n)["stock_level"] <= _product(n)["min_stock_threshold"]]


@pytest.fixture
def first_version(empty_database_url):
    """A database as the first version left it; the rows of its two tables, every column as the database gives it."""
    database = Database(load({"DATABASE_URL": empty_database_url}).database_url, connections=1)
    config = schema._config()
    try:
        with database.writing() as session:
            config.attributes["connection"] = session.connection()
            command.upgrade(config, "0001")
            products, movements = _tables(session.connection())
            for number in HISTORY:
                made = session.execute(sa.insert(products).values(_product(number)).returning(products.c.id))
                session.execute(sa.insert(movements), _movements(number, made.scalar_one()))
        yield database
    finally:
        database.close()


def _rows(database: Database, columns: dict[str, list[str]]) -> dict[str, list[tuple[object, ...]]]:
    with database.reading() as session:
        return {
            table: [tuple(row) for row in session.execute(text(f"SELECT {', '.join(names)} FROM {table} ORDER BY id"))]
            for table, names in columns.items()
        }


def _columns(database: Database) -> dict[str, list[str]]:
    found = inspect(database.engine)
    return {table: [one["name"] for one in found.get_columns(table)] for table in ("products", "stock_movements")}


def _restocks(client: FlaskClient) -> list[int]:
    quantities, query = [], "limit=100"
    while query:
        page = client.get(f"/api/restocks?{query}").json
        quantities += [one["quantity_added"] for one in page["restock_logs"]]
        query = page["next_cursor"] and f"limit=100&cursor={page['next_cursor']}"
    return sorted(quantities)


def _drift(app: Flask) -> int:
    with context_of(app).database.reading() as session:
        return len(audit.examine(session))


def test_every_product_and_every_restock_is_kept(empty_database_url, first_version):
    columns = _columns(first_version)
    before = _rows(first_version, columns)
    assert [len(rows) for rows in before.values()] == [len(HISTORY), 3 * len(HISTORY)]
    assert "low_stock_since" not in columns["products"]

    with prepared_app(empty_database_url) as app:
        assert schema.is_current(first_version)
        assert _rows(first_version, columns) == before
        client = app.test_client()
        active = [number for number in HISTORY if number % 10]
        assert client.get("/api/products").json["total_count"] == len(active)
        assert _restocks(client) == sorted(number + 1 for number in HISTORY)
        assert _drift(app) == 0


def test_who_is_low_on_stock_is_known_and_not_counted_again(empty_database_url, first_version):
    with prepared_app(empty_database_url) as app:
        client = app.test_client()
        low = {one["product"]["sku"]: one["low_stock_since"] for one in client.get("/api/low-stock").json["products"]}
        assert {sku: datetime.fromisoformat(since) for sku, since in low.items()} == {
            f"OLD-{number}": _product(number)["updated_at"] for number in LOW
        }
        number = LOW[0]
        product_id = next(
            one["id"] for one in client.get("/api/products").json["products"] if one["sku"] == f"OLD-{number}"
        )
        assert (
            client.post(f"/api/products/{product_id}/adjust", json={"delta": -1, "reason": "sold"}).status_code == 200
        )
        counted = [
            line for line in client.get("/metrics").text.splitlines() if line.startswith("low_stock_alerts_total")
        ]
    assert [line.split()[-1] for line in counted if f'product_id="{product_id}"' in line] == [f"{number % 4}.0"]


def test_a_pod_of_the_first_version_goes_on_writing(empty_database_url, first_version):
    """What it sends names only the columns that it knows."""
    with first_version.reading() as session:
        products, movements = _tables(session.connection())
    with prepared_app(empty_database_url) as app:
        row = _product(7) | {"sku": "NEW-BY-OLD", "stock_level": 5}
        with first_version.writing() as session:
            product_id = session.execute(sa.insert(products).values(row).returning(products.c.id)).scalar_one()
            first = _movements(7, product_id)[0] | {"delta": 5, "balance_after": 5}
            session.execute(sa.insert(movements), [first])
        client = app.test_client()
        assert client.get(f"/api/products/{product_id}").json["product"]["stock_level"] == 5
        answer = client.post(f"/api/products/{product_id}/restock", json={"quantity": 3})
        assert answer.json["product"]["stock_level"] == 8
        assert _drift(app) == 0
