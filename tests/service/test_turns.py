"""Imports, previews and downloads take turns: a request that waits in vain is a 503 with Retry-After."""

from __future__ import annotations

import io
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager

import pytest
from sqlalchemy import event
from tests.framework.server import DEADLINE
from tests.framework.service_app import assert_refused, prepared_app

from inventory_service.context import context_of

PATH = "/api/import/products"
FILE = "sku,name,stock_level\nLAMP-1,Desk lamp,15\n"
EXPORTS = ["/api/export/products", "/api/export/movements", "/export/products", "/export/movements"]


def send(app, text=FILE, path=PATH, **options):
    return app.test_client().post(path, data=text, content_type="text/csv", **options)


@contextmanager
def halted(app):
    """Halt the first import of `app` before it creates products; give what tells that it has come so far."""
    there, go_on = threading.Event(), threading.Event()

    @event.listens_for(context_of(app).database.engine, "before_cursor_execute")
    def halt(_connection, _cursor, statement, *_arguments):
        if statement.startswith("INSERT INTO products") and not there.is_set():
            there.set()
            assert go_on.wait(DEADLINE)

    try:
        yield there
    finally:
        go_on.set()


@pytest.fixture
def pods(app, database_url):
    """Two pods of one database; SQLite has one, which is both."""
    if context_of(app).database.on_sqlite:
        yield app, app
        return
    with prepared_app(database_url) as other:
        yield app, other


def assert_busy(answer, word):
    assert_refused(answer, 503)
    assert answer.headers["Retry-After"] == "5"
    assert answer.json["type"] == "urn:inventorystack:problem:busy"
    assert word in answer.json["error"]


def test_one_import_at_a_time_for_each_database(pods):
    one, other = pods
    with ThreadPoolExecutor(1) as people:
        with halted(one) as there:
            first = people.submit(send, one)
            assert there.wait(DEADLINE)
            headers = {"Idempotency-Key": "second"}
            assert_busy(send(other, FILE.replace("15", "7"), headers=headers), "imported")
        assert first.result(DEADLINE).json["created"] == 1
    # Nothing was kept under its key.
    answer = send(other, FILE.replace("15", "7"), headers=headers)
    assert answer.json["updated"] == 1
    assert "Idempotency-Replayed" not in answer.headers


def test_who_waits_briefly_gets_its_turn(pods):
    one, other = pods
    with ThreadPoolExecutor(2) as people:
        with halted(one) as there:
            first = people.submit(send, one)
            assert there.wait(DEADLINE)
            second = people.submit(send, other, FILE.replace("LAMP-1", "LAMP-2"))
        # The other one may have waited in vain on a machine that stood still.
        assert first.result(DEADLINE).status_code == 200
        assert second.result(DEADLINE).status_code in {200, 503}
    assert send(other).json["unchanged"] == 1


def test_previews_wait_as_imports_do(app):
    with ThreadPoolExecutor(1) as people, halted(app) as there:
        first = people.submit(send, app)
        assert there.wait(DEADLINE)
        assert_busy(send(app, path=f"{PATH}?dry_run=true"), "previewed")
        page = app.test_client().post("/import", data={"file": (io.BytesIO(FILE.encode()), "x.csv")})
        assert page.status_code == 503
        assert page.mimetype == "text/html"
        # What needs no turn is answered meanwhile.
        assert app.test_client().get("/api/products").json["total_count"] == 0
    assert first.result(DEADLINE).status_code == 200


def test_few_wait_at_a_time(app):
    """The others hold no thread: with 8 of them two wait."""
    imports = context_of(app).imports
    with imports.turn(), ThreadPoolExecutor(2) as people:
        waiting = [people.submit(send, app) for _ in range(2)]
        refused = send(app)
        while refused.status_code == 200:  # both of them may not have come yet
            refused = send(app)
        assert_busy(refused, "imported")
        assert [each.result(DEADLINE).status_code for each in waiting] == [503, 503]
    assert send(app).status_code == 200


@pytest.mark.parametrize("path", EXPORTS)
def test_two_downloads_at_a_time(app, path):
    with ExitStack() as slow:
        for _ in range(2):
            # Whoever doesn't read it holds it.
            slow.enter_context(app.test_client().get(path, buffered=False))
        answer = app.test_client().get(path, headers={"Accept": "application/json"})
        assert answer.status_code == 503
        assert answer.headers["Retry-After"] == "5"
        assert "Other files are being downloaded" in answer.text
        # An import, and everything else, goes on.
        assert send(app).status_code == 200
    for _ in range(5):
        assert app.test_client().get(path).status_code == 200
        assert app.test_client().head(path).status_code == 200


def test_a_download_that_fails_gives_its_turn_back(app):
    for _ in range(5):
        assert app.test_client().get("/api/export/movements?since=yesterday").status_code == 400
    failures = [1] * 5

    @event.listens_for(context_of(app).database.engine, "before_cursor_execute")
    def fail(*_arguments):
        if failures:
            failures.pop()
            raise OSError

    while failures:
        assert app.test_client().get("/api/export/products").status_code == 500
    assert app.test_client().get("/api/export/products").status_code == 200
