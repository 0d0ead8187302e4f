"""In which order rows are locked: by id on PostgreSQL, so that no two requests wait for each other in a circle."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor

import psycopg
import pytest
from tests.framework.server import DEADLINE
from tests.framework.service_app import prepared_app

IDS = [1, 2, 3, 4, 5]
LINES = [{"product_id": each, "delta": 1} for each in (4, 2, 5, 1, 3)]
RESERVED = [{"product_id": each, "quantity": 1} for each in (4, 2, 5, 1, 3)]
WAITING = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
FREE = "SELECT id FROM products FOR UPDATE SKIP LOCKED"


@pytest.fixture
def unordered(cluster, migrated_postgresql):
    cluster.use_no_index(migrated_postgresql)
    return cluster.patient_url(migrated_postgresql)


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/api/movements", {"lines": LINES, "reason": "x"}),
        ("/api/reservations", {"lines": RESERVED}),
    ],
)
def test_while_the_first_row_is_held_no_other_is_taken(unordered, path, body):
    with (
        prepared_app(unordered) as app,
        psycopg.connect(unordered, autocommit=True) as watch,
        ThreadPoolExecutor() as background,
    ):
        client = app.test_client()
        for each in IDS:
            client.post("/api/products", json={"name": "x", "sku": f"sku-{each}", "stock_level": 5})
        client.post("/api/products/1/restock", json={"quantity": 1})
        assert watch.execute("SELECT id FROM products").fetchall()[-1] == (1,)
        with psycopg.connect(unordered) as other:
            other.execute("SELECT id FROM products WHERE id = 1 FOR UPDATE")
            answer = background.submit(app.test_client().post, path, json=body)
            until = time.monotonic() + DEADLINE
            while not watch.execute(WAITING).fetchone()[0]:
                assert time.monotonic() < until
            free = sorted(row[0] for row in watch.execute(FREE))
        assert free == IDS[1:]
        assert answer.result().status_code in {200, 201}
