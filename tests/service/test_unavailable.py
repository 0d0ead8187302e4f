"""What the database refuses, by its own codes: 503 where it may be over soon, done again where that helps, else 500."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor

import psycopg
import pytest
from sqlalchemy import event, text
from sqlalchemy.exc import DBAPIError
from tests.framework.api import eventually
from tests.framework.server import DEADLINE
from tests.framework.service_app import prepared_app

from inventory_service.background import readiness
from inventory_service.bootstrap.schema import UnsuitableDatabase
from inventory_service.context import context_of
from inventory_service.db.database import Database
from inventory_service.db.faults import DatabaseUnavailable, Fault, fault_of
from inventory_service.db.gate import Gate
from inventory_service.settings import load

#: Fails the first so many lines of the ledger, and answers of keys; a sequence is not undone with its transaction.
FAILING = """
    CREATE SEQUENCE tries;
    CREATE FUNCTION fail() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
        IF nextval('tries') <= {times} THEN RAISE EXCEPTION 'on purpose' USING ERRCODE = '{code}'; END IF;
        RETURN NEW;
    END $$;
    CREATE TRIGGER failing BEFORE INSERT ON stock_movements FOR EACH ROW EXECUTE FUNCTION fail();
    CREATE TRIGGER failing BEFORE INSERT ON idempotency_keys FOR EACH ROW EXECUTE FUNCTION fail()
