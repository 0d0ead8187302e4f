"""Reservations: available is on hand less reserved, exactly until the expiry, whatever process looks at it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import update
from tests.framework.service_app import prepared_app

from inventory_service.db.models import Reservation


def reserve(client, product, quantity, **fields):
    body = {"lines": [{"product_id": product["id"], "quantity": quantity}], **fields}
    return client.post("/api/reservations", json=body)


def stock(client, product):
    found = client.get(f"/api/products/{product['id']}/stock").json["stock"]
    return found["on_hand"], found["reserved"], found["available"]


def end(client, reservation, how):
    return client.post(f"/api/reservations/{reservation['id']}/{how}", json={})


def let_expire(context):
    with context.database.writing() as session:
        session.execute(update(Reservation).values(expires_at=datetime.now(UTC) - timedelta(microseconds=1)))


def test_reserve(client, product):
    answer = reserve(client, product, 8, reference="cart 5", expires_in_seconds=60)
    assert answer.status_code == 201, answer.text
    made = answer.json["reservation"]
    assert (made["state"], made["reference"], made["ended_at"]) == ("open", "cart 5", None)
    assert made["lines"] == [{"product_id": product["id"], "quantity": 8}]
    created, expires = (datetime.fromisoformat(made[field]) for field in ("created_at", "expires_at"))
    assert expires - created == timedelta(seconds=60)
    assert stock(client, product) == (20, 8, 12)
    assert client.get(f"/api/products/{product['id']}").json["product"]["stock_level"] == 20
    assert client.get(f"/api/reservations/{made['id']}").json["reservation"] == made
    assert client.get("/api/reservations").json["reservations"] == [made]


def test_what_is_reserved_is_not_available(client, product):
    reserve(client, product, 15)
    assert reserve(client, product, 6).status_code == 409
    path = f"/api/products/{product['id']}/adjust"
    refused = client.post(path, json={"delta": -6, "reason": "x"})
    assert refused.status_code == 409
    assert "5 are available" in refused.json["error"]
    assert client.post(path, json={"delta": -5, "reason": "x"}).status_code == 200
    assert stock(client, product) == (15, 15, 0)


def test_commit(client, product):
    made = reserve(client, product, 12, reference="cart 5").json["reservation"]
    answer = end(client, made, "commit")
    assert answer.status_code == 200, answer.text
    assert answer.json["reservation"]["state"] == "committed"
    [movement] = answer.json["movements"]
    expected = {"kind": "reservation", "delta": -12, "balance_after": 8, "reference": "cart 5", "low_stock_alert": True}
    assert {field: movement[field] for field in expected} == expected
    assert stock(client, product) == (8, 0, 8)
    for again in ("commit", "release"):
        refused = end(client, made, again)
        assert refused.status_code == 409
        assert "is committed" in refused.json["error"]


def test_release(client, product):
    made = reserve(client, product, 12).json["reservation"]
    assert end(client, made, "release").json["reservation"]["state"] == "released"
    assert stock(client, product) == (20, 0, 20)
    assert end(client, made, "commit").status_code == 409


def test_expiry_needs_no_clean_up(context, client, product):
    made = reserve(client, product, 20).json["reservation"]
    let_expire(context)
    assert stock(client, product) == (20, 0, 20)
    assert client.get(f"/api/reservations/{made['id']}").json["reservation"]["state"] == "expired"
    assert client.get("/api/reservations").json["reservations"][0]["state"] == "expired"
    refused = end(client, made, "commit")
    assert refused.status_code == 409
    assert "is expired" in refused.json["error"]
    assert reserve(client, product, 20).status_code == 201


def test_a_reservation_survives_a_restart(database_url):
    with prepared_app(database_url) as app:
        client = app.test_client()
        product = client.post("/api/products", json={"name": "A", "sku": "aaa", "stock_level": 5}).json["product"]
        made = reserve(client, product, 5).json["reservation"]
    with prepared_app(database_url) as app:
        assert stock(app.test_client(), product) == (5, 5, 0)
        assert end(app.test_client(), made, "commit").status_code == 200


def test_several_lines_are_all_or_nothing(client, product):
    other = client.post("/api/products", json={"name": "B", "sku": "bbb", "stock_level": 1}).json["product"]
    lines = [{"product_id": product["id"], "quantity": 5}, {"product_id": other["id"], "quantity": 2}]
    assert client.post("/api/reservations", json={"lines": lines}).status_code == 409
    assert stock(client, product) == (20, 0, 20)
    lines = [{"product_id": product["id"], "quantity": 5}, {"product_id": product["id"], "quantity": 6}]
    made = client.post("/api/reservations", json={"lines": lines}).json["reservation"]
    assert made["lines"] == [{"product_id": product["id"], "quantity": 11}]


def test_a_stock_take_may_find_less_than_is_reserved(client, product):
    first, second = (reserve(client, product, 10).json["reservation"] for _ in range(2))
    client.post(f"/api/products/{product['id']}/count", json={"quantity": 12})
    assert stock(client, product) == (12, 20, -8)
    assert client.post(f"/api/products/{product['id']}/adjust", json={"delta": 3, "reason": "x"}).status_code == 200
    assert end(client, first, "commit").status_code == 200
    refused = end(client, second, "commit")
    assert refused.status_code == 409
    assert "5 are available, and 10 were asked for" in refused.json["error"]
    assert stock(client, product) == (5, 10, -5)
    assert end(client, second, "release").status_code == 200


def test_a_deleted_product_can_not_be_committed(client, product):
    made = reserve(client, product, 1).json["reservation"]
    client.delete(f"/api/products/{product['id']}")
    assert end(client, made, "commit").status_code == 404
    assert end(client, made, "release").status_code == 200


@pytest.mark.parametrize(
    ("body", "sentence"),
    [
        ({"lines": []}, "lines must be a list of 1 to 100 lines"),
        ({"lines": [{"product_id": 1, "quantity": 0}]}, "lines[0].quantity must be a whole number from 1"),
        ({"lines": [{"product_id": 1, "quantity": 1}], "expires_in_seconds": 0}, "expires_in_seconds must be a whole"),
        ({"lines": [{"product_id": 1, "quantity": 1}], "expires_in_seconds": 2592001}, "seconds from 1 to 2592000"),
    ],
)
def test_refusals(client, body, sentence):
    answer = client.post("/api/reservations", json=body)
    assert answer.status_code == 400
    assert sentence in answer.json["error"]


def test_unknown_ones(client, product):
    assert client.get("/api/reservations/7").status_code == 404
    assert client.get(f"/api/reservations/{2**70}").status_code == 404
    assert end(client, {"id": 7}, "commit").status_code == 404
    assert reserve(client, {"id": 7}, 1).status_code == 404
