"""Lists: by key, so that nothing is shown twice or skipped while others write; filters, search, sort."""

from __future__ import annotations

import base64
import itertools
import json

import pytest

from inventory_service.inventory.lists import PRODUCT_ORDERS

STOCKS = [5, 0, 30, 5, 12, 0, 7]


@pytest.fixture
def many(client):
    """Products with equal names and equal stocks among them; thresholds of 5."""
    names = ["lamp", "Lamp", "desk", "desk", "50% off_lamp", "chair", "Ünit"]
    bodies = [
        {"name": name, "sku": f"SKU-{number}", "stock_level": level, "min_stock_threshold": 5, "price": number % 3}
        for number, (name, level) in enumerate(zip(names, STOCKS, strict=True))
    ]
    return [client.post("/api/products", json=body).json["product"] for body in bodies]


def pages(client, path, key, **query):
    """Yield the rows page by page."""
    for _ in range(50):
        answer = client.get(path, query_string=query)
        assert answer.status_code == 200, answer.text
        yield answer.json[key]
        if answer.json["next_cursor"] is None:
            return
        query["cursor"] = answer.json["next_cursor"]
    raise AssertionError("the pages never end")


@pytest.mark.parametrize("limit", [1, 3, 7, 200])
@pytest.mark.parametrize("order", PRODUCT_ORDERS)
def test_pages_hold_every_product_once_and_in_order(client, many, order, limit):
    found = list(pages(client, "/api/products", "products", sort=order, limit=limit))
    assert all(len(page) <= limit for page in found)
    rows = [row for page in found for row in page]
    assert sorted(row["id"] for row in rows) == [product["id"] for product in many]
    everything = client.get("/api/products", query_string={"sort": order}).json
    assert everything["products"] == rows
    assert "next_cursor" not in everything
    if order.removeprefix("-") in {"id", "stock_level", "price", "sku"}:
        field = order.removeprefix("-")
        keys = [(row[field], row["id"]) for row in rows]
        assert keys == sorted(keys, reverse=order.startswith("-"))


def test_what_changes_meanwhile_is_neither_skipped_nor_shown_twice(client, many):
    found = pages(client, "/api/products", "products", limit=2)
    seen = [row["id"] for row in next(found)]
    client.delete(f"/api/products/{many[0]['id']}")
    client.delete(f"/api/products/{many[2]['id']}")
    added = client.post("/api/products", json={"name": "new", "sku": "NEW"}).json["product"]
    seen += [row["id"] for page in found for row in page]
    assert seen == [product["id"] for product in many if product != many[2]] + [added["id"]]


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ({"q": "LAMP"}, [0, 1, 4]),
        ({"q": "sku-3"}, [3]),
        ({"q": "50%"}, [4]),
        ({"q": "%"}, [4]),
        ({"q": "_l"}, [4]),
        ({"q": "nothing"}, []),
        ({"low_stock": "true"}, [0, 1, 3, 5]),
        ({"low_stock": "false"}, [2, 4, 6]),
        ({"out_of_stock": "true"}, [1, 5]),
        ({"low_stock": "true", "out_of_stock": "false", "q": "lamp"}, [0]),
        ({"unknown": "ignored"}, range(7)),
    ],
)
def test_filters(client, many, query, expected):
    answer = client.get("/api/products", query_string=query)
    assert [row["sku"] for row in answer.json["products"]] == [f"SKU-{number}" for number in expected]
    assert answer.json["total_count"] == len(expected)
    page = client.get("/api/products", query_string={**query, "limit": 1}).json
    assert page["total_count"] == len(expected)


def test_movements_by_key_and_filter(client, product):
    path = f"/api/products/{product['id']}"
    for quantity in (1, 2, 3):
        client.post(f"{path}/restock", json={"quantity": quantity})
    client.post(f"{path}/adjust", json={"delta": -1, "reason": "x"})
    client.post("/api/products", json={"name": "other", "sku": "other", "stock_level": 9})
    own = [row for page in pages(client, f"{path}/movements", "movements", limit=2) for row in page]
    assert [row["delta"] for row in own] == [-1, 3, 2, 1, 20]
    every = [row for page in pages(client, "/api/movements", "movements", limit=2) for row in page]
    assert [row["delta"] for row in every] == [9, -1, 3, 2, 1, 20]

    def deltas(**query):
        return [row["delta"] for row in client.get("/api/movements", query_string=query).json["movements"]]

    assert deltas(kind="restock") == [3, 2, 1]
    assert deltas(product_id=product["id"], kind="opening") == [20]
    assert deltas(since=own[1]["at"], until=own[0]["at"]) == [3]
    assert deltas(since=own[1]["at"].replace("+00:00", "Z"), product_id=product["id"]) == [-1, 3]
    assert client.get("/api/products/999/movements").status_code == 404


