"""PostgreSQL in trouble, under a server with clients: it lives, refuses what it can't do, recovers by itself.

Nothing acknowledged is lost, and nothing is booked twice.
"""

from __future__ import annotations

import time

import psycopg
import pytest
import requests
from tests.framework import network, pgbouncer, postgresql
from tests.framework.api import eventually
from tests.framework.postgresql import PASSWORD
from tests.framework.server import DEADLINE, serving
from tests.framework.service_database import migrated_template
from tests.framework.traffic import Traffic, assert_nothing_lost_or_doubled

#: One worker runs them: each of them disturbs the server that its other tests use.
pytestmark = pytest.mark.xdist_group("database-faults")

FAULTY = "faulty"


@pytest.fixture(scope="module")
def database_url(cluster, migrated):
    cluster.create(FAULTY, migrated)
    return cluster.url(FAULTY)


@pytest.fixture(scope="module")
def server(database_url, tmp_path_factory):
    with serving(tmp_path_factory.mktemp("faults") / "log", DATABASE_URL=database_url) as server:
        yield server


def create(server, number):
    """Create so many products without stock and return their ids."""
    known = server.get("/api/products").json()["total_count"]
    bodies = [{"name": "x", "sku": f"sku-{known + each}"} for each in range(number)]
    answers = [requests.post(f"{server.url}/api/products", json=body, timeout=DEADLINE) for body in bodies]
    return [answer.json()["product"]["id"] for answer in answers]


@pytest.fixture
def traffic(server, database_url):
    with Traffic(server, create(server, 4)) as traffic:
        traffic.until_all_succeed()
        yield traffic
    assert_nothing_lost_or_doubled(database_url, traffic)
    assert set(traffic.statuses) <= {200, 409, 503}


def not_ready(server, reason):
    """Wait until the service is not ready for this reason."""
    until = time.monotonic() + DEADLINE
    while not server.wait_for("/readyz", 503).json()["error"].startswith(reason):
        assert time.monotonic() < until


def lives_on(traffic):
    """Wait for some more answers of /livez."""
    enough = traffic.lives + 5
    traffic.until(lambda: traffic.lives >= enough)


def test_frozen(server, traffic, cluster):
    with cluster.frozen():
        not_ready(server, "The database can't be reached: ")
        assert server.get("/api/products").status_code == 503
        lives_on(traffic)
    traffic.until_all_succeed()
    server.wait_for()


def test_crashed(server, traffic, cluster):
    before = traffic.statuses[503]

    def crash():
        cluster.crash(FAULTY)
        traffic.until_all_succeed()
        return traffic.statuses[503] > before

    # Clients that stand still until the server has recovered notice nothing.
    eventually(crash, "a request that was refused for the crash")
    server.wait_for()


def test_read_only(server, traffic, cluster):
    with psycopg.connect(cluster.url("postgres"), autocommit=True) as administrator:
        end_sessions = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s"
        cluster.set_default(FAULTY, "default_transaction_read_only", "on")
        administrator.execute(end_sessions, [FAULTY])
        not_ready(server, "The database is read-only.")
        traffic.until_all_are_refused()
        acknowledged = traffic.acknowledged.total()
        assert server.get("/api/products").status_code == 200
        refused = requests.post(f"{server.url}/api/products", json={"name": "x", "sku": "xxx"}, timeout=DEADLINE)
        assert (refused.status_code, refused.headers["Retry-After"]) == (503, "5")
        lives_on(traffic)
        assert traffic.acknowledged.total() == acknowledged
        # The sessions that are read-only stay; nobody ends them.
        cluster.set_default(FAULTY, "default_transaction_read_only", "off")
    traffic.until_all_succeed()
    server.wait_for()


def test_one_row_is_held(server, traffic, database_url):
    held, *others = traffic.acknowledged
    with psycopg.connect(database_url) as somebody:
        somebody.execute("SELECT id FROM products WHERE id = %s FOR UPDATE", [held])
        with Traffic(server, [held] * 3) as more:
            # All are refused after some seconds; then those for other products come through beside them.
            traffic.until(lambda: more.statuses[503] > 3)
            before = dict(traffic.acknowledged)
            traffic.until(lambda: all(traffic.acknowledged[each] > before[each] + 10 for each in others))
            lives_on(traffic)
            assert traffic.acknowledged[held] == before[held]
            server.wait_for("/readyz")
            somebody.rollback()
    traffic.until_all_succeed()
    traffic.add(more)


def test_out_of_reach(tmp_path):
    with network.namespace() as namespace:
        cluster = postgresql.start(namespace.address, within=namespace.within)
        try:
            cluster.create(FAULTY, migrated_template(cluster))
            url = f"postgresql://postgres:{PASSWORD}@{namespace.address}:{cluster.port}/{FAULTY}"
            with serving(tmp_path / "log", DATABASE_URL=url) as server:
                with Traffic(server, create(server, 4)) as traffic:
                    traffic.until_all_succeed()
                    with namespace.silent():
                        not_ready(server, "The database can't be reached: ")
                        lives_on(traffic)
                    traffic.until_all_succeed()
                    server.wait_for()
                assert_nothing_lost_or_doubled(cluster.url(FAULTY), traffic)
        finally:
            postgresql.stop(cluster)


@pytest.mark.parametrize("behind_pgbouncer", [False, True])
def test_whatever_the_defaults_are(cluster, migrated_postgresql, tmp_path, behind_pgbouncer):
    """And on whichever connection of PgBouncer's each transaction comes to be."""
    for name, value in {
        "datestyle": "German",
        "timezone": "Asia/Kathmandu",
        "default_transaction_isolation": "serializable",
        "statement_timeout": "1min",
    }.items():
        cluster.set_default(migrated_postgresql, name, value)
    with pgbouncer.before(cluster) as port:
        url = cluster.url(migrated_postgresql)
        if behind_pgbouncer:
            url = f"postgresql://127.0.0.1:{port}/{migrated_postgresql}"
        with serving(tmp_path / "log", DATABASE_URL=url) as server:
            (product,) = create(server, 1)
            with Traffic(server, [product] * 8) as traffic:
                traffic.until(lambda: traffic.acknowledged[product] >= 100)
            # On a machine that stands still a client may be asked to try again, but not for what the defaults do.
            assert set(traffic.statuses) <= {200, 409, 503}
            refused = [line for line in server.lines() if line["event"] == "database unavailable"]
            assert [
                line for line in refused if line["fault"] not in {"locked", "too_slow", "busy", "unreachable"}
            ] == []
            created = server.wait_for(f"/api/products/{product}").json()["product"]["created_at"]
            assert created.endswith(("Z", "+00:00"))
    assert_nothing_lost_or_doubled(cluster.url(migrated_postgresql), traffic)
