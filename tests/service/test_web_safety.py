"""Who may use the pages, and that no other site can use them in a person's name."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import pytest
from tests.framework.server import serving
from tests.framework.service_app import bearer, make_token, prepared_app
from tests.service.browser import follow, running, visiting

if TYPE_CHECKING:
    from pathlib import Path

    from flask.testing import FlaskClient

RESTOCK = {"quantity": "5", "notes": "", "form_key": "key-1"}


def stock_of(client: FlaskClient, product: dict[str, Any], **options: Any) -> int:
    return int(client.get(f"/api/products/{product['id']}", **options).json["product"]["stock_level"])


@pytest.mark.parametrize(
    ("headers", "taken"),
    [
        ({"Sec-Fetch-Site": "same-origin", "Origin": "http://localhost"}, True),
        ({"Sec-Fetch-Site": "none"}, True),
        ({"Origin": "http://localhost"}, True),
        ({}, True),
        ({"Sec-Fetch-Site": "cross-site"}, False),
        ({"Sec-Fetch-Site": "same-site", "Origin": "http://localhost"}, False),
        ({"Origin": "http://evil.example"}, False),
        ({"Origin": "null"}, False),
        ({"Origin": "http://localhost.evil.example"}, False),
        ({"Origin": "http://localhost:81"}, False),
        ({"Origin": "http://[x"}, False),
    ],
)
def test_only_forms_of_our_own_pages_are_taken(client, product, headers, taken):
    answer = client.post(f"/products/{product['id']}/restock", data=RESTOCK, headers=headers)
    assert answer.status_code == (303 if taken else 403)
    assert stock_of(client, product) == (25 if taken else 20)
    if not taken:
        assert "another site" in answer.text


def test_every_form_refuses_other_origins(app, client, product):
    posts = [rule for rule in app.url_map.iter_rules() if "POST" in rule.methods and not rule.rule.startswith("/api")]
    assert len(posts) >= 10
    for rule in posts:
        path = rule.rule.replace("<int:product_id>", str(product["id"])).replace("<int:movement_id>", "1")
        assert client.post(path, data=RESTOCK, headers={"Origin": "http://evil.example"}).status_code == 403, path
    assert stock_of(client, product) == 20


@pytest.mark.parametrize(
    "fields", [{}, {"quantity": "5"}, {"quantity": "5", "form_key": "a b"}, {"form_key": "x" * 256}]
)
def test_a_form_without_its_key_is_refused(client, product, fields):
    answer = client.post(f"/products/{product['id']}/restock", data=fields)
    assert answer.status_code == 400
    assert stock_of(client, product) == 20


def test_no_page_can_be_framed_cached_or_run_a_script(client, product):
    for path in ("/", f"/products/{product['id']}", "/import", "/login", "/nowhere"):
        answer = client.get(path, headers={"Accept": "text/html"})
        policy = answer.headers["Content-Security-Policy"]
        assert "default-src 'none'" in policy
        assert "frame-ancestors 'none'" in policy
        assert "script-src" not in policy
        assert "unsafe" not in policy
        assert answer.headers["Cache-Control"] == "no-store"
        assert "set-cookie" not in answer.headers


def test_errors_are_pages_for_people_and_problems_for_programs(client):
    shown = client.get("/products/999", headers={"Accept": "text/html"})
    assert (shown.status_code, shown.mimetype) == (404, "text/html")
    assert "<h1>" in shown.text
    for path, accept in (("/api/products/999", "text/html"), ("/nowhere", "application/json"), ("/nowhere", "*/*")):
        answer = client.get(path, headers={"Accept": accept})
        assert (answer.status_code, answer.mimetype) == (404, "application/problem+json"), path


def test_a_reader_sees_no_form_and_can_send_none(database_url):
    with prepared_app(database_url, REQUIRE_TOKENS="true") as app:
        admin, reader = make_token(app, "ada", "admin"), make_token(app, "rita", "read")
        client, body = app.test_client(), {"name": "Lamp", "sku": "LAMP", "stock_level": 20}
        product = client.post("/api/products", json=body, headers=bearer(admin)).json["product"]
        path = f"/products/{product['id']}"
        assert client.get(path, headers={"Accept": "text/html"}).location == f"/login?next={quote(path, '')}"
        assert client.post("/login", data={"token": reader, "next": path}).location == path
        shown = client.get(path).text
        assert "rita" in shown
        assert "Add to stock" not in shown
        assert "Edit" not in shown
        assert client.post(f"{path}/restock", data=RESTOCK).status_code == 403
        assert client.get("/import").status_code == 403
        assert stock_of(client, product, headers=bearer(admin)) == 20


@pytest.mark.parametrize(
    "target", ["https://evil.example/", "//evil.example", "/\\evil.example", "javascript:alert(1)", "", "/a\nb"]
)
def test_a_login_leads_to_our_own_pages_only(database_url, target):
    with prepared_app(database_url, REQUIRE_TOKENS="true") as app:
        answer = app.test_client().post("/login", data={"token": make_token(app, "ada", "write"), "next": target})
        assert (answer.status_code, answer.location) == (303, "/")
        cookie = answer.headers["Set-Cookie"]
        assert "HttpOnly" in cookie
        assert "SameSite=Strict" in cookie


def test_logging_in_and_out_with_a_browser(tmp_path: Path):
    url = f"sqlite:///{tmp_path}/inventory.db"
    with prepared_app(url) as app:
        token = make_token(app, "ada", "write")
    log = tmp_path / "log"
    with (
        serving(log, DATABASE_URL=url, REQUIRE_TOKENS="true", LOAD_SAMPLE_DATA="true") as server,
        running() as browser,
        visiting(browser, server.url) as page,
    ):
        page.goto("/products/1")
        assert page.url.endswith("/login?next=%2Fproducts%2F1")
        page.get_by_label("API token").fill("inv_nonsense")
        follow(page.get_by_role("button", name="Log in"))
        assert "This is no valid token" in page.locator("#login-token-error").inner_text()
        page.get_by_label("API token").fill(token)
        follow(page.get_by_role("button", name="Log in"))
        assert page.url.endswith("/products/1")
        page.locator("summary", has_text="Take in a delivery").click()
        page.locator("#restock-quantity").fill("5")
        follow(page.get_by_role("button", name="Add to stock"))
        moved = server.get("/api/products/1/movements", headers=bearer(token)).json()["movements"][0]
        assert (moved["delta"], moved["actor"]) == (5, "ada")
        assert token not in page.content()
        follow(page.get_by_role("button", name="Log out"))
        page.goto("/products/1")
        assert page.url.endswith("/login?next=%2Fproducts%2F1")
    assert token not in log.read_text()
    assert "inv_nonsense" not in log.read_text()
