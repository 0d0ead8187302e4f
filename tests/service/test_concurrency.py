"""Many clients at once, over the real server: no update is lost, no crossing is missed or counted twice."""

from __future__ import annotations

import random
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from http import HTTPStatus
from http.client import BadStatusLine, IncompleteRead

import psutil
import pytest
import requests
from sqlalchemy import func, select
from tests.framework.api import PATIENCE, eventually
from tests.framework.client import Client
from tests.framework.server import DEADLINE, Server, serving
from tests.framework.service_database import copied_file

from inventory_service.db.database import Database
from inventory_service.db.models import Product, StockMovement
from inventory_service.settings import load

CLIENTS, REQUESTS, THRESHOLD = 32, 20, 10
FEW, TRIES, STORM, KILLS = 10, 50, 64, 5


#: One worker runs all of them: one set of servers serves a kind of database, and no two storms run at once.
pytestmark = pytest.mark.xdist_group("contended")


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def service(request, tmp_path_factory):
    """Return the URLs of the servers and of their database: one on SQLite, two replicas on PostgreSQL."""
    folder = tmp_path_factory.mktemp("service")
    if request.param == "sqlite":
        database_url, replicas = copied_file(request.getfixturevalue("migrated_sqlite"), folder), 1
    else:
        cluster = request.getfixturevalue("cluster")
        cluster.create("contended", request.getfixturevalue("migrated"))
        database_url, replicas = cluster.url("contended"), 2
    yield from replicated(folder, database_url, replicas)


def replicated(folder, database_url, replicas):
    """Run so many servers on one database, started side by side."""
    with ExitStack() as stack:
        servers = [Server(folder / f"{number}.log", DATABASE_URL=database_url) for number in range(replicas)]
        for server in servers:
            stack.callback(server.stop)
        for server in servers:
            server.wait_for()
        yield [server.url for server in servers], database_url


@pytest.fixture
def urls(service):
    return service[0]


def in_parallel(urls, act):
    """Run `act(client, random)` in as many threads as there are clients; return all that they return."""

    def run(number):
        with Client(urls[number % len(urls)]) as client:
            return list(act(client, random.Random(number)))

    with ThreadPoolExecutor(CLIENTS) as clients:
        return [result for results in clients.map(run, range(CLIENTS)) for result in results]


def answered(client, path, body, method="POST", headers=None):
    """Send until the service has had its turn at the rows.

    It waits some seconds for a lock and then answers 503, having done nothing. On a busy machine 32 clients at one row
    may take longer; a deadlock would be in PostgreSQL's log.
    """
    until = time.monotonic() + PATIENCE
    while (answer := client.send(method, path, body, headers)).status == HTTPStatus.SERVICE_UNAVAILABLE:
        assert time.monotonic() < until, answer.body
    return answer


def deadlocks(cluster):
    return [line for line in (cluster.folder / "log").read_text().splitlines() if "deadlock detected" in line]


def row_and_ledger(database_url, product):
    """Return the product's row and its ledger, from the database itself."""
    database = Database(load({"DATABASE_URL": database_url}).database_url, connections=1)
    try:
        with database.reading() as session:
            mine = select(StockMovement).where(StockMovement.product_id == product["id"])
            row = session.get_one(Product, product["id"])
            return row, session.scalars(mine.order_by(StockMovement.id)).all()
    finally:
        database.close()


def create(url, sku, **fields):
    body = {"name": "Contended", "sku": sku, "min_stock_threshold": THRESHOLD, **fields}
    return requests.post(f"{url}/api/products", json=body, timeout=DEADLINE).json()["product"]


def test_no_delta_is_lost(service):
    """Final = initial + accepted = the sum of the ledger, never below zero, every crossing counted once."""
    urls, database_url = service
    product = create(urls[0], "moved", stock_level=7)

    def act(client, rng):
        for _ in range(REQUESTS):
            delta = rng.choice([each for each in range(-9, 10) if each])
            body = {"delta": delta, "reason": "x"}
            answer = answered(client, f"/api/products/{product['id']}/adjust", body)
            assert answer.status in {200, 409}, answer.body
            yield delta if answer.status == 200 else 0

    deltas = in_parallel(urls, act)
    accepted = [delta for delta in deltas if delta]
    row, ledger = row_and_ledger(database_url, product)
    assert len(ledger) == 1 + len(accepted)
    assert row.stock_level == 7 + sum(accepted) == sum(line.delta for line in ledger)
    assert 0 < deltas.count(0) < len(accepted)
    balance = low = out = 0
    for line in ledger:
        crossed, emptied = balance > THRESHOLD >= balance + line.delta, 0 == balance + line.delta < balance
        assert (line.low_stock_alert, line.out_of_stock_alert) == (crossed, emptied)
        low, out, balance = low + crossed, out + emptied, balance + line.delta
        assert line.balance_after == balance >= 0
    assert row.low_stock_alerts == low > 0
    assert row.out_of_stock_alerts == out > 0
    for url in urls:
        assert (
            requests.get(f"{url}/api/products/{product['id']}", timeout=DEADLINE).json()["product"]["stock_level"]
            == balance
        )