"""
UNAVAILABLE = {
    Fault.UNREACHABLE: ["08000", "08006", "25P03", "57P01", "57P02", "57P03", "57P05"],
    Fault.READ_ONLY: ["25006"],
    Fault.STORAGE: ["53100", "58030"],
    Fault.CONFLICT: ["40001", "40P01"],
    Fault.LOCKED: ["55P03"],
    Fault.TOO_SLOW: ["25P04", "57014"],
    Fault.BUSY: ["53000", "53200", "53300"],
}
WAITING = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"


@pytest.fixture
def url(cluster, migrated_postgresql):
    return cluster.patient_url(migrated_postgresql)


@pytest.fixture
def app(url):
    with prepared_app(url) as app:
        for number in (1, 2):
            app.test_client().post("/api/products", json={"name": "x", "sku": f"sku-{number}"})
        yield app


def fail(url, code, times=1_000_000):
    with psycopg.connect(url) as connection:
        connection.execute(FAILING.format(code=code, times=times))


def restock(app, key=None):
    headers = {"Idempotency-Key": key} if key else {}
    return app.test_client().post("/api/products/1/restock", json={"quantity": 5}, headers=headers)


def stock(app):
    with context_of(app).database.reading() as session:
        moved = "SELECT sum(delta) FROM stock_movements WHERE product_id = products.id"
        found = session.execute(text(f"SELECT stock_level, ({moved}) FROM products WHERE id = 1"))
        return tuple(found.one())


@pytest.mark.parametrize("code", [code for fault in UNAVAILABLE for code in UNAVAILABLE[fault]])
def test_a_code_of_the_database_itself_is_known(code):
    (fault,) = (fault for fault in UNAVAILABLE if code in UNAVAILABLE[fault])
    assert fault_of(DBAPIError("", {}, psycopg.errors.lookup(code)())) is fault


@pytest.mark.parametrize("code", ["0A000", "22003", "22P02", "23514", "42501", "42P01", "P0001", "XX000", "XX001"])
def test_every_other_code_is_a_defect(code):
    assert fault_of(DBAPIError("", {}, psycopg.errors.lookup(code)())) is None


@pytest.mark.parametrize(("code", "status"), [("25006", 503), ("40001", 503), ("53100", 503), ("XX000", 500)])
def test_no_answer_shows_sql(app, url, code, status):
    fail(url, code)
    answer = restock(app)
    assert answer.status_code == status
    assert answer.headers.get("Retry-After") == ("5" if status == 503 else None)
    for word in ("on purpose", "INSERT", "UPDATE", "psycopg"):
        assert word not in answer.text
    assert stock(app) == (0, None)


@pytest.mark.parametrize("code", ["40001", "40P01"])
@pytest.mark.parametrize("key", [None, "one"])
def test_a_transaction_that_lost_is_done_again(app, url, code, key):
    fail(url, code, times=3)
    assert restock(app, key).json["product"]["stock_level"] == 5
    assert stock(app) == (5, 5)
    assert restock(app, key).json["product"]["stock_level"] == (5 if key else 10)


def test_a_deadlock_costs_nothing(app, url):
    app.test_client().post("/api/products", json={"name": "x", "sku": "sku-3"})
    lines = [{"product_id": each, "delta": 5} for each in (1, 2, 3)]
    lock = "SELECT id FROM products WHERE id = %s FOR UPDATE"
    with (
        psycopg.connect(url) as between,
        psycopg.connect(url) as other,
        psycopg.connect(url, autocommit=True) as watch,
        ThreadPoolExecutor() as threads,
    ):

        def wait_for_waiting(number):
            eventually(lambda: watch.execute(WAITING).fetchone()[0] == number, f"{number} that wait")

        other.execute("SET LOCAL deadlock_timeout = '1h'")  # so that it is not the one that is ended
        other.execute(lock, [3])
        between.execute(lock, [2])
        # PostgreSQL looks once for a deadlock, a second after a wait began: the last to wait must be the service.
        answer = threads.submit(app.test_client().post, "/api/movements", json={"lines": lines, "reason": "x"})
        wait_for_waiting(1)
        locked = threads.submit(other.execute, lock, [1])
        wait_for_waiting(2)
        between.rollback()
        locked.result(DEADLINE)
        other.rollback()
        assert answer.result().status_code == 200
    assert stock(app)[0] == 5


def test_a_standby_is_left(app, url, cluster, migrated_postgresql):
    """The connections were made to a server that became read-only; new ones lead to one that is not."""
    database = context_of(app).database
    with database.reading() as session:
        session.execute(text("SET default_transaction_read_only = on"))
    assert restock(app).status_code == 503
    assert restock(app).status_code == 200


def test_the_service_is_not_ready_while_the_disk_is_full(app, url):
    context = context_of(app)
    fail(url, "53100")
    assert restock(app).status_code == 503
    readiness.check(context, context.database)
    assert "on purpose" in app.test_client().get("/readyz").json["error"]
    assert app.test_client().get("/api/products").status_code == 200
    with psycopg.connect(url) as connection:
        connection.execute("ALTER SEQUENCE tries RESTART WITH 2000000")
    readiness.check(context, context.database)
    assert app.test_client().get("/readyz").status_code == 200
    assert restock(app).status_code == 200
    with context.database.reading() as session:
        assert session.scalar(text("SELECT count(*) FROM idempotency_keys")) == 0


def test_a_full_disk_on_sqlite(tmp_path):
    with prepared_app(f"sqlite:///{tmp_path}/inventory.db") as app:
        context, client = context_of(app), app.test_client()
        listener = limited(context.database, "max_page_count = 1")
        long = {"name": "A", "sku": "AAA", "description": "x" * 1000}
        answers = [client.post("/api/products", json=long | {"sku": f"AAA-{each}"}) for each in range(60)]
        assert {answer.status_code for answer in answers} == {201, 503}
        readiness.check(context, context.database)
        assert client.get("/readyz").json["error"] == "The database can't be used: database or disk is full"
        event.remove(context.database.engine, "connect", listener)
        limited(context.database, "max_page_count = 1000000")
        readiness.check(context, context.database)
        assert client.get("/readyz").status_code == 200
        assert client.post("/api/products", json=long).status_code == 201


def limited(database, pragma):
    """Let each connection have this setting."""

    def listener(connection, _record):
        connection.execute(f"PRAGMA {pragma}")

    database.close()
    event.listen(database.engine, "connect", listener)
    return listener


def test_a_read_only_file_is_a_503(tmp_path):
    with prepared_app(f"sqlite:///{tmp_path}/inventory.db") as app:
        limited(context_of(app).database, "query_only = ON")
        refused = app.test_client().post("/api/products", json={"name": "A", "sku": "AAA"})
        assert (refused.status_code, refused.headers["Retry-After"]) == (503, "5")
        assert app.test_client().get("/api/products").status_code == 200


def test_a_check_that_hangs_makes_it_not_ready(app):
    context = context_of(app)
    assert readiness.ready_reason(context) is None
    context.lifecycle.checked_at = time.monotonic() - 60
    assert readiness.ready_reason(context) == "The database is being checked, and has not answered yet."


@pytest.mark.parametrize(
    ("encoding", "query", "named"), [("LATIN1", "", "server_encoding"), ("UTF8", "&client_encoding=latin1", "client_")]
)
def test_another_encoding_is_refused_at_the_start(cluster, tmp_path, encoding, query, named):
    name = f"encoded_{encoding.lower()}"
    cluster.execute(f"CREATE DATABASE {{}} ENCODING '{encoding}' LOCALE 'C' TEMPLATE template0", name)
    with (
        pytest.raises(UnsuitableDatabase, match=rf"^The database's {named}.* is LATIN1, expected UTF8: .*\.$"),
        prepared_app(cluster.url(name) + query),
    ):
        pass


def test_a_server_that_does_not_answer_is_given_up(url):
    """As if it were frozen: its statement takes longer than the client waits."""
    database = Database(load({"DATABASE_URL": url}).database_url, connections=1)
    try:
        mine = database.write(backend)
        with pytest.raises(DatabaseUnavailable, match=r"did not answer within 0.2 s") as error:
            database.write(hang)
        assert error.value.fault is Fault.UNREACHABLE
        assert database.write(backend) != mine
    finally:
        database.close()


def backend(session):
    return session.scalar(text("SELECT pg_backend_pid()"))


def hang(session):
    session.connection().connection.driver_connection.patience = 0.2
    session.execute(text("SELECT pg_sleep(60)"))


def test_a_gate_lets_threads_in_as_they_came():
    gate, order, threads = Gate(1, DEADLINE), [], []

    def come_in(number):
        with gate:
            order.append(number)

    with gate:
        for number in range(5):
            threads.append(threading.Thread(target=come_in, args=[number]))
            threads[-1].start()
            until = time.monotonic() + DEADLINE
            while len(gate._line) <= number:
                assert time.monotonic() < until
    for thread in threads:
        thread.join()
    assert order == list(range(5))


def test_a_gate_that_nobody_leaves_refuses_at_once():
    gate = Gate(2, patience=0.1)
    with gate:
        with gate:
            for _ in range(2):
                with pytest.raises(DatabaseUnavailable), gate:
                    pass
        with gate:  # somebody left
            pass
