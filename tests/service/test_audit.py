"""The self-audit: finds every contradiction, raises no false alarm, and keeps its result where the metrics read it."""

from __future__ import annotations

import random
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest
import structlog
from sqlalchemy import func, select, text
from tests.framework.api import eventually
from tests.framework.server import DEADLINE, serving
from tests.framework.service_database import corrupt

from inventory_service.background import audit, maintenance
from inventory_service.db.database import Database
from inventory_service.db.models import IdempotencyKey
from inventory_service.settings import load


@pytest.fixture
def products(client):
    """Two products with some movements, and one that was deleted."""
    for sku in ("one", "two", "gone"):
        made = client.post("/api/products", json={"name": "A", "sku": sku, "stock_level": 10})
        assert made.status_code == 201
        path = f"/api/products/{made.json['product']['id']}"
        for delta in (5, -3, -4, 2):
            body = {"delta": delta, "reason": "test"}
            assert client.post(f"{path}/adjust", json=body).status_code in {200, 201}
    assert client.delete("/api/products/3").status_code == 200


def metric(client, name):
    lines = [line for line in client.get("/metrics").text.splitlines() if line.startswith(f"{name} ")]
    return float(lines[0].rpartition(" ")[2]) if lines else None


def test_a_sound_ledger(context, client, products):
    assert len(audit.run(context.database)) == 0
    assert metric(client, "inventory_ledger_drift") is None
    maintenance.audit_once(context)
    assert metric(client, "inventory_ledger_drift") == 0
    assert context.audit.finished_at.tzinfo is not None


def test_a_stock_that_drifted(context, client, products):
    corrupt(context.database, "UPDATE products SET stock_level = stock_level + 1 WHERE id IN (2, 3)")
    two, gone = audit.run(context.database).products
    assert (two.product_id, two.sku, two.archived, two.stock_level, two.ledger_sum) == (2, "two", False, 11, 10)
    assert (gone.product_id, gone.archived, gone.wrong_balances) == (3, True, 0)
    with structlog.testing.capture_logs() as lines:
        maintenance.audit_once(context)
    assert metric(client, "inventory_ledger_drift") == 2
    (line,) = [line for line in lines if line["event"] == "ledger drift"]
    assert (line["log_level"], line["product_ids"]) == ("error", [2, 3])
    corrupt(context.database, "UPDATE products SET stock_level = stock_level - 1 WHERE id IN (2, 3)")
    maintenance.audit_once(context)
    assert metric(client, "inventory_ledger_drift") == 0


def test_a_stock_without_any_movement(context, products):
    corrupt(context.database, "DELETE FROM stock_movements WHERE product_id = 1")
    (drift,) = audit.run(context.database).products
    assert (drift.product_id, drift.stock_level, drift.ledger_sum, drift.first_wrong_movement) == (1, 10, 0, None)


def test_a_balance_that_is_wrong(context, products):
    """The sum may agree while a line on the way to it does not."""
    corrupt(context.database, "UPDATE stock_movements SET balance_after = 99 WHERE id IN (2, 3)")
    (drift,) = audit.run(context.database).products
    assert (drift.product_id, drift.stock_level, drift.ledger_sum) == (1, 10, 10)
    assert (drift.wrong_balances, drift.first_wrong_movement) == (2, 2)


def test_a_delta_that_is_wrong(context, products):
    corrupt(context.database, "UPDATE stock_movements SET delta = delta + 1 WHERE id = 2")
    (drift,) = audit.run(context.database).products
    assert (drift.ledger_sum, drift.wrong_balances, drift.first_wrong_movement) == (11, 4, 2)


def test_reservations_that_contradict_themselves(context, client, products):
    for _ in range(3):
        body = {"lines": [{"product_id": 1, "quantity": 1}], "expires_in_seconds": 600}
        made = client.post("/api/reservations", json=body)
        assert made.status_code == 201, made.text
    assert len(audit.run(context.database)) == 0
    corrupt(context.database, "UPDATE reservations SET state = 'committed' WHERE id = 1")
    corrupt(context.database, "DELETE FROM reservation_lines WHERE reservation_id = 3")
    findings = audit.run(context.database)
    assert (list(findings.products), list(findings.reservations)) == ([], [1, 3])
    with structlog.testing.capture_logs() as lines:
        maintenance.audit_once(context)
    assert [line["event"] for line in lines if line["log_level"] == "error"] == ["inconsistent reservations"]