def rows_and_sums(database_url, ids):
    """Return stock and sum of the ledger of each product, from the database itself."""
    database = Database(load({"DATABASE_URL": database_url}).database_url, connections=1)
    try:
        with database.reading() as session:
            moved = func.sum(StockMovement.delta)
            found = select(Product.stock_level, moved).join(StockMovement.product).group_by(Product.id)
            return session.execute(found.where(Product.id.in_(ids)).order_by(Product.id)).all()
    finally:
        database.close()


@pytest.fixture
def unordered(cluster, migrated_postgresql, tmp_path):
    """Two replicas on a PostgreSQL that gives rows an order only where it is asked for."""
    cluster.use_no_index(migrated_postgresql)
    yield from replicated(tmp_path, cluster.url(migrated_postgresql), 2)


def test_batches_over_the_same_products_do_not_deadlock(unordered, cluster):
    """Whatever the order of their lines is: all of a batch or nothing, and no deadlock."""
    urls, database_url = unordered
    ids = [create(urls[0], f"batch-{each}", stock_level=5)["id"] for each in range(5)]
    before = deadlocks(cluster)  # another test makes one on purpose

    def act(client, rng):
        for _ in range(FEW):
            deltas = {each: rng.choice([-9, -4, 8, 13]) for each in rng.sample(ids, rng.randint(2, 5))}
            lines = [{"product_id": each, "delta": delta} for each, delta in deltas.items()]
            answer = answered(client, "/api/movements", {"lines": lines, "reason": "x"})
            assert answer.status in {200, 409}, answer.body
            yield deltas if answer.status == 200 else {}

    accepted = in_parallel(urls, act)
    assert deadlocks(cluster) == before
    assert {} in accepted
    stocks = [5 + sum(deltas.get(each, 0) for deltas in accepted) for each in ids]
    assert rows_and_sums(database_url, ids) == [(stock, stock) for stock in stocks]
    assert min(stocks) >= 0


def adjust(product_id):
    return f"/api/products/{product_id}/adjust", {"delta": -5, "reason": "x"}


def reserve(product_id):
    return "/api/reservations", {"lines": [{"product_id": product_id, "quantity": 5}]}


@pytest.mark.parametrize("ways", [(adjust, adjust), (reserve, reserve), (reserve, adjust)])
def test_of_two_takes_of_all_there_is_one_succeeds(urls, ways):
    prefix = "-".join(way.__name__ for way in ways)[:15]
    rows = "".join(f"{prefix}-{number},Pair,5\n" for number in range(TRIES))
    file = {"data": f"sku,name,stock_level\n{rows}", "headers": {"Content-Type": "text/csv"}}
    assert requests.post(f"{urls[0]}/api/import/products", timeout=DEADLINE, **file).json()["created"] == TRIES
    products = requests.get(f"{urls[0]}/api/products", params={"q": f"{prefix}-"}, timeout=DEADLINE).json()["products"]
    together = threading.Barrier(2, timeout=DEADLINE)

    def take(number):
        with Client(urls[number % len(urls)]) as client:
            for product in products:
                path, body = ways[number](product["id"])
                together.wait()
                yield answered(client, path, body).status

    with ThreadPoolExecutor(2) as clients:
        answers = list(zip(*clients.map(lambda number: list(take(number)), range(2)), strict=True))
    assert len(answers) == TRIES
    assert {sorted(status < 300 for status in pair) == [False, True] for pair in answers} == {True}, Counter(answers)
    assert {max(pair) for pair in answers} == {409}


def storm(urls, product, key, number=STORM):
    """Send one restock so many times at once; return the answers, None for one that never came."""
    start = threading.Barrier(number, timeout=DEADLINE)

    def send(each):
        with Client(urls[each % len(urls)]) as client:
            start.wait()
            path, headers = f"/api/products/{product['id']}/restock", {"Idempotency-Key": key}
            try:
                return answered(client, path, {"quantity": 5}, headers=headers)
            except (ConnectionError, BadStatusLine, IncompleteRead):
                return None

    with ThreadPoolExecutor(number) as clients:
        return list(clients.map(send, range(number)))


