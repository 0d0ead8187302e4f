"""The commands beside `serve`: what they print, what they say, and how they end."""

from __future__ import annotations

import json
import re

import pytest
import requests
from sqlalchemy import text
from tests.framework.commands import call, run
from tests.framework.server import DEADLINE, serving
from tests.framework.service_app import bearer, prepared_app
from tests.framework.service_database import corrupt

from inventory_service.context import context_of
from inventory_service.db.database import Database
from inventory_service.settings import load


@pytest.fixture
def prepared(database_url):
    """The URL of a prepared database with two products."""
    with prepared_app(database_url) as app:
        for sku in ("one", "two"):
            body = {"name": "A", "sku": sku, "stock_level": 5}
            assert app.test_client().post("/api/products", json=body).status_code == 201
    return database_url


def command(database_url, *arguments):
    """Return the exit code and both streams of a command, run within this process."""
    return tuple(call(*arguments, DATABASE_URL=database_url))


@pytest.fixture
def broken(prepared):
    """The URL of a prepared database with a product whose stock drifted."""
    database = Database(load({"DATABASE_URL": prepared}).database_url, connections=1)
    corrupt(database, "UPDATE products SET stock_level = 7 WHERE id = 2")
    database.close()
    return prepared


def test_a_token_is_made_shown_used_and_revoked(prepared, tmp_path):
    made, token, said = command(prepared, "tokens", "create", "shop-front", "--scope", "write", "--expires-in", "90d")
    assert (made, said) == (0, "")
    assert re.fullmatch(r"inv_[A-Za-z0-9_-]{43}\n", token)
    with serving(tmp_path / "log", DATABASE_URL=prepared, REQUIRE_TOKENS="true") as server:
        headers = bearer(token.strip())
        answer = requests.post(
            f"{server.url}/api/products/1/restock", json={"quantity": 1}, headers=headers, timeout=DEADLINE
        )
        assert answer.status_code == 200
        (listed,) = json.loads(command(prepared, "tokens", "list", "-o", "json")[1])
        assert listed["last_used_at"] >= listed["created_at"]
        shown = {field: listed[field] for field in ("name", "prefix", "scope", "source", "state")}
        assert shown == {
            "name": "shop-front", "prefix": token[:12], "scope": "write", "source": "command", "state": "active",
        }  # fmt: skip
        assert listed["expires_at"] > listed["created_at"]
        revoked = command(prepared, "tokens", "revoke", "shop-front")
        assert revoked == (0, "", "The token shop-front is revoked.\n")
        assert server.get("/api/products", headers=headers).status_code == 401
    listing = command(prepared, "tokens", "list")[1]
    assert "revoked" in listing
    assert token.strip() not in listing


def test_a_token_as_json(prepared):
    status, shown, said = command(prepared, "tokens", "create", "boss", "--scope", "admin", "-o", "json")
    made = json.loads(shown)
    assert (status, said) == (0, "")
    assert (made["name"], made["scope"], made["expires_at"]) == ("boss", "admin", None)
    assert made["token"].startswith(made["prefix"])


def test_what_can_not_be_done_with_tokens(prepared, tmp_path):
    command(prepared, "tokens", "create", "shop", "--scope", "read")
    for arguments, words in (
        (("create", "shop", "--scope", "read"), "There is already a token named shop"),
        (("revoke", "nobody"), "There is no token named nobody"),
    ):
        status, shown, said = command(prepared, "tokens", *arguments)
        assert (status, shown) == (1, "")
        assert said.startswith(words)
        assert len(said.splitlines()) == 1
    unprepared = command(f"{tmp_path}/other.db", "tokens", "list")
    assert unprepared[0] == 1
    assert "migrate" in unprepared[2]
    assert command("postgresql://u:s3cret@127.0.0.1:1/d", "tokens", "list")[0] == 1


