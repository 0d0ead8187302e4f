"""TOKENS_DIR: the tokens of a mounted Secret become valid at preparation, and follow what is in the files."""

from __future__ import annotations

import os
from datetime import UTC, datetime

import pytest
import structlog
from tests.framework.service_app import bearer, make_token, prepared_app

from inventory_service.bootstrap import schema
from inventory_service.context import context_of
from inventory_service.inventory import tokens
from inventory_service.settings import load

ONE, TWO = "first-token-0123456789", "second-token-0123456789"


@pytest.fixture
def folder(tmp_path):
    """A folder as the kubelet mounts a Secret: links to a folder behind a link."""
    data = tmp_path / "tokens" / "..2026_11_24"
    data.mkdir(parents=True)
    (data.parent / "..data").symlink_to(data.name)
    return data.parent


def put(folder, **files):
    """Let exactly these files be there; `__` in a name is a dot."""
    for path in folder.iterdir():
        if not path.name.startswith(".."):
            path.unlink()
    for path in (folder / "..data").iterdir():
        path.unlink()
    for key, content in files.items():
        name = key.replace("__", ".")
        (folder / "..data" / name).write_bytes(content if isinstance(content, bytes) else content.encode())
        (folder / name).symlink_to(f"..data/{name}")


@pytest.fixture
def app(database_url, folder):
    with prepared_app(database_url, REQUIRE_TOKENS="true", TOKENS_DIR=str(folder)) as app:
        yield app


def prepare(app):
    """Prepare again, as the next pod does; return the log's lines."""
    with structlog.testing.capture_logs() as lines:
        schema.prepare(context_of(app).database, context_of(app).settings)
    return lines


def answers(app, *texts):
    return [app.test_client().get("/api/products", headers=bearer(text)).status_code for text in texts]


def states(app):
    with context_of(app).database.reading() as session:
        return {(it.name, it.scope, it.source, it.state(datetime.now(UTC))) for it in tokens.all_tokens(session)}


def test_new_changed_and_vanished_files(app, folder):
    put(folder, shop__front__write=f"  {ONE}\n", boss__admin=f"{TWO}\r\n")
    prepare(app)
    assert answers(app, ONE, TWO) == [200, 200]
    assert states(app) == {("shop.front", "write", "file", "active"), ("boss", "admin", "file", "active")}
    assert prepare(app) == []
    put(folder, shop__front__write=TWO.upper())
    prepare(app)
    assert answers(app, ONE, TWO, TWO.upper()) == [401, 401, 200]
    put(folder)
    prepare(app)
    assert answers(app, ONE, TWO, TWO.upper()) == [401, 401, 401]
    put(folder, shop__front__read=ONE)
    prepare(app)
    assert answers(app, ONE) == [200]
    assert ("shop.front", "read", "file", "active") in states(app)


def test_names_that_swap_and_scopes_that_change(app, folder):
    put(folder, a__read=ONE, b__write=TWO)
    prepare(app)
    put(folder, a__admin=TWO, b__read=ONE)
    prepare(app)
    assert answers(app, ONE, TWO) == [200, 200]
    assert states(app) == {("a", "admin", "file", "active"), ("b", "read", "file", "active")}


def test_a_useless_file_is_named_and_the_others_go_on(app, folder):
    put(
        folder,
        good__read=ONE,
        short__read="too-short-secret",
        blank__read="two words, and a secret of size",
        noscope="a-secret-without-a-scope",
        odd__owner="a-secret-with-odd-scope",
        binary__read=b"\xff\xfe secret of some length",
        twice__read="a-secret-of-two-names-a",
        twice__write="a-secret-of-two-names-b",
        same1__read="the-same-secret-in-both",
        same2__write="the-same-secret-in-both",
    )
    lines = prepare(app)
    ignored = {line["file"] for line in lines if line["event"] == "token file ignored"}
    assert ignored == {
        "short.read", "blank.read", "noscope", "odd.owner", "binary.read", "twice.read", "twice.write", "same1.read",
        "same2.write",
    }  # fmt: skip
    assert {line["log_level"] for line in lines if "file" in line} == {"error"}
    assert all(line["reason"] for line in lines if "file" in line)
    assert "secret" not in str([line.get("reason") for line in lines])
    assert answers(app, ONE) == [200]
    assert states(app) == {("good", "read", "file", "active")}


def test_a_missing_folder_revokes_no_token(app, folder, tmp_path):
    put(folder, good__read=ONE)
    prepare(app)
    folder.rename(tmp_path / "away")
    (line,) = prepare(app)
    assert (line["log_level"], line["folder"]) == ("error", str(folder))
    assert answers(app, ONE) == [200]


def test_without_the_setting_files_change_nothing(app, folder, database_url):
    put(folder, good__read=ONE)
    prepare(app)
    schema.prepare(context_of(app).database, load({"DATABASE_URL": database_url}))
    assert answers(app, ONE) == [200]


def test_what_the_command_line_made_or_revoked_is_its_own(app, folder):
    made = make_token(app, "shop", "read")
    put(folder, shop__write=ONE, other__admin=made, third__read=TWO)
    lines = prepare(app)
    assert {line.get("file") for line in lines if line["log_level"] == "error"} == {"shop.write", "other.admin"}
    assert answers(app, made, ONE, TWO) == [200, 401, 200]
    with context_of(app).database.writing() as session:
        tokens.revoke(session, "third", datetime.now(UTC))
    lines = prepare(app)
    assert "third.read" in {line.get("file") for line in lines}
    assert answers(app, TWO) == [401]


def test_little_of_a_short_token_is_shown(app, folder):
    put(folder, good__read="x" * 20)
    prepare(app)
    with context_of(app).database.reading() as session:
        assert tokens.all_tokens(session)[0].prefix == "x" * 6
    assert os.listdir(folder)  # noqa: PTH208 - and nothing was taken away
