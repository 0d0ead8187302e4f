"""Versions: the strong ETag of a product, If-Match, If-None-Match, and the setting that requires the former."""

from __future__ import annotations

import pytest
from tests.service.conftest import prepared_app

CHANGES = [
    ("PUT", "", {"name": "New"}),
    ("DELETE", "", None),
    ("POST", "/restock", {"quantity": 1}),
    ("POST", "/adjust", {"delta": -1, "reason": "x"}),
    ("POST", "/count", {"quantity": 3}),
]


@pytest.mark.parametrize(("method", "path", "body"), CHANGES)
def test_if_match_is_honoured(client, product, method, path, body):
    address = f"/api/products/{product['id']}"
    etag = client.get(address).headers["ETag"]
    client.post(f"{address}/restock", json={"quantity": 1})
    stale = client.open(address + path, method=method, json=body, headers={"If-Match": etag})
    assert stale.status_code == 412
    assert stale.json["type"] == "urn:inventorystack:problem:stale-version"
    fresh = client.get(address)
    assert fresh.json["product"]["stock_level"] == 21
    headers = {"If-Match": f'"other", {fresh.headers["ETag"]}'}
    assert client.open(address + path, method=method, json=body, headers=headers).status_code == 200


@pytest.mark.parametrize(("method", "path", "body"), CHANGES)
def test_the_setting_requires_it_where_something_is_replaced(database_url, method, path, body):
    with prepared_app(database_url, REQUIRE_IF_MATCH="true") as app:
        client = app.test_client()
        created = client.post("/api/products", json={"name": "A", "sku": "aaa", "stock_level": 5})
        address = f"/api/products/{created.json['product']['id']}"
        answer = client.open(address + path, method=method, json=body)
        if path in {"/restock", "/adjust"}:
            assert answer.status_code == 200
            return
        assert answer.status_code == 428
        assert "If-Match" in answer.json["error"]
        with_etag = client.open(address + path, method=method, json=body, headers={"If-Match": created.headers["ETag"]})
        assert with_etag.status_code == 200


def test_if_none_match_spares_the_body(client, product):
    address = f"/api/products/{product['id']}"
    etag = client.get(address).headers["ETag"]
    assert not etag.startswith("W/")
    unchanged = client.get(address, headers={"If-None-Match": etag})
    assert (unchanged.status_code, unchanged.data) == (304, b"")
    assert unchanged.headers["ETag"] == etag
    client.post(f"{address}/restock", json={"quantity": 1})
    assert client.get(address, headers={"If-None-Match": etag}).status_code == 200