def test_concurrent_changes_make_no_false_alarm(app, context, client, products):
    """In a transaction that sees each statement's own moment this finds a drift at once."""
    done = threading.Event()

    def change(number):
        own, dice = app.test_client(), random.Random(number)
        while not done.is_set():
            path = f"/api/products/{dice.randint(1, 2)}/adjust"
            own.post(path, json={"delta": dice.choice((-2, -1, 1, 2)), "reason": "test"})

    with ThreadPoolExecutor(4) as clients:
        running = [clients.submit(change, number) for number in range(4)]
        try:
            for _ in range(60):
                assert len(audit.run(context.database)) == 0
        finally:
            done.set()
        for each in running:
            each.result()


def test_one_replica_audits_at_a_time(cluster, empty_postgresql, tmp_path):
    url = cluster.patient_url(empty_postgresql)  # its transaction is idle while the others audit
    with serving(tmp_path / "log", DATABASE_URL=url, AUDIT_SECONDS="0"):
        database = Database(load({"DATABASE_URL": url}).database_url, connections=2)
        try:
            with database.reading() as session:
                session.execute(text("SELECT pg_advisory_xact_lock(5180924714)"))
                with pytest.raises(audit.BusyError):
                    audit.run(database, exclusive=True)
                assert len(audit.run(database)) == 0
            assert len(audit.run(database, exclusive=True)) == 0
        finally:
            database.close()


def test_a_server_audits_by_itself(database_url, tmp_path):
    with serving(tmp_path / "log", DATABASE_URL=database_url, AUDIT_SECONDS="0.2", LOAD_SAMPLE_DATA="true") as server:
        wait_for_drift(server, 0)
        database = Database(load({"DATABASE_URL": database_url}).database_url, connections=1)
        corrupt(database, "UPDATE products SET stock_level = stock_level + 3 WHERE id = 4")
        wait_for_drift(server, 1)
        database.close()
        found = eventually(lambda: logged(server, "ledger drift"), "the line that follows the metric")
        assert found[0]["product_ids"] == [4]


def logged(server, event):
    return [line for line in server.lines() if line["event"] == event]


def wait_for_drift(server, drift, after=0.0):
    """Return when the first audit after that time with this result ended, as Unix time."""
    until = time.monotonic() + DEADLINE
    ended = "inventory_ledger_audit_timestamp_seconds"
    while True:
        text_ = server.get("/metrics").text
        times = [float(line.rpartition(" ")[2]) for line in text_.splitlines() if line.startswith(f"{ended} ")]
        if f"inventory_ledger_drift {drift}.0\n" in text_ and times and times[0] > after:
            return times[0]
        assert time.monotonic() < until, server.log.read_text()
        time.sleep(0.05)


def test_audits_go_on_after_the_database_was_away(cluster, empty_postgresql, tmp_path):
    with serving(tmp_path / "log", DATABASE_URL=cluster.url(empty_postgresql), AUDIT_SECONDS="0.1") as server:
        wait_for_drift(server, 0)

        def an_audit_failed():
            cluster.cut_off(empty_postgresql)
            server.wait_for("/readyz", 503)
            cluster.bring_back(empty_postgresql)
            wait_for_drift(server, 0, after=time.time())
            return logged(server, "maintenance failed")

        # Where the check of readiness is the first to notice, none is tried meanwhile.
        eventually(an_audit_failed, "an audit that failed for want of its database")


def test_expired_idempotency_keys_are_forgotten(context):
    now = datetime.now(UTC)
    with context.database.writing() as session:
        for number in range(450):
            expires_at = now + timedelta(hours=1 if number < 7 else -1)
            fields = {"fingerprint": "", "status": 200, "content_type": "", "body": b"", "created_at": now}
            session.add(IdempotencyKey(actor="", key=str(number), expires_at=expires_at, **fields))
    maintenance.purge(context)
    with context.database.reading() as session:
        assert session.scalar(select(func.count()).select_from(IdempotencyKey)) == 7


def test_a_draining_pod_starts_nothing(context):
    context.lifecycle.draining = True
    maintenance.purge(context)
    job = maintenance._Job("audit", maintenance.audit_once, 1)
    job.run_if_due(context)
    assert context.audit.drift is None