def test_a_storm_of_one_idempotency_key_moves_stock_once(service):
    urls, database_url = service
    product = create(urls[0], "stormy", stock_level=0)
    for tries in range(5):
        answers = storm(urls, product, f"storm-{tries}")
        assert {answer.status for answer in answers} <= {200, 409}
        bodies = {answer.body for answer in answers if answer.status == 200}
        assert len(bodies) == 1
        assert all(b"request-in-flight" in answer.body for answer in answers if answer.status == 409)
    row, ledger = row_and_ledger(database_url, product)
    assert row.stock_level == 25
    assert len(ledger) == 5


def test_a_kill_in_the_storm_loses_and_doubles_nothing(database_url, tmp_path):
    """Five times: the server that starts after one kill is the one that is killed next."""
    acknowledged, lost = 0, 0
    product, answers = None, []
    for number in range(1 + KILLS):
        with serving(tmp_path / f"{number}.log", DATABASE_URL=database_url) as server:
            product = product or create(server.url, "killed")
            if number > 0:
                # A client without an answer asks again: done once, whether or not it was done before.
                again = eventually(lambda: repeated(server, product, f"key-{number - 1}"), "an answer")  # noqa: B023
                assert again.status == 200
                assert {answer.body for answer in answers if answer is not None and answer.status < 400} <= {again.body}
                acknowledged += 5
            if number < KILLS:
                killer = threading.Timer(0.02 * (1 + number), kill, [server])
                killer.start()
                answers = storm([server.url], product, f"key-{number}")
                killer.join()
                lost += answers.count(None)
    assert lost > 0, "every kill came too late"
    row, ledger = row_and_ledger(database_url, product)
    assert row.stock_level == acknowledged == sum(line.delta for line in ledger)
    assert len(ledger) == KILLS


def repeated(server, product, key):
    """Send it once more; nothing while PostgreSQL has not noticed that the server which sent it before is gone."""
    (answer,) = storm([server.url], product, key, 1)
    return None if answer.status == 409 and b"request-in-flight" in answer.body else answer


def kill(server):
    """End the server and its worker as the kernel would: at once, so that the master can't start another worker."""
    master = psutil.Process(server.process.pid)
    master.suspend()
    for process in (*master.children(), master):
        process.kill()


def test_restocks_and_counts_agree_with_the_ledger_and_the_alerts(service):
    urls, database_url = service
    product = create(urls[0], "counted", stock_level=12)
    path = f"/api/products/{product['id']}"

    def act(client, rng):
        for _ in range(FEW):
            if rng.random() < 0.5:
                answer = answered(client, path, {"stock_level": rng.randint(0, 2 * THRESHOLD)}, "PUT")
            else:
                answer = answered(client, f"{path}/restock", {"quantity": rng.randint(1, 5)})
            assert answer.status == 200, answer.body
            yield answer.json()["product"]["stock_level"]

    levels = in_parallel(urls, act)
    row, ledger = row_and_ledger(database_url, product)
    assert len(ledger) == 1 + CLIENTS * FEW
    balance = crossings = 0
    for line in ledger:
        assert line.balance_after == balance + line.delta
        crossings += balance > THRESHOLD >= line.balance_after
        balance = line.balance_after
    assert row.stock_level == balance
    assert sorted(levels) == sorted(line.balance_after for line in ledger[1:])
    assert row.low_stock_alerts == crossings > 0
    for url in urls:
        metrics = requests.get(f"{url}/metrics", timeout=DEADLINE).text
        labels = f'product_id="{product["id"]}",product_name="Contended"'
        assert f"low_stock_alerts_total{{{labels}}} {float(crossings)}\n" in metrics


def test_of_many_creations_of_one_sku_one_succeeds(urls):
    def act(client, rng):
        for number in range(5):
            yield answered(client, "/api/products", {"name": "Same", "sku": f"same-{number}"}).status

    answers = in_parallel(urls, act)
    assert sorted(answers) == [201] * 5 + [400] * (5 * (CLIENTS - 1))


def test_of_many_changes_of_one_version_one_succeeds(urls):
    path = f"/api/products/{create(urls[0], 'versioned')['id']}"
    etag = requests.get(urls[0] + path, timeout=DEADLINE).headers["ETag"]

    def act(client, rng):
        yield answered(client, path, {"stock_level": rng.randint(0, 9)}, "PUT", {"If-Match": etag}).status

    assert sorted(in_parallel(urls, act)) == [200] + [412] * (CLIENTS - 1)
