"""API tokens: who may do what, by header or by the pages' cookie; refused at once when they are no longer valid."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import event, select, text
from tests.framework.server import serving
from tests.framework.service_app import assert_refused, bearer, make_token, prepared_app

from inventory_service.app import create_app
from inventory_service.context import context_of
from inventory_service.db.models import ApiToken
from inventory_service.http.authentication import authenticate
from inventory_service.inventory import tokens
from inventory_service.settings import load

NEW = {"name": "A", "sku": "abc"}


@pytest.fixture
def app(database_url):
    with prepared_app(database_url, REQUIRE_TOKENS="true") as app:
        yield app


def change(app, statement, **values):
    with context_of(app).database.writing() as session:
        session.execute(text(statement), values)


def failures(client):
    marked = "inventory_authentication_failures_total{reason="
    lines = [line for line in client.get("/metrics").text.splitlines() if line.startswith(marked)]
    return {line[len(marked) + 1 : line.index('"}')]: float(line.rpartition(" ")[2]) for line in lines}


def problem_of(answer):
    return answer.json["type"].rpartition(":")[2]


def test_without_the_setting_no_header_is_looked_at(database_url):
    with prepared_app(database_url) as app:
        client = app.test_client()
        for headers in ({}, bearer("nonsense"), {"Authorization": "Basic eDp5"}):
            assert client.get("/api/products", headers=headers).status_code == 200
        assert client.post("/api/products", json=NEW, headers=bearer("x" * 5000)).status_code == 201


def test_every_route_but_the_open_ones_needs_a_token(app, client):
    open_paths = {"/livez", "/readyz", "/api/health", "/metrics", "/openapi.json", "/login", "/logout"}
    seen = set()
    for rule in app.url_map.iter_rules():
        path = rule.rule.replace("<int:", "<").replace("<path:", "<")
        path = "/".join("1" if part.startswith("<") else part for part in path.split("/"))
        for method in rule.methods - {"OPTIONS"}:
            if (method, rule.rule) == ("POST", "/login"):
                continue  # it is where a token is shown, and answers what every wrong one gets
            if rule.rule in open_paths or rule.endpoint.endswith(".static") or rule.rule.startswith("/docs"):
                seen.add(rule.rule)
                assert client.open(path, method=method).status_code not in {401, 403}, (method, path)
            else:
                answer = client.open(path, method=method)
                assert answer.status_code == 401, (method, path)
    assert {"/livez", "/readyz", "/api/health", "/metrics", "/openapi.json"} <= seen
    for path in ("/nowhere", "/api/nowhere", "//metrics", "/metrics/", "/livez/", "/api/health/"):
        assert client.get(path).status_code in {308, 401}, path
    assert client.open("/api/products", method="OPTIONS").status_code == 401
    assert client.open("/api/products", method="BREW").status_code == 401


def test_a_missing_and_a_wrong_token(client):
    missing = client.get("/api/products")
    assert_refused(missing, 401)
    assert problem_of(missing) == "missing-token"
    assert missing.headers["WWW-Authenticate"] == 'Bearer realm="inventory"'
    assert problem_of(client.get("/api/products", headers={"Authorization": "Basic eDp5"})) == "missing-token"
    for header in ("Bearer inv_nonsense", "Bearer ", "bearer ä", "Bearer a b", "Bearer " + "x" * 5000, "Bearer '--"):
        wrong = client.get("/api/products", headers={"Authorization": header})
        assert_refused(wrong, 401)
        assert problem_of(wrong) == "invalid-token"
        assert wrong.headers["WWW-Authenticate"] == 'Bearer realm="inventory", error="invalid_token"'
    assert failures(client) == {"missing": 2, "invalid": 6, "expired": 0, "revoked": 0, "insufficient-scope": 0}


def test_scopes(app, client):
    headers = {scope: bearer(make_token(app, scope, scope)) for scope in tokens.SCOPES}
    for scope in tokens.SCOPES:
        assert client.get("/api/products", headers=headers[scope]).status_code == 200
        assert client.head("/api/products", headers=headers[scope]).status_code == 200
    refused = client.post("/api/products", json=NEW, headers=headers["read"])
    assert_refused(refused, 403)
    assert problem_of(refused) == "insufficient-scope"
    assert refused.headers["WWW-Authenticate"] == 'Bearer realm="inventory", error="insufficient_scope", scope="write"'
    assert client.post("/api/products", json=NEW, headers=headers["write"]).status_code == 201
    for method, path in (("PUT", ""), ("DELETE", ""), ("POST", "/restock")):
        answer = client.open(f"/api/products/1{path}", method=method, json={"quantity": 1}, headers=headers["read"])
        assert answer.status_code == 403
    csv = {"data": "sku,name\nabc,B\n", "content_type": "text/csv"}
    assert client.post("/api/import/products", **csv, headers=headers["write"]).status_code == 403
    assert client.post("/api/import/products", **csv, headers=headers["admin"]).status_code == 200
    assert failures(client)["insufficient-scope"] == 5


def test_the_token_is_the_actor_of_the_movement(app, client):
    token = make_token(app, "shop-front", "write")
    client.post("/api/products", json=NEW, headers=bearer(token))
    client.post("/api/products/1/restock", json={"quantity": 2}, headers=bearer(token))
    change(app, "UPDATE api_tokens SET name = 'renamed'")
    with context_of(app).database.reading() as session:
        assert session.execute(text("SELECT DISTINCT actor FROM stock_movements")).scalars().all() == ["shop-front"]


def test_an_expired_and_a_revoked_token(app, client):
    soon = datetime.now(UTC) + timedelta(hours=1)
    token = make_token(app, "soon", "read", soon)
    assert client.get("/api/products", headers=bearer(token)).status_code == 200
    with context_of(app).database.writing() as session:
        session.scalars(select(ApiToken)).one().expires_at = datetime.now(UTC)
    expired = client.get("/api/products", headers=bearer(token))
    assert problem_of(expired) == "invalid-token"
    assert "expired" in expired.json["error"]
    with context_of(app).database.writing() as session:
        tokens.revoke(session, "soon", datetime.now(UTC))
    revoked = client.get("/api/products", headers=bearer(token))
    assert problem_of(revoked) == "invalid-token"
    assert "revoked" in revoked.json["error"]
    assert {reason for reason, count in failures(client).items() if count} == {"expired", "revoked"}


def test_a_revocation_takes_effect_at_once_on_all_replicas(app, database_url):
    other = create_app(load({"DATABASE_URL": database_url, "REQUIRE_TOKENS": "true"}))
    context_of(other).lifecycle.not_ready_reason = None
    token = make_token(app, "shop", "read")
    clients = [app.test_client(), other.test_client()]
    try:
        assert [each.get("/api/products", headers=bearer(token)).status_code for each in clients] == [200, 200]
        with context_of(app).database.writing() as session:
            tokens.revoke(session, "shop", datetime.now(UTC))
        assert [each.get("/api/products", headers=bearer(token)).status_code for each in clients] == [401, 401]
    finally:
        context_of(other).database.close()


def test_the_last_use_is_written_once_a_minute(app, client):
    token = make_token(app, "shop", "read")
    written = []
    event.listen(
        context_of(app).database.engine,
        "before_cursor_execute",
        lambda *arguments: arguments[2].startswith("UPDATE api_tokens") and written.append(arguments[2]),
    )
    for _ in range(5):
        client.get("/api/products", headers=bearer(token))
    assert len(written) == 1
    with context_of(app).database.writing() as session:
        found = session.scalars(select(ApiToken)).one()
        assert datetime.now(UTC) - found.last_used_at < timedelta(minutes=1)
        found.last_used_at -= timedelta(minutes=2)
    written.clear()
    for _ in range(5):
        client.get("/api/products", headers=bearer(token))
    assert len(written) == 1


def test_reading_goes_on_where_nothing_can_be_written(app, client, database_url, request):
    token = make_token(app, "shop", "read")
    if database_url.startswith("sqlite"):
        change(app, "CREATE TRIGGER full BEFORE UPDATE ON api_tokens BEGIN SELECT RAISE(ABORT, 'no'); END")
    else:
        name = request.getfixturevalue("migrated_postgresql")
        change(app, f"ALTER DATABASE {name} SET default_transaction_read_only = on")
        context_of(app).database.engine.dispose()
    assert client.get("/api/products", headers=bearer(token)).status_code == 200


def test_what_the_database_keeps_is_no_token(app):
    token = make_token(app, "shop", "read")
    with context_of(app).database.reading() as session:
        row = session.execute(text("SELECT * FROM api_tokens")).one()
    assert token not in str(row)
    assert token[12:] not in str(row)
    assert len(token) == len("inv_") + 43


def test_the_cookie_counts_outside_of_the_api_only(app, client):
    @app.get("/page")
    def page():
        return "page"

    token = make_token(app, "person", "read")
    client.set_cookie("inventory_token", token)
    assert client.get("/page").status_code == 200
    assert client.get("/api/products").status_code == 401
    assert client.get("/api/../api/products").status_code in {401, 404}
    assert client.get("/page", headers=bearer("inv_wrong")).status_code == 401
    html = {"Accept": "text/html,application/xhtml+xml"}
    client.set_cookie("inventory_token", "inv_wrong")
    to_login = client.get("/page", headers=html)
    assert (to_login.status_code, to_login.headers["Location"]) == (303, "/login")
    client.delete_cookie("inventory_token")
    to_login = client.get("/page?x=1", headers=html)
    assert (to_login.status_code, to_login.headers["Location"]) == (303, "/login?next=%2Fpage")
    assert client.get("/api/products", headers=html).status_code == 401
    assert client.get("/page").status_code == 401


def test_authenticate_is_for_the_login_page(app, client):
    token = make_token(app, "person", "read")
    with app.test_request_context("/login"):
        assert authenticate(token).name == "person"
        for text_ in ("", "inv_wrong", "ä", token + "x"):
            assert authenticate(text_) is None
    assert failures(client)["invalid"] == 4


def test_before_the_database_is_prepared_no_token_is_refused_for_good(empty_database_url):
    app = create_app(load({"DATABASE_URL": empty_database_url, "REQUIRE_TOKENS": "true"}))
    try:
        answer = app.test_client().get("/api/products", headers=bearer("inv_some"))
        assert_refused(answer, 503)
        assert app.test_client().get("/livez").status_code == 200
    finally:
        context_of(app).database.close()


def test_the_actor_is_in_the_log_and_no_token_is(tmp_path):
    environment = {"DATABASE_URL": str(tmp_path / "inventory.db"), "REQUIRE_TOKENS": "true", "LOG_LEVEL": "debug"}
    folder = tmp_path / "tokens"
    folder.mkdir()
    (folder / "shop-front.write").write_text("a-token-of-the-front-4711\n")
    with serving(tmp_path / "log", TOKENS_DIR=str(folder), **environment) as server:
        headers = bearer("a-token-of-the-front-4711") | {"X-Request-ID": "the-one"}
        assert server.get("/api/products", headers=headers).status_code == 200
        assert server.get("/api/products", headers=bearer("inv_wrong-4712")).status_code == 401
        assert server.get("/api/products", cookies={"inventory_token": "inv_cookie-4713"}).status_code == 401
        (line,) = [line for line in server.lines() if line.get("request_id") == "the-one"]
        assert line["actor"] == "shop-front"
        written = server.log.read_text()
        for secret in ("of-the-front-4711", "wrong-4712", "cookie-4713"):
            assert secret not in written
