"""What is refused, and that every refusal serves old clients and readers of RFC 9457 alike."""

from __future__ import annotations

import gzip

import pytest
from tests.framework.service_app import assert_refused, prepared_app

from inventory_service.context import context_of

BIG = int("9" * 400)


BAD_PRODUCTS = [
    {},
    {"name": "A"},
    {"sku": "abc"},
    *({"name": name, "sku": "abc"} for name in (None, "", " \t\n", 5, True, [], {}, "n" * 256, "a\0b", "\0")),
    *(
        {"name": "A", "sku": sku}
        for sku in (None, "", "ab", "a" * 21, "a b c", "abc\n", "äöü", "abc/", 12345, ["abc"], "a\0bc", "abc.d")
    ),
    *({"name": "A", "sku": "abc", "description": text} for text in (5, True, [], "d" * 1001, "a\0b")),
    *(
        {"name": "A", "sku": "abc", "stock_level": level}
        for level in (-1, 1.5, 5.0, "5", "x", None, True, False, [], {}, 2**31, 2**63, BIG)
    ),
    *({"name": "A", "sku": "abc", "min_stock_threshold": level} for level in (-1, 0.5, "5", None, True, 2**31, BIG)),
    *(
        {"name": "A", "sku": "abc", "price": price}
        for price in (-0.01, "9.99", "x", None, True, [], {}, float("nan"), float("inf"), -float("inf"), 1e300, BIG)
    ),
]
BAD_BODIES = [
    b"", b"null", b"[]", b'"text"', b"5", b"true", b"{", b"{'name': 1}", b"\xff\xfe{}", b"[" * 10_000,
    b"name=A&sku=abc",
    b'{"name": "A", "sku": "abc", "x": ' + b"[" * 10_000, b'{"name": "\\ud800", "sku": "abc"}',
    b'{"name": "A", "sku": "abc", "stock_level": ' + b"9" * 10_000 + b"}",
    b'{"name": "A", "sku": "abc", "price": 1e999}',
]  # fmt: skip


def test_bad_products(client):
    for body in BAD_PRODUCTS:
        assert_refused(client.post("/api/products", json=body), 400)
    assert client.get("/api/products").json["total_count"] == 0


def test_bad_bodies(client, product):
    for route, method in (("", "POST"), (f"/{product['id']}", "PUT"), (f"/{product['id']}/restock", "POST")):
        for body in BAD_BODIES:
            if body.startswith(b'{"name": "A"') and route.endswith("restock"):
                continue
            answer = client.open(f"/api/products{route}", method=method, data=body, content_type="application/json")
            assert_refused(answer, 400)
    assert client.get("/api/products").json["products"] == [product]


def test_bad_changes(client, product):
    path = f"/api/products/{product['id']}"
    for body in BAD_PRODUCTS:
        bad = {field: value for field, value in body.items() if field != "sku"}
        if bad not in ({}, {"name": "A"}):
            assert_refused(client.put(path, json=bad), 400)
    assert client.get(path).json["product"] == product


def test_bad_restocks(client, product):
    path = f"/api/products/{product['id']}/restock"
    for quantity in (0, -1, 1.5, 5.0, "5", "x", None, True, [], 2**31, 2**63, BIG, float("nan")):
        assert_refused(client.post(path, json={"quantity": quantity}), 400)
    for notes in (5, [], "n" * 501, "a\0b"):
        assert_refused(client.post(path, json={"quantity": 1, "notes": notes}), 400)
    assert_refused(client.post(path, json={}), 400)
    assert_refused(client.post(path, json={"quantity": 2**31 - 1}), 400)  # 20 are there already
    assert client.get("/api/restocks").json["pagination"]["total"] == 0
    assert client.get(f"/api/products/{product['id']}").json["product"] == product


def test_bad_pages(client):
    for number in ("0", "-1", "x", "1.5", "", "2147483648", str(BIG), "%00"):
        assert_refused(client.get(f"/api/restocks?page={number}"), 400)
    for number in ("0", "-5", "x", "1.5", ""):
        assert_refused(client.get(f"/api/restocks?per_page={number}"), 400)


def test_a_huge_page_size_is_the_largest(client):
    assert client.get(f"/api/restocks?per_page={10**30}").json["pagination"]["per_page"] == 100


def test_duplicate_sku(client, product):
    answer = client.post("/api/products", json={"name": "Other", "sku": product["sku"]})
    assert_refused(answer, 400)
    assert product["sku"] in answer.json["error"]
    assert client.post("/api/products", json={"name": "Other", "sku": product["sku"].lower()}).status_code == 201


def test_unknown_products(client, product):
    for product_id in (0, 99, 2**31, 2**63 - 1, 2**63, BIG):
        path = f"/api/products/{product_id}"
        for method, route in (("GET", path), ("PUT", path), ("DELETE", path), ("POST", f"{path}/restock")):
            assert_refused(client.open(route, method=method, json={"quantity": 1}), 404)


