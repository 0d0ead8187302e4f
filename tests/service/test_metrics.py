"""The metrics of the contract: their names, labels and zeros, and that nothing from the network makes a series."""

from __future__ import annotations

import pytest
from tests.service.scraping import business, scrape, value

from inventory_service.app import create_app
from inventory_service.context import context_of
from inventory_service.settings import load

BUCKETS = ["0.005", "0.01", "0.025", "0.05", "0.1", "0.2", "0.3", "0.5", "1.0", "2.5", "5.0", "10.0", "+Inf"]


def test_an_empty_inventory_counts_from_zero(client):
    samples = scrape(client)
    for operation in ("create", "update", "delete"):
        assert value(samples, "product_operations_total", operation_type=operation) == 0
    assert value(samples, "inventory_stock_collector_up") == 1
    for method, endpoint, status in (
        ("GET", "/api/products", "200"),
        ("POST", "/api/products", "201"),
        ("POST", "/api/products", "400"),
        ("PUT", "/api/products/<int:product_id>", "404"),
        ("POST", "/api/products/<int:product_id>/restock", "500"),
        ("GET", "/readyz", "500"),
    ):
        assert value(samples, "http_requests_total", method=method, endpoint=endpoint, status=status) == 0
        assert value(samples, "http_request_duration_seconds_count", method=method, endpoint=endpoint) == 0
    assert not [name for name, _ in samples if name.endswith("_created")]


def test_a_product_has_its_series_from_its_creation_to_its_deletion(client, product):
    number, name = str(product["id"]), product["name"]
    samples = scrape(client)
    assert value(samples, "product_stock_level", product_id=number, product_name=name, sku="LAMP-1") == 20
    assert value(samples, "low_stock_alerts_total", product_id=number, product_name=name) == 0
    assert value(samples, "restock_operations_total", product_id=number, product_name=name) == 0
    client.delete(f"/api/products/{number}")
    samples = scrape(client)
    assert not [labels for _, labels in samples if ("product_id", number) in labels]
    assert value(samples, "product_operations_total", operation_type="create") == 1
    assert value(samples, "product_operations_total", operation_type="delete") == 1


def test_operations_are_counted_when_they_succeed(client, product):
    path = f"/api/products/{product['id']}"
    client.post(f"{path}/restock", json={"quantity": 2})
    client.post(f"{path}/restock", json={"quantity": 0})
    client.put(path, json={"name": "Lamp"})
    client.put(path, json={"name": ""})
    client.put("/api/products/999", json={"name": "x"})
    client.post("/api/products", json={"name": "x", "sku": "LAMP-1"})
    samples = scrape(client)
    assert value(samples, "restock_operations_total", product_id=str(product["id"]), product_name="Lamp") == 1
    assert value(samples, "product_operations_total", operation_type="create") == 1
    assert value(samples, "product_operations_total", operation_type="update") == 1
    assert value(samples, "product_operations_total", operation_type="delete") == 0


def test_low_stock_fires_once_for_each_crossing(client, product):
    path, labels = f"/api/products/{product['id']}", {"product_id": str(product["id"]), "product_name": "Desk lamp"}
    fired = []
    for change in (
        {"stock_level": 11},  # above the threshold of 10
        {"stock_level": 10},  # at it: the first crossing
        {"stock_level": 3},
        {"name": "Desk lamp"},
        {"quantity": 1},  # still low
        {"quantity": 50},  # above again
        {"stock_level": 0},  # the second one
        {"stock_level": 20},
        {"min_stock_threshold": 30},  # low by a new threshold: the stock did not fall
        {"stock_level": 40},
        {"stock_level": 35, "min_stock_threshold": 35},  # the third, judged by the new threshold
    ):
        restock = "quantity" in change
        answer = client.open(path + "/restock" * restock, method="POST" if restock else "PUT", json=change)
        assert answer.status_code == 200
        fired.append(value(scrape(client), "low_stock_alerts_total", **labels))
    assert fired == [0, 1, 1, 1, 1, 1, 2, 2, 2, 2, 3]


def test_replicas_export_the_same_numbers(app, client, product, database_url):
    client.post(f"/api/products/{product['id']}/restock", json={"quantity": 2})
    replica = create_app(load({"DATABASE_URL": database_url}))
    try:
        assert business(scrape(replica.test_client())) == business(scrape(client)) != {}
    finally:
        context_of(replica).database.close()


def test_requests_are_counted_and_timed_by_their_template(client, product):
    for number in (1, 2, 3):
        client.get(f"/api/products/{number}?x={number}")
    samples = scrape(client)
    route = {"method": "GET", "endpoint": "/api/products/<int:product_id>"}
    assert value(samples, "http_requests_total", status="200", **route) == 1
    assert value(samples, "http_requests_total", status="404", **route) == 2
    assert value(samples, "http_request_duration_seconds_count", **route) == 3
    assert value(samples, "http_request_duration_seconds_sum", **route) > 0
    buckets = [
        dict(labels)["le"]
        for name, labels in samples
        if name == "http_request_duration_seconds_bucket" and set(route.items()) <= set(labels)
    ]
    assert buckets == BUCKETS


def test_the_network_makes_no_series(client):
    for method in ("GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "TRACE", "PATCH", "CONNECT", "BREW"):
        client.open("/nowhere", method=method)
        client.open("/api/products", method=method)
        client.open("/api/products/7", method=method)
    scrape(client)
    before = set(scrape(client))
    for number in range(50):
        for method in ("GET", "POST", "BREW", f"M{number}", "get"):
            client.open(f"/nowhere/{number}?a={number}", method=method, headers={"Host": f"h{number}.example"})
            client.open(f"/api/products/{number + 100}/{number}", method=method)
        client.get(f"/api/products/{number}")
        client.open("/api/products", method=f"M{number}")
    samples = scrape(client)
    assert set(samples) == before
    assert value(samples, "http_requests_total", method="OTHER", endpoint="<unmatched>", status="404") > 100
    assert value(samples, "http_requests_total", method="OTHER", endpoint="<unmatched>", status="405") > 49


def test_text_of_people_is_escaped(client):
    name = 'Line\nbreak "quoted" back\\slash ✓ {}'
    client.post("/api/products", json={"name": name, "sku": "abc"})
    assert value(scrape(client), "product_stock_level", product_id="1", product_name=name, sku="abc") == 0


@pytest.fixture
def unreachable(tmp_path):
    """An application whose database can't be opened."""
    app = create_app(load({"DATABASE_URL": f"sqlite:///{tmp_path}/no/such/folder/inventory.db"}))
    yield app
    context_of(app).database.close()


def test_a_scrape_survives_a_missing_database(unreachable):
    client = unreachable.test_client()
    client.get("/livez")
    samples = scrape(client)
    assert value(samples, "inventory_stock_collector_up") == 0
    assert value(samples, "http_requests_total", method="GET", endpoint="/livez", status="200") == 1
    assert business(samples) == {}


def test_building_an_application_asks_no_database(tmp_path):
    """A pod may start before its database; the file of this one appears when it is first asked."""
    file = tmp_path / "inventory.db"
    context_of(create_app(load({"DATABASE_URL": f"sqlite:///{file}"}))).database.close()
    assert not file.exists()
