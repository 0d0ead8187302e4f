"""Imports of as many rows as one may have, over the real server: others go on, and memory is bounded."""

from __future__ import annotations

import base64
import contextlib
import random
import signal
import sqlite3
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psutil
import psycopg
import pytest
import requests
from sqlalchemy import func, select
from tests.framework.api import eventually
from tests.framework.server import DEADLINE, serving
from tests.framework.service_app import prepared_app
from tests.framework.service_database import copied_file

from inventory_service.context import context_of
from inventory_service.db.models import Product, StockMovement
from inventory_service.importexport.rows import MAX_ROWS
from inventory_service.inventory import audit

#: What 8 previews of 10 MiB at once may add to the service's memory: docs/import-export.md.
MEMORY = 64 * 2**20
PREVIEWS = 8
#: In a description, so that a file of MAX_ROWS has nearly 10 MiB.
LETTERS = 480

#: They keep the machine busy for some seconds, and one of them measures a process.
pytestmark = pytest.mark.xdist_group("imports")


def rows(stock):
    return "sku,name,stock_level\n" + "".join(
        f"SKU-{number},Product {number},{(number + stock) % 50}\n" for number in range(MAX_ROWS)
    )


def sent(app, text):
    return app.test_client().post("/api/import/products", data=text, content_type="text/csv")


def imported(server, text, query=""):
    path, headers = f"{server.url}/api/import/products{query}", {"Content-Type": "text/csv"}
    return requests.post(path, text.encode(), headers=headers, timeout=DEADLINE)


def test_others_go_on_beside_a_large_import(database_url):
    """A product of the file and one beside it are restocked without a pause: each is answered, and none is lost."""
    with prepared_app(database_url) as app:
        database, over = context_of(app).database, threading.Event()
        database.turn.patience = DEADLINE  # on a machine that does other things an import takes long
        body = {"name": "Beside", "sku": "BESIDE", "stock_level": 0}
        assert app.test_client().post("/api/products", json=body).status_code == 201
        assert sent(app, rows(0)).json["created"] == MAX_ROWS

        def restock(product_id):
            path, client, statuses = f"/api/products/{product_id}/restock", app.test_client(), []
            while not over.is_set():
                statuses.append(client.post(path, json={"quantity": 1}).status_code)
            return statuses

        with ThreadPoolExecutor(2) as people:
            beside, within = people.submit(restock, 1), people.submit(restock, 2)
            try:
                answers = [sent(app, rows(stock)) for stock in (7, 7, 21)]
            finally:
                over.set()
            beside, within = beside.result(DEADLINE), within.result(DEADLINE)
        assert [answer.status_code for answer in answers] == [200] * 3
        assert set(beside) == set(within) == {200}
        with database.reading() as session:
            assert len(audit.examine(session)) == 0
            assert session.get_one(Product, 1).stock_level == len(beside)
            assert session.get_one(Product, 2).restock_operations == len(within)
            kinds = select(StockMovement.kind, func.count()).group_by(StockMovement.kind)
            counts = dict(session.execute(kinds).all())
            assert counts["restock"] == len(beside) + len(within)
            # Of all products but the restocked one: once each for the two files that differ from what was there.
            assert counts["count"] >= 2 * (MAX_ROWS - 1)


def test_previews_at_once_stay_within_their_memory(tmp_path):
    """Files of 10 MiB that hardly can be compressed, of the API and of the form alike."""
    letters = base64.b64encode(random.Random(1).randbytes(MAX_ROWS * LETTERS * 3 // 4)).decode()
    texts = (letters[start : start + LETTERS] for start in range(0, len(letters), LETTERS))
    content = "sku,name,description\n" + "".join(f"SKU-{number},Lamp,{text}\n" for number, text in enumerate(texts))
    assert 9 * 2**20 < len(content) <= 10 * 2**20
    with serving(tmp_path / "log", DATABASE_URL=f"sqlite:///{tmp_path}/inventory.db") as server:
        process = psutil.Process(server.process.pid)

        def memory():
            return process.memory_info().rss

        def preview(number):
            if number % 2:
                return imported(server, content, "?dry_run=true")
            return requests.post(f"{server.url}/import", files={"file": ("a.csv", content)}, timeout=DEADLINE)

        assert imported(server, "sku,name\nLAMP-1,Lamp\n", "?dry_run=true").status_code == 200
        idle, most, over = memory(), [0], threading.Event()

        def watch():
            while not over.wait(0.01):
                most[0] = max(most[0], memory())

        watcher = threading.Thread(target=watch)
        watcher.start()
        try:
            with ThreadPoolExecutor(PREVIEWS) as people:
                for _ in range(3):
                    statuses = [answer.status_code for answer in people.map(preview, range(PREVIEWS))]
                    assert set(statuses) <= {200, 503}
                    assert 200 in statuses
        finally:
            over.set()
            watcher.join()
        assert most[0] - idle < MEMORY, f"{(most[0] - idle) / 2**20:.0f} MiB"


@contextlib.contextmanager
def importing(folder, database_url):
    """Begin an import; give its server once the import has begun to write."""
    with serving(folder / "log", DATABASE_URL=database_url) as server, ThreadPoolExecutor(1) as people:
        sent = people.submit(imported, server, rows(0))
        until = time.monotonic() + DEADLINE
        while not (sent.done() or writing(database_url)):
            assert time.monotonic() < until
            time.sleep(0.005)  # it writes for less than a second
        try:
            yield server, sent
        finally:
            server.process.kill()


def assert_nothing_is_imported(sent, database_url):
    with pytest.raises(requests.ConnectionError):
        sent.result(DEADLINE)
    with prepared_app(database_url) as app, context_of(app).database.reading() as session:
        assert session.scalar(select(func.count()).select_from(Product)) == 0
        assert session.scalar(select(func.count()).select_from(StockMovement)) == 0


def test_killed_in_the_middle_nothing_is_imported_on_sqlite(tmp_path, migrated_sqlite):
    def killed():
        folder = Path(tempfile.mkdtemp(dir=tmp_path))
        database_url = copied_file(migrated_sqlite, folder)
        with importing(folder, database_url) as (server, sent):
            server.process.send_signal(signal.SIGSTOP)
            with contextlib.closing(sqlite3.connect(folder / "inventory.db")) as connection:
                (products,) = connection.execute("SELECT count(*) FROM products").fetchone()
        if not products:
            assert_nothing_is_imported(sent, database_url)
        return not products

    eventually(killed, "an import that was not over when it was seen")


def test_killed_in_the_middle_nothing_is_imported_on_postgresql(tmp_path, cluster, migrated_postgresql):
    database_url = cluster.patient_url(migrated_postgresql)
    with psycopg.connect(database_url) as other:
        other.execute("LOCK TABLE stock_movements IN SHARE MODE")  # which the import needs after some of its products
        with importing(tmp_path, database_url) as (_server, sent):
            assert not sent.done()
    assert_nothing_is_imported(sent, database_url)


def writing(database_url):
    """Tell whether an import has begun to write: SQLite's journal has grown, or it waits for its next table."""
    if database_url.startswith("sqlite"):
        journal = Path(database_url.removeprefix("sqlite:///") + "-wal")
        return journal.exists() and journal.stat().st_size > 2**19
    with psycopg.connect(database_url, autocommit=True) as watch:
        here = "database = (SELECT oid FROM pg_database WHERE datname = current_database())"
        query = f"SELECT count(*) FROM pg_locks WHERE NOT granted AND relation = 'stock_movements'::regclass AND {here}"
        return watch.execute(query).fetchone()[0]
