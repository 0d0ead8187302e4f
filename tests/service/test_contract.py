"""The contract of the existing clients, route by route, to the letter."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from tests.framework.service_app import prepared_app

PRODUCT_FIELDS = {
    "id", "name", "sku", "description", "stock_level", "min_stock_threshold", "price", "created_at", "updated_at",
    "is_low_stock",
}  # fmt: skip
RESTOCK_FIELDS = {
    "id", "product_id", "product_name", "product_sku", "quantity_added", "previous_stock", "new_stock", "restocked_at",
    "notes",
}  # fmt: skip


def test_health(client):
    answer = client.get("/api/health")
    assert answer.status_code == 200
    assert answer.json["status"] == "healthy"
    assert answer.json["message"]


def test_an_empty_inventory(client):
    assert client.get("/api/products").json == {"success": True, "products": [], "total_count": 0}
    assert client.get("/api/products/low-stock").json == {"success": True, "products": []}
    assert client.get("/api/restocks").json == {
        "success": True,
        "restock_logs": [],
        "pagination": {"page": 1, "per_page": 20, "total": 0, "pages": 0},
    }
    assert client.get("/api/products/analytics").json["analytics"] == {
        "total_products": 0,
        "low_stock_count": 0,
        "out_of_stock_count": 0,
        "total_stock_value": 0.0,
        "recent_restocks_30_days": 0,
        "low_stock_percentage": 0.0,
        "top_stock_products": [],
    }


def test_create_with_every_field(client):
    body = {
        "name": "Größe 42 ✓", "sku": "Shoe_42-a", "description": "d" * 1000, "stock_level": 3,
        "min_stock_threshold": 3, "price": 19.99,
    }  # fmt: skip
    answer = client.post("/api/products", json=body)
    assert answer.status_code == 201
    assert answer.json["success"] is True
    assert answer.json["message"]
    product = answer.json["product"]
    assert set(product) == PRODUCT_FIELDS
    assert {field: product[field] for field in body} == body
    assert product["is_low_stock"] is True
    created = datetime.fromisoformat(product["created_at"])
    assert abs(datetime.now(UTC) - created) < timedelta(minutes=1)
    assert product["updated_at"] == product["created_at"]
    assert client.get(f"/api/products/{product['id']}").json == {"success": True, "product": product}


def test_create_with_the_required_fields_only(client):
    product = client.post("/api/products", json={"name": "n" * 255, "sku": "abc"}).json["product"]
    expected = {"description": "", "stock_level": 0, "min_stock_threshold": 10, "price": 0.0, "is_low_stock": True}
    assert {field: product[field] for field in expected} == expected


def test_the_default_threshold_is_a_setting(database_url):
    with prepared_app(database_url, LOW_STOCK_THRESHOLD="4") as app:
        client = app.test_client()
        given = client.post("/api/products", json={"name": "A", "sku": "aaa", "min_stock_threshold": 0}).json["product"]
        default = client.post("/api/products", json={"name": "B", "sku": "bbb"}).json["product"]
    assert (given["min_stock_threshold"], default["min_stock_threshold"]) == (0, 4)


def test_list(client, product):
    other = client.post("/api/products", json={"name": "Other", "sku": "OTHER"}).json["product"]
    answer = client.get("/api/products")
    assert answer.status_code == 200
    assert answer.json == {"success": True, "products": [product, other], "total_count": 2}


@pytest.mark.parametrize(
    "body",
    [
        {"name": "New name"},
        {"description": "New text"},
        {"description": ""},
        {"stock_level": 0},
        {"min_stock_threshold": 20},
        {"price": 0},
        {"price": 1234567.89},
        {"name": "New name", "description": "x", "stock_level": 7, "min_stock_threshold": 1, "price": 0.1},
        {},
    ],
)
def test_put_changes_what_is_given_and_nothing_else(client, product, body):
    answer = client.put(f"/api/products/{product['id']}", json=body)
    assert answer.status_code == 200
    assert answer.json["success"] is True
    assert answer.json["message"]
    changed = answer.json["product"]
    assert changed["updated_at"] > product["updated_at"]
    expected = product | body | {"updated_at": changed["updated_at"]}
    expected["is_low_stock"] = expected["stock_level"] <= expected["min_stock_threshold"]
    assert changed == expected
    assert client.get(f"/api/products/{product['id']}").json["product"] == changed


def test_an_old_client_may_send_back_what_it_got(client, product):
    sent = product | {"name": "Renamed", "id": 99, "sku": "IGNORED-1", "is_low_stock": True, "anything": {"else": []}}
    changed = client.put(f"/api/products/{product['id']}", json=sent).json["product"]
    assert changed == product | {"name": "Renamed", "updated_at": changed["updated_at"]}


def test_delete_archives_and_frees_the_sku(client, product):
    path = f"/api/products/{product['id']}"
    client.post(f"{path}/restock", json={"quantity": 1})
    answer = client.delete(path)
    assert answer.status_code == 200
    assert answer.json["success"] is True
    assert answer.json["message"]
    for method, route in (("GET", path), ("PUT", path), ("DELETE", path), ("POST", f"{path}/restock")):
        gone = client.open(route, method=method, json={"quantity": 1})
        assert gone.status_code == 404, (method, route)
    assert client.get("/api/products").json["total_count"] == 0
    assert client.get("/api/products/low-stock").json["products"] == []
    assert client.get("/api/products/analytics").json["analytics"]["total_products"] == 0
    again = client.post("/api/products", json={"name": "Again", "sku": product["sku"]})
    assert again.status_code == 201
    assert again.json["product"]["id"] != product["id"]
    logs = client.get("/api/restocks").json["restock_logs"]
    assert [(log["product_id"], log["product_name"], log["product_sku"]) for log in logs] == [
        (product["id"], "Desk lamp", "LAMP-1")
    ]


def test_restock(client, product):
    answer = client.post(f"/api/products/{product['id']}/restock", json={"quantity": 5, "notes": "n" * 500})
    assert answer.status_code == 200
    assert answer.json["success"] is True
    assert answer.json["message"]
    assert answer.json["product"]["stock_level"] == 25
    log = answer.json["restock_log"]
    assert set(log) == RESTOCK_FIELDS
    expected = {
        "product_id": product["id"], "product_name": "Desk lamp", "product_sku": "LAMP-1", "quantity_added": 5,
        "previous_stock": 20, "new_stock": 25, "notes": "n" * 500,
    }  # fmt: skip
    assert {field: log[field] for field in expected} == expected
    assert datetime.fromisoformat(log["restocked_at"]).tzinfo is not None
    assert client.get("/api/restocks").json["restock_logs"] == [log]


def test_notes_may_be_absent_or_null(client, product):
    path = f"/api/products/{product['id']}/restock"
    for body in ({"quantity": 1}, {"quantity": 1, "notes": None}, {"quantity": 1, "notes": ""}):
        assert client.post(path, json=body).json["restock_log"]["notes"] == ""


def test_restocks_come_in_pages_the_newest_first(client, product):
    for quantity in range(1, 6):
        client.post(f"/api/products/{product['id']}/restock", json={"quantity": quantity})
    client.put(f"/api/products/{product['id']}", json={"stock_level": 1})  # a count is no restock

    def page(query):
        answer = client.get(f"/api/restocks{query}")
        assert answer.status_code == 200
        return [log["quantity_added"] for log in answer.json["restock_logs"]], answer.json["pagination"]

    assert page("") == ([5, 4, 3, 2, 1], {"page": 1, "per_page": 20, "total": 5, "pages": 1})
    assert page("?page=1&per_page=2") == ([5, 4], {"page": 1, "per_page": 2, "total": 5, "pages": 3})
    assert page("?page=3&per_page=2") == ([1], {"page": 3, "per_page": 2, "total": 5, "pages": 3})
    assert page("?page=9&per_page=2") == ([], {"page": 9, "per_page": 2, "total": 5, "pages": 3})
    assert page("?per_page=100000")[1]["per_page"] == 100
    assert page("?page=2147483647&per_page=100")[0] == []


def test_low_stock_is_at_or_below_the_threshold(client):
    for sku, stock, threshold in (("above", 6, 5), ("equal", 5, 5), ("empty", 0, 0), ("below", 1, 5)):
        body = {"name": sku.title(), "sku": sku, "stock_level": stock, "min_stock_threshold": threshold, "price": 2.5}
        client.post("/api/products", json=body)
    low = client.get("/api/products/low-stock").json["products"]
    assert [product["sku"] for product in low] == ["empty", "below", "equal"]
    assert low[1] == {
        "id": low[1]["id"], "name": "Below", "sku": "below", "quantity": 1, "min_stock_level": 5, "price": 2.5,
    }  # fmt: skip


def test_analytics(client):
    for number in range(6):
        body = {"name": f"P{number}", "sku": f"sku-{number}", "stock_level": number * 10, "price": 0.1}
        client.post("/api/products", json=body)
    client.post("/api/products/1/restock", json={"quantity": 2})
    figures = client.get("/api/products/analytics").json["analytics"]
    top = [(product["name"], product["sku"], product["stock_level"]) for product in figures.pop("top_stock_products")]
    assert top == [(f"P{number}", f"sku-{number}", number * 10) for number in (5, 4, 3, 2, 1)]
    assert figures == {
        "total_products": 6,
        "low_stock_count": 2,
        "out_of_stock_count": 0,
        "total_stock_value": 15.2,
        "recent_restocks_30_days": 1,
        "low_stock_percentage": 33.33,
    }


def test_the_largest_inventory_has_a_value(client):
    for sku in ("max-1", "max-2"):
        body = {"name": sku, "sku": sku, "stock_level": 2**31 - 1, "price": 1_000_000_000}
        assert client.post("/api/products", json=body).status_code == 201
    value = client.get("/api/products/analytics").json["analytics"]["total_stock_value"]
    assert value == pytest.approx(2 * (2**31 - 1) * 1e9)


@pytest.mark.parametrize("content_type", [None, "text/plain", "application/x-www-form-urlencoded", "application/xml"])
def test_the_content_type_of_a_body_does_not_matter(client, content_type):
    answer = client.post("/api/products", data='{"name": "A", "sku": "abc"}', content_type=content_type)
    assert answer.status_code == 201


def test_every_answer_carries_the_security_headers(client, product):
    for method, path in (
        ("GET", "/api/products"), ("GET", "/metrics"), ("GET", "/nowhere"), ("PATCH", "/api/products"),
        ("POST", "/api/products"), ("HEAD", "/api/health"), ("OPTIONS", "/api/products"),
    ):  # fmt: skip
        headers = client.open(path, method=method).headers
        assert headers["X-Content-Type-Options"] == "nosniff", (method, path)
        assert headers["X-Frame-Options"] == "DENY", (method, path)


def test_if_match_guards_a_change(client, product):
    path = f"/api/products/{product['id']}"
    etag = client.get(path).headers["ETag"]
    assert not etag.startswith("W/")
    changed = client.put(path, json={"stock_level": 5}, headers={"If-Match": etag})
    assert changed.status_code == 200
    assert changed.headers["ETag"] != etag
    for stale in (etag, f"W/{etag}", "nonsense"):
        refused = client.put(path, json={"stock_level": 6}, headers={"If-Match": stale})
        assert refused.status_code == 412, stale
        assert refused.json["success"] is False
    # A proxy that compresses the answer weakens its ETag.
    for good in (changed.headers["ETag"], '"other", "3"', 'W/"4"', '"other", W/"5"', "*"):
        answer = client.put(path, json={}, headers={"If-Match": good})
        assert answer.status_code == 200, good
        assert answer.json["product"]["stock_level"] == 5
