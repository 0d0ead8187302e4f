"""Imports of as many rows as one may have, over the real server: others go on, and memory is bounded."""

from __future__ import annotations

import base64
import random
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psutil
import psycopg
import pytest
import requests
from sqlalchemy import func, select
from tests.framework.server import DEADLINE, serving
from tests.framework.service_app import prepared_app

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
    """A product of the file and one beside it are restocked without a pause: each is answered, and none is lost.

    On a machine that does other things an import takes long, so that who waits for its locks is more patient here.
    """
    patient = (
        "" if database_url.startswith("sqlite") else "&options=-c%20lock_timeout%3D60s%20-c%20statement_timeout%3D60s"
    )
    with prepared_app(database_url + patient) as app:
        database, over = context_of(app).database, threading.Event()
        database.turn.patience = DEADLINE
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


def test_killed_in_the_middle_nothing_is_imported(tmp_path, database_url):
    with serving(tmp_path / "log", DATABASE_URL=database_url) as server, ThreadPoolExecutor(1) as people:
        sent = people.submit(imported, server, rows(0))
        until = time.monotonic() + DEADLINE
        while not writing(database_url):
            assert time.monotonic() < until
            assert not sent.done(), "the import was over before it was seen"
        server.process.kill()
        with pytest.raises(requests.ConnectionError):
            sent.result(DEADLINE)
    with prepared_app(database_url) as app, context_of(app).database.reading() as session:
        assert session.scalar(select(func.count()).select_from(Product)) == 0
        assert session.scalar(select(func.count()).select_from(StockMovement)) == 0


def writing(database_url):
    """Tell whether an import has begun to write: SQLite's journal has grown, or PostgreSQL says so."""
    if database_url.startswith("sqlite"):
        journal = Path(database_url.removeprefix("sqlite:///") + "-wal")
        return journal.exists() and journal.stat().st_size > 2**19
    with psycopg.connect(database_url, autocommit=True) as watch:
        query = "SELECT count(*) FROM pg_stat_activity WHERE state = 'active' AND query LIKE 'INSERT INTO products%'"
        return watch.execute(query).fetchone()[0]