@pytest.mark.parametrize(
    "arguments",
    [
        ("tokens",),
        ("tokens", "create"),
        ("tokens", "create", "shop"),
        ("tokens", "create", "shop", "--scope", "owner"),
        ("tokens", "create", "a b", "--scope", "read"),
        ("tokens", "create", "n" * 101, "--scope", "read"),
        *(
            ("tokens", "create", "a", "--scope", "read", "--expires-in", time)
            for time in ("", "0d", "9", "9y", "999999w")
        ),
        ("audit", "-o", "yaml"),
        ("mend",),
    ],
)
def test_what_is_asked_in_a_way_that_can_not_be(arguments, tmp_path):
    status, shown, said = command(f"{tmp_path}/inventory.db", *arguments)
    assert (status, shown) == (2, "")
    assert said


def test_every_command_explains_itself():
    for arguments in (("tokens",), ("tokens", "create"), ("audit",)):
        shown = call(*arguments, "--help")
        assert shown.returncode == 0
        for word in ("examples:", "exit codes:"):
            assert word in shown.stdout, arguments


def test_an_audit_of_a_sound_ledger(prepared):
    assert command(prepared, "audit") == (0, "The stock of every product is the sum of its movements.\n", "")
    status, shown, _ = command(prepared, "audit", "-o", "json")
    assert (status, json.loads(shown)) == (0, {"drift": 0, "products": [], "reservations": []})


def test_an_audit_that_finds_something(broken):
    status, shown, said = command(broken, "audit")
    assert (status, said) == (1, "")
    assert shown == "Product 2 (two): the stock is 7, its movements add up to 5.\n"
    status, shown, _ = command(broken, "audit", "-o", "json")
    assert status == 1
    assert json.loads(shown)["drift"] == 1
    assert json.loads(shown)["products"][0]["product_id"] == 2


def test_an_audit_that_can_not_tell(tmp_path):
    for url in (f"{tmp_path}/missing/inventory.db", f"{tmp_path}/empty.db", "postgresql://u:s3cret@127.0.0.1:1/d"):
        status, shown, said = command(url, "audit")
        assert (status, shown) == (3, ""), url
        assert len(said.splitlines()) == 1
        assert "s3cret" not in said


def test_a_damaged_file_is_no_drift(tmp_path):
    with prepared_app(str(tmp_path / "inventory.db")) as app, context_of(app).database.writing() as session:
        session.execute(text("DROP TABLE reservation_lines"))
    assert command(f"{tmp_path}/inventory.db", "audit")[0] == 3


#: How a process ends does not depend on the kind of its database.
on_sqlite = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)


@on_sqlite
@pytest.mark.parametrize(
    ("arguments", "status", "shown", "said"),
    [
        (("tokens", "create", "shop", "--scope", "read"), 0, r"inv_[A-Za-z0-9_-]{43}\n", ""),
        (("tokens", "revoke", "nobody"), 1, "", r"There is no token named nobody[^\n]*\n"),
        (("tokens", "create", "shop"), 2, "", r"usage: (?s:.)*--scope\n"),
        (("audit",), 0, r"The stock of every product is the sum of its movements\.\n", ""),
    ],
    ids=["done", "failed", "usage", "audited"],
)
def test_a_process_ends_with_the_code_and_keeps_the_streams_apart(prepared, arguments, status, shown, said):
    """What the other tests call within their own process, as a shell or a Job sees it."""
    ended = run(*arguments, DATABASE_URL=prepared)
    assert ended.returncode == status
    assert re.fullmatch(shown, ended.stdout)
    assert re.fullmatch(said, ended.stderr)


@on_sqlite
def test_the_process_of_an_audit_ends_with_what_it_found(broken, tmp_path):
    assert tuple(run("audit", DATABASE_URL=broken)) == (
        1, "Product 2 (two): the stock is 7, its movements add up to 5.\n", ""
    )  # fmt: skip
    untold = run("audit", DATABASE_URL=f"{tmp_path}/missing/inventory.db")
    assert (untold.returncode, untold.stdout) == (3, "")
    assert len(untold.stderr.splitlines()) == 1