def test_unknown_paths(client):
    for path in ("/nowhere", "/api", "/api/products/x", "/api/products/-1", "/api/products/1.5", "/api/products/",
                 "/a b/%ff%00ü", "//evil.example/x"):  # fmt: skip
        assert_refused(client.get(path, follow_redirects=True), 404)


def test_a_wrong_method_is_answered_with_the_allowed_ones(client):
    answer = client.patch("/api/products")
    assert_refused(answer, 405)
    assert {"GET", "POST"} <= set(answer.headers["Allow"].split(", "))
    assert_refused(client.open("/api/products", method="BREW"), 405)


def test_a_body_that_is_too_large(client):
    assert_refused(client.post("/api/products", data=b"x" * 70_000), 413)


def test_a_compressed_body(client):
    body = gzip.compress(b'{"name": "A", "sku": "abc"}')
    assert_refused(client.post("/api/products", data=body, headers={"Content-Encoding": "gzip"}), 415)


@pytest.mark.usefixtures("one_window")
def test_the_rate_limit_is_off_unless_set(database_url):
    with prepared_app(database_url, RATE_LIMIT="3/hour") as app:
        client = app.test_client()
        assert [client.get("/api/products").status_code for _ in range(3)] == [200] * 3
        refused = client.get("/api/products")
        assert_refused(refused, 429)
        assert 1 <= int(refused.headers["Retry-After"]) <= 3601
        other = client.get("/api/products", environ_base={"REMOTE_ADDR": "192.0.2.7"})
        assert other.status_code == 200
        assert {client.get(path).status_code for path in ("/livez", "/readyz", "/metrics", "/api/health")} == {200}


@pytest.mark.usefixtures("one_window")
def test_behind_the_ingress_the_rate_counts_the_address_it_forwards_for(database_url):
    with prepared_app(database_url, RATE_LIMIT="1/hour") as app:
        client, ingress = app.test_client(), {"SERVER_PORT": str(context_of(app).settings.ingress_port)}

        def ask(forwarded, environ):
            return client.get(
                "/api/products", headers={"X-Forwarded-For": forwarded}, environ_overrides=environ
            ).status_code

        assert ask("192.0.2.1", ingress) == 200
        assert ask("192.0.2.2", ingress) == 200
        assert ask("spoofed, 192.0.2.2", ingress) == 429
        assert ask("192.0.2.3", {}) == 200
        assert ask("192.0.2.4", {}) == 429  # without an ingress the header is just the client's word


@pytest.mark.usefixtures("one_window")
@pytest.mark.parametrize(
    ("spellings", "other"),
    [
        (
            ["203.0.113.8:51", "203.0.113.8:52", "203.0.113.8", "::ffff:203.0.113.8", "[::ffff:cb00:7108]:80"],
            "203.0.113.9",
        ),
        (["2001:db8::1", "[2001:db8::2]:443", "2001:DB8:0:0:ffff::", "2001:db8::3%eth0"], "2001:db8:0:1::1"),
        (["none", "1.2.3.4.5", "[", "203.0.113.8:port", "x" * 9000], "192.0.2.1"),
    ],
    ids=["IPv4", "IPv6 by /64", "no address: the proxy itself"],
)
def test_one_client_is_counted_as_one_however_its_address_is_written(database_url, spellings, other):
    with prepared_app(database_url, RATE_LIMIT=f"{len(spellings)}/hour") as app:
        client, ingress = app.test_client(), {"SERVER_PORT": str(context_of(app).settings.ingress_port)}

        def ask(forwarded):
            headers = {"X-Forwarded-For": f"192.0.2.99, {forwarded}"}
            return client.get("/api/products", headers=headers, environ_overrides=ingress).status_code

        assert [ask(spelling) for spelling in spellings] == [200] * len(spellings)
        assert {ask(spelling) for spelling in spellings} == {429}
        assert ask(other) == 200


def test_an_unexpected_error_shows_nothing_of_itself(app, client):
    @app.get("/fails")
    def fails():
        raise RuntimeError("secret internals")

    answer = client.get("/fails", headers={"X-Request-ID": "req-7"})
    assert_refused(answer, 500)
    assert "secret" not in answer.text
    assert "RuntimeError" not in answer.text
    assert "req-7" in answer.json["error"]


def test_request_ids(client):
    assert client.get("/livez", headers={"X-Request-ID": "abc-1.2:3_4"}).headers["X-Request-ID"] == "abc-1.2:3_4"
    for bad in ("", "a" * 65, "a b", 'x"y', "ü"):
        own = client.get("/livez", headers={"X-Request-ID": bad}).headers["X-Request-ID"]
        assert own != bad
        assert len(own) == 32
