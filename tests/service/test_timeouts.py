"""Waiting is bounded: for a row, for a statement, for the turn to write; the answer is a 503 then."""

from __future__ import annotations

import math
from contextlib import contextmanager

import psycopg
import pytest
from sqlalchemy import text
from tests.framework import pgbouncer
from tests.framework.api import eventually
from tests.framework.service_app import prepared_app

from inventory_service.app import create_app
from inventory_service.context import context_of
from inventory_service.db.faults import DatabaseUnavailable
from inventory_service.settings import load

HOLD = "SELECT id FROM products FOR UPDATE"


def refused(answer):
    return (answer.status_code, answer.json.get("type"), answer.headers.get("Retry-After")) == (
        503, "urn:inventorystack:problem:database-unavailable", "5"
    )  # fmt: skip


@contextmanager
def serving_app(url):
    """Give the application on a database that is prepared: preparing it takes longer than these limits on some days."""
    app = create_app(load({"DATABASE_URL": url}))
    context = context_of(app)
    context.lifecycle.not_ready_reason, context.lifecycle.checked_at = None, math.inf
    try:
        yield app
    finally:
        context.database.close()


def limits(app):
    with context_of(app).database.reading() as session:
        names = ("statement_timeout", "lock_timeout", "idle_in_transaction_session_timeout", "work_mem")
        return [session.scalar(text(f"SHOW {name}")) for name in names]


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("", ["10s", "3s", "10s", "4MB"]),
        ("&options=--work-mem%3D5MB", ["10s", "3s", "10s", "5MB"]),
        ("&options=-c%20work_mem%3D5MB", ["10s", "3s", "10s", "5MB"]),
        ("&options=-c%20work_mem%3D5MB&options=-c%20lock_timeout%3D1s", ["10s", "1s", "10s", "5MB"]),
    ],
)
def test_options_in_the_url_are_added_to_ours(cluster, migrated_postgresql, query, expected):
    with prepared_app(cluster.url(migrated_postgresql) + query) as app:
        assert limits(app) == expected
    with (
        pgbouncer.before(cluster) as port,
        prepared_app(f"postgresql://127.0.0.1:{port}/{migrated_postgresql}?{query[1:]}") as app,
    ):
        assert limits(app) == expected


def test_a_begin_is_waited_for_as_long_as_a_connection(cluster, migrated_postgresql):
    for query, seconds in (("", 3), ("&connect_timeout=7", 7), ("&connect_timeout=0", None)):
        with (
            prepared_app(cluster.url(migrated_postgresql) + query) as app,
            context_of(app).database.reading() as session,
        ):
            assert session.connection().connection.driver_connection.begin_patience == seconds


def test_statements_are_prepared_where_the_next_one_finds_them(cluster, migrated_postgresql):
    with pgbouncer.before(cluster) as port:
        urls = cluster.url(migrated_postgresql), f"postgresql://127.0.0.1:{port}/{migrated_postgresql}"
        found = []
        for url in urls:
            with prepared_app(url) as app, context_of(app).database.reading() as session:
                for _ in range(10):
                    session.scalar(text("SELECT count(*) FROM products WHERE id = :id"), {"id": 1})
                found.append(session.scalar(text("SELECT count(*) FROM pg_prepared_statements")))
    assert found[0] > 0
    assert found[1] == 0


@pytest.mark.parametrize("limit", ["lock_timeout", "statement_timeout"])
def test_a_row_that_is_held_is_not_waited_for_for_ever(cluster, migrated_postgresql, limit):
    url = cluster.url(migrated_postgresql)
    options = f"-c lock_timeout=0 -c statement_timeout=0 -c {limit}=200ms"
    with (
        prepared_app(cluster.patient_url(migrated_postgresql)) as patient,
        serving_app(f"{url}&connect_timeout=120&options={options}") as app,
        psycopg.connect(url) as other,
    ):
        client = app.test_client()
        body = {"name": "A", "sku": "AAA", "stock_level": 5}
        assert patient.test_client().post("/api/products", json=body).status_code == 201
        other.execute(HOLD)
        for path, body in (("adjust", {"delta": -1, "reason": "x"}), ("restock", {"quantity": 1})):
            assert refused(client.post(f"/api/products/1/{path}", json=body))
        assert patient.test_client().get("/api/products/1").json["product"]["stock_level"] == 5
        other.rollback()

        def restocked():
            answer = client.post("/api/products/1/restock", json={"quantity": 1})
            return None if refused(answer) else answer

        # On a busy machine any statement may take as long.
        assert eventually(restocked, "a restock in time").json["product"]["stock_level"] == 6


def test_a_statement_that_takes_too_long_is_cut_off(cluster, migrated_postgresql):
    query = "&connect_timeout=120&options=-c%20statement_timeout%3D200ms"
    with serving_app(cluster.url(migrated_postgresql) + query) as app:
        database = context_of(app).database
        with pytest.raises(DatabaseUnavailable, match="statement timeout"), database.reading() as session:
            session.execute(text("SELECT pg_sleep(60)"))
        assert app.test_client().get("/readyz").status_code == 200


def test_a_write_without_its_turn_on_sqlite_is_answered_with_retry_after(tmp_path):
    with prepared_app(f"sqlite:///{tmp_path}/inventory.db") as app:
        client, database = app.test_client(), context_of(app).database
        database.turn.patience = 0
        with database.writing():
            assert refused(client.post("/api/products", json={"name": "A", "sku": "AAA"}))
            keyed = {"json": {"name": "A", "sku": "AAA"}, "headers": {"Idempotency-Key": "one"}}
            assert refused(client.post("/api/products", **keyed))
            assert client.get("/api/products").json["total_count"] == 0
        assert client.post("/api/products", **keyed).status_code == 201
