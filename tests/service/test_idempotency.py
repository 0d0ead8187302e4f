"""Idempotency-Key: done once, answered again as it was."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import func, select, text, update

from inventory_service.db.models import IdempotencyKey, StockMovement

KEY = {"Idempotency-Key": "order-1234"}


def restock(client, product, quantity=5, headers=KEY, **more):
    return client.post(
        f"/api/products/{product['id']}/restock", json={"quantity": quantity}, headers={**headers, **more}
    )


def level(client, product):
    return client.get(f"/api/products/{product['id']}").json["product"]["stock_level"]


def test_a_replay_is_answered_as_the_first_time(client, product):
    first = restock(client, product)
    client.post(f"/api/products/{product['id']}/restock", json={"quantity": 100})
    again = restock(client, product)
    assert (again.status_code, again.data, again.content_type) == (first.status_code, first.data, first.content_type)
    assert again.headers["ETag"] == first.headers["ETag"]
    assert "Idempotency-Replayed" not in first.headers
    assert again.headers["Idempotency-Replayed"] == "true"
    assert level(client, product) == 125


def test_a_creation_is_replayed_with_its_status(client):
    body = {"name": "A", "sku": "aaa"}
    answers = [client.post("/api/products", json=body, headers=KEY) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [201, 201]
    assert answers[0].json == answers[1].json
    assert client.get("/api/products").json["total_count"] == 1


def test_another_request_under_the_same_key(client, product):
    restock(client, product)
    others = [
        restock(client, product, 6),
        client.post(f"/api/products/{product['id']}/adjust", json={"delta": 1, "reason": "x"}, headers=KEY),
        restock(client, product, **{"If-Match": '"2"'}),
    ]
    for answer in others:
        assert answer.status_code == 422
        assert answer.json["type"] == "urn:inventorystack:problem:idempotency-key-reused"
    assert level(client, product) == 25


def test_a_refusal_is_kept_too(client, product):
    body = {"delta": -21, "reason": "x"}
    path = f"/api/products/{product['id']}/adjust"
    first = client.post(path, json=body, headers=KEY)
    assert first.status_code == 409
    client.post(f"/api/products/{product['id']}/restock", json={"quantity": 100})
    again = client.post(path, json=body, headers=KEY)
    assert (again.status_code, again.json) == (409, first.json)
    assert client.post(path, json=body).status_code == 200


def test_what_was_never_understood_is_not_kept(client, product):
    assert restock(client, product, 0).status_code == 400
    assert restock(client, product, 5).status_code == 200


def test_a_key_in_flight_is_refused_at_once(context, client, product):
    with context.database.writing_exclusively(b"\norder-1234"):
        answer = restock(client, product)
    assert answer.status_code == 409
    assert answer.json["type"] == "urn:inventorystack:problem:request-in-flight"
    assert answer.headers["Retry-After"] == "1"
    assert restock(client, product).status_code == 200


def test_a_key_expires(context, client, product):
    restock(client, product)
    with context.database.writing() as session:
        session.execute(update(IdempotencyKey).values(expires_at=datetime.now(UTC) - timedelta(seconds=1)))
    assert restock(client, product, 6).status_code == 200
    assert level(client, product) == 31
    with context.database.reading() as session:
        assert session.scalar(select(func.count()).select_from(IdempotencyKey)) == 1


def test_what_fails_leaves_neither_a_change_nor_an_answer(context, client, product):
    """The answer can't be stored: the change is undone with it."""
    with context.database.writing() as session:
        session.execute(text("ALTER TABLE idempotency_keys RENAME TO hidden"))
    assert restock(client, product).status_code in {500, 503}
    assert level(client, product) == 20
    with context.database.writing() as session:
        session.execute(text("ALTER TABLE hidden RENAME TO idempotency_keys"))
    assert restock(client, product).status_code == 200
    with context.database.reading() as session:
        assert session.scalar(select(func.count()).where(StockMovement.kind == "restock")) == 1


@pytest.mark.parametrize("key", ["", "k" * 256, "ke y", "schlüssel"])
def test_a_bad_key(client, product, key):
    answer = restock(client, product, headers={"Idempotency-Key": key})
    assert answer.status_code == 400
    assert answer.json["error"].startswith("Idempotency-Key must be 1 to 255 printable ASCII characters")


def posts(product):
    """Return a request for every POST of the API, in an order in which each succeeds."""
    number = product["id"]
    kind = "application/json"
    lines = [{"product_id": number, "quantity": 1}]
    return {
        "/api/products": (kind, {"name": "A", "sku": "aaa"}),
        "/api/products/<int:product_id>/restock": (kind, {"quantity": 1}),
        "/api/products/<int:product_id>/adjust": (kind, {"delta": 1, "reason": "x"}),
        "/api/products/<int:product_id>/count": (kind, {"quantity": 30}),
        "/api/movements": (kind, {"lines": [{"product_id": number, "delta": 1}], "reason": "x"}),
        "/api/movements/<int:movement_id>/undo": (kind, {}),
        "/api/reservations": (kind, {"lines": lines}),
        "/api/reservations/<int:reservation_id>/commit": (kind, {}),
        "/api/reservations/<int:reservation_id>/release": (kind, {}),
        "/api/import/products": ("text/csv", "sku,name\nbbb,B\n"),
    }


def test_every_changing_post_of_the_api_honours_it(app, client, product):
    """A POST that forgets it, or that is missing here, is found."""
    requests = posts(product)
    assert set(requests) == {
        rule.rule for rule in app.url_map.iter_rules() if "POST" in rule.methods and "/api/" in rule.rule
    }
    client.post("/api/reservations", json=requests["/api/reservations"][1])
    ids = {"product_id": product["id"], "movement_id": 1, "reservation_id": 1}
    for number, (rule, (content_type, body)) in enumerate(requests.items()):
        path = re.sub(r"<int:(\w+)>", lambda match: str(ids[match[1]]), rule)
        if rule.endswith("/release"):
            path = path.replace("/1/", "/2/")
        data = body if isinstance(body, str) else json.dumps(body)
        headers = {"Idempotency-Key": f"key-{number}", "Content-Type": content_type}
        first, again = (client.post(path, data=data, headers=headers) for _ in range(2))
        assert first.status_code in {200, 201}, (rule, first.text)
        assert (again.data, again.headers.get("Idempotency-Replayed")) == (first.data, "true"), rule


def test_it_is_documented_where_it_is_honoured(app):
    for path in app.spec["paths"].values():
        for method, operation in path.items():
            named = {parameter["name"] for parameter in operation["parameters"]}
            assert ("Idempotency-Key" in named) == (method == "post")