def test_restocks_by_number_and_by_key(client, product):
    other = client.post("/api/products", json={"name": "other", "sku": "other"}).json["product"]
    for quantity, each in zip(range(1, 6), itertools.cycle([product, other])):
        client.post(f"/api/products/{each['id']}/restock", json={"quantity": quantity})
    rows = [row for page in pages(client, "/api/restocks", "restock_logs", limit=2) for row in page]
    assert [row["quantity_added"] for row in rows] == [5, 4, 3, 2, 1]
    numbered = client.get("/api/restocks?page=2&per_page=2").json
    assert numbered["restock_logs"] == rows[2:4]
    assert numbered["pagination"] == {"page": 2, "per_page": 2, "total": 5, "pages": 3}
    mine = client.get(f"/api/restocks?product_id={other['id']}").json
    assert [row["quantity_added"] for row in mine["restock_logs"]] == [4, 2]
    assert mine["pagination"]["total"] == 2


def cursor(*content):
    return base64.urlsafe_b64encode(json.dumps(content).encode()).decode().rstrip("=")


@pytest.mark.parametrize(
    "text",
    [
        "x", "%%%", "a" * 2000, cursor("id", 1), cursor("id", "1", 1), cursor("name", "x", 1), cursor("id", 1, 2**63),
        cursor("id", 2**80, 1), cursor("id", None, 1), cursor("id", 1, "1"), cursor("id", -1, 1),
        cursor("id", True, True),
        base64.urlsafe_b64encode(b"\xff\xfe").decode(),
        base64.urlsafe_b64encode(b"[" * 1490).decode(),
    ],
)  # fmt: skip
def test_bad_cursors(client, many, text):
    answer = client.get("/api/products", query_string={"limit": 1, "cursor": text})
    assert answer.status_code == 400
    assert "cursor must be" in answer.json["error"]


@pytest.mark.parametrize(
    ("order", "value"),
    [
        ("name", "a\x00b"),
        ("name", "\ud800"),
        ("sku", "a\udfff"),
        ("price", "1e999999"),
        ("price", "NaN"),
        ("price", 1),
        ("updated_at", "soon"),
        ("updated_at", 5),
        ("updated_at", "0001-01-01T00:00:00+23:00"),
    ],
)
def test_cursors_with_impossible_values(client, many, order, value):
    answer = client.get("/api/products", query_string={"limit": 1, "sort": order, "cursor": cursor(order, value, 1)})
    assert answer.status_code == 400


@pytest.mark.parametrize("path", ["/", "/products/1", "/reservations"])
@pytest.mark.parametrize("text", [cursor("name", "\ud800", 1), base64.urlsafe_b64encode(b"[" * 1490).decode()])
def test_bad_cursors_of_pages(client, many, path, text):
    answer = client.get(path, query_string={"cursor": text})
    assert answer.status_code == 400
    assert "cursor must be" in answer.text


@pytest.mark.parametrize("path", ["/api/movements", "/api/products/1/movements", "/api/export/movements"])
@pytest.mark.parametrize("time", ["0001-01-01T00:00:00+23:00", "9999-12-31T23:59:59-23:00"])
def test_times_that_are_beyond_the_calendar_in_utc(client, many, path, time):
    answer = client.get(path, query_string={"since": time})
    assert answer.status_code == 400
    assert "since must be a time like" in answer.json["error"]
    for possible in (time.replace("23:00", "00:00"), time[:19]):
        assert client.get(path, query_string={"since": possible}).status_code == 200


@pytest.mark.parametrize(
    ("path", "query", "sentence"),
    [
        ("/api/products", "sort=version", "sort must be one of id, -id, sku"),
        ("/api/products", "limit=0", "limit must be a whole number from 1 to 200"),
        ("/api/products", "limit=x", "limit must be a whole number from 1 to 200"),
        ("/api/products", "low_stock=perhaps", "low_stock must be true or false"),
        ("/api/products", "q=%00", "q must be a text of at most 255 characters"),
        ("/api/movements", "kind=theft", "kind must be one of opening, restock"),
        ("/api/movements", "since=yesterday", "since must be a time like 2026-01-31T12:00:00Z"),
        ("/api/movements", "product_id=0", "product_id must be the id of a product"),
        ("/api/restocks", "page=0", "page must be a whole number from 1"),
    ],
)
def test_bad_queries(client, path, query, sentence):
    answer = client.get(f"{path}?{query}")
    assert answer.status_code == 400
    assert sentence in answer.json["error"]
