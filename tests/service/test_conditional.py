"""Versions: the strong ETag of a product, If-Match, If-None-Match, and the setting that requires the former."""

from __future__ import annotations

import pytest
from tests.framework.service_app import prepared_app

ONE = "/api/products/{product_id}"
CHANGES = [
    ("PUT", ONE, {"name": "New"}),
    ("DELETE", ONE, None),
    ("POST", f"{ONE}/restock", {"quantity": 1}),
    ("POST", f"{ONE}/adjust", {"delta": -1, "reason": "x"}),
    ("POST", f"{ONE}/count", {"quantity": 3}),
    ("POST", "/api/movements", {"lines": [{"product_id": 1, "delta": -1}], "reason": "x"}),
    ("POST", "/api/movements/{movement_id}/undo", {}),
]
REPLACING = [("PUT", ONE), ("DELETE", ONE), ("POST", f"{ONE}/count")]


def address(path):
    """The address of the first product, and of the movement that opened its ledger."""
    return path.format(product_id=1, movement_id=1)


@pytest.mark.parametrize(("method", "path", "body"), CHANGES)
def test_if_match_is_honoured(client, product, method, path, body):
    etag = client.get(address(ONE)).headers["ETag"]
    client.post(f"{address(ONE)}/restock", json={"quantity": 1})
    stale = client.open(address(path), method=method, json=body, headers={"If-Match": etag})
    assert stale.status_code == 412
    assert stale.json["type"] == "urn:inventorystack:problem:stale-version"
    fresh = client.get(address(ONE))
    assert fresh.json["product"]["stock_level"] == 21
    headers = {"If-Match": f'"other", {fresh.headers["ETag"]}'}
    assert client.open(address(path), method=method, json=body, headers=headers).status_code == 200


@pytest.mark.parametrize(("method", "path", "body"), CHANGES)
def test_an_etag_that_a_proxy_weakened_is_ours(client, product, method, path, body):
    """nginx does so where it compresses an answer."""
    client.post(f"{address(ONE)}/restock", json={"quantity": 1})
    stale = client.open(address(path), method=method, json=body, headers={"If-Match": 'W/"1"'})
    assert stale.status_code == 412
    headers = {"If-Match": 'W/"other", W/"2"'}
    assert client.open(address(path), method=method, json=body, headers=headers).status_code == 200


@pytest.mark.parametrize(("etag", "status"), [('W/"1"', 200), ('"1"', 200), ("*", 200), ('W/"2"', 412), ('"2"', 412)])
def test_a_read_that_insists_on_a_version(client, product, etag, status):
    assert client.get(address(ONE), headers={"If-Match": etag}).status_code == status


def test_the_document_says_where(client):
    documented = {
        (method.upper(), path)
        for path, operations in client.get("/openapi.json").json["paths"].items()
        for method, operation in operations.items()
        if "412" in operation["responses"]
    }
    assert documented == {("GET", ONE), *((method, path) for method, path, _ in CHANGES)}


def test_several_products_need_all_their_versions(client, product):
    other = client.post("/api/products", json={"name": "Other", "sku": "OTHER", "stock_level": 20}).json["product"]
    client.post(f"/api/products/{other['id']}/restock", json={"quantity": 1})
    body = {"lines": [{"product_id": each["id"], "delta": -1} for each in (product, other)], "reason": "x"}
    for etags, status in (('"1"', 412), ('"2"', 412), ('"2", "1"', 200)):
        assert client.post("/api/movements", json=body, headers={"If-Match": etags}).status_code == status
    assert [each["stock_level"] for each in client.get("/api/products").json["products"]] == [19, 20]


@pytest.mark.parametrize(("method", "path", "body"), CHANGES)
def test_the_setting_requires_it_where_something_is_replaced(database_url, method, path, body):
    with prepared_app(database_url, REQUIRE_IF_MATCH="true") as app:
        client = app.test_client()
        created = client.post("/api/products", json={"name": "A", "sku": "aaa", "stock_level": 5})
        answer = client.open(address(path), method=method, json=body)
        if (method, path) not in REPLACING:
            assert answer.status_code == 200
            return
        assert answer.status_code == 428
        assert "If-Match" in answer.json["error"]
        headers = {"If-Match": created.headers["ETag"]}
        assert client.open(address(path), method=method, json=body, headers=headers).status_code == 200


def test_if_none_match_spares_the_body(client, product):
    address = f"/api/products/{product['id']}"
    etag = client.get(address).headers["ETag"]
    assert not etag.startswith("W/")
    unchanged = client.get(address, headers={"If-None-Match": etag})
    assert (unchanged.status_code, unchanged.data) == (304, b"")
    assert unchanged.headers["ETag"] == etag
    client.post(f"{address}/restock", json={"quantity": 1})
    assert client.get(address, headers={"If-None-Match": etag}).status_code == 200


def test_a_read_may_name_a_version(client, product):
    client.post(f"{address(ONE)}/restock", json={"quantity": 1})
    stale = client.get(address(ONE), headers={"If-Match": '"1"'})
    assert (stale.status_code, stale.content_type) == (412, "application/problem+json")
    assert stale.json["type"] == "urn:inventorystack:problem:stale-version"
    assert client.get(address(ONE), headers={"If-Match": '"2"'}).json["product"]["stock_level"] == 21
