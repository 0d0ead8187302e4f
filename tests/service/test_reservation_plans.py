"""How the database finds what is reserved of a product: by what is held now, not by all that ever was."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from sqlalchemy import insert, text
from tests.framework.service_database import Plans

from inventory_service.db.models import Product, Reservation, ReservationLine

PRODUCTS, EXPIRED = 50, 5000


@pytest.fixture
def much_reserved(context):
    """Products that thousands of reservations held until they expired; one still holds 3 of the first."""
    now = datetime.now(UTC)
    fields = {"description": "", "stock_level": 20, "min_stock_threshold": 5, "price": Decimal(1)}
    products = [
        {"id": each, "name": "Lamp", "sku": f"sku-{each}", "created_at": now, "updated_at": now, **fields}
        for each in range(1, 1 + PRODUCTS)
    ]
    ends = [now + timedelta(hours=1), *(now - timedelta(minutes=number) for number in range(1, 1 + EXPIRED))]
    reservations = [
        {"id": number, "state": "open", "created_at": end - timedelta(minutes=1), "expires_at": end}
        for number, end in enumerate(ends)
    ]
    lines = [
        {"reservation_id": number, "product_id": 1 + number % PRODUCTS, "quantity": 3} for number in range(EXPIRED)
    ]
    with context.database.writing() as session:
        for model, rows in ((Product, products), (Reservation, reservations), (ReservationLine, lines)):
            session.execute(insert(model), rows)
        session.execute(text("ANALYZE"))


def test_what_has_expired_is_not_read(client, context, much_reserved):
    with Plans(context.database) as plans:
        answer = client.get("/api/products/1/stock")
    assert answer.json["stock"] == {"on_hand": 20, "reserved": 3, "available": 17}
    (plan,) = (plan for plan in plans if "reservation_lines" in plan)
    assert "SCAN" not in plan
    assert "Seq Scan" not in plan
    if not context.database.on_sqlite:
        assert any("Index Cond" in line and "expires_at >" in line for line in plan.splitlines()), plan
