"""The ledger: a line for every change of stock, with its origin; append-only, for SQL by hand as well."""

from __future__ import annotations

import pytest
from sqlalchemy import select, text
from sqlalchemy.exc import DBAPIError

from inventory_service.db.models import StockMovement


def lines(context):
    with context.database.reading() as session:
        found = session.scalars(select(StockMovement).order_by(StockMovement.id)).all()
    return [(line.kind, line.delta, line.balance_after, line.reason, line.request_id) for line in found]


def test_every_change_of_stock_is_a_line(client, context, product):
    path = f"/api/products/{product['id']}"
    changes = [
        ("POST", f"{path}/restock", {"quantity": 5, "notes": "Delivery 7"}, "r1"),
        ("PUT", path, {"stock_level": 3}, "r2"),
        ("PUT", path, {"stock_level": 3, "name": "Lamp"}, "r3"),
        ("PUT", path, {"name": "Desk lamp"}, "r4"),
        ("POST", f"{path}/restock", {"quantity": 0}, "r5"),
        ("PUT", path, {"stock_level": -1}, "r6"),
        ("DELETE", path, None, "r7"),
    ]
    for method, route, body, request_id in changes:
        client.open(route, method=method, json=body, headers={"X-Request-ID": request_id})
    assert lines(context)[1:] == [
        ("restock", 5, 25, "Delivery 7", "r1"),
        ("count", -22, 3, "", "r2"),
        ("count", 0, 3, "", "r3"),
    ]
    assert lines(context)[0][:3] == ("opening", 20, 20)


def test_a_product_that_starts_empty_has_no_line(client, context):
    client.post("/api/products", json={"name": "A", "sku": "abc"})
    assert lines(context) == []


REWRITES = ["UPDATE stock_movements SET delta = 1", "DELETE FROM stock_movements"]
LINE = "SELECT {}, product_id, kind, 1, 1, reason, at, {}, false, false FROM stock_movements WHERE id = 1"
COLUMNS = "id, product_id, kind, delta, balance_after, reason, at, reverses, low_stock_alert, out_of_stock_alert"
OWN_REWRITES = {
    "postgresql": ["TRUNCATE stock_movements", "TRUNCATE products CASCADE"],
    "sqlite": [
        f"REPLACE INTO stock_movements ({COLUMNS}) {LINE.format(1, 'NULL')}",
        f"INSERT OR REPLACE INTO stock_movements ({COLUMNS}) {LINE.format('NULL', 1)}",
        f"INSERT INTO stock_movements ({COLUMNS}) {LINE.format(1, 'NULL')} ON CONFLICT DO UPDATE SET delta = 1",
    ],
}


def test_the_database_refuses_to_rewrite_the_ledger(client, context, product):
    client.post("/api/movements/1/undo")
    client.post(f"/api/products/{product['id']}/restock", json={"quantity": 7})
    before = lines(context)
    assert [line[1] for line in before] == [20, -20, 7]
    for statement in REWRITES + OWN_REWRITES[context.database.engine.dialect.name]:
        with pytest.raises(DBAPIError, match="append-only"), context.database.writing() as session:
            session.execute(text(statement))
    assert lines(context) == before


def test_the_database_refuses_a_stock_below_zero(context, product):
    with pytest.raises(DBAPIError), context.database.writing() as session:
        session.execute(text("UPDATE products SET stock_level = -1"))
