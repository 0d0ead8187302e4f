"""Many clients at once, over the real server: no update is lost, no crossing is missed or counted twice."""

from __future__ import annotations

import random
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack

import pytest
import requests
from sqlalchemy import func, select
from tests.service.server import serving

from inventory_service.database import Database
from inventory_service.models import Product, StockMovement
from inventory_service.settings import load

CLIENTS, REQUESTS, THRESHOLD = 16, 50, 10


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def service(request, tmp_path_factory):
    """Return the URLs of the servers and of their database: one on SQLite, two replicas on PostgreSQL."""
    folder = tmp_path_factory.mktemp("service")
    if request.param == "sqlite":
        database_url, replicas = f"sqlite:///{folder}/inventory.db", 1
    else:
        cluster = request.getfixturevalue("cluster")
        cluster.execute("CREATE DATABASE {}", "contended")
        database_url, replicas = cluster.url("contended"), 2
    with ExitStack() as stack:
        logs = [folder / f"{number}.log" for number in range(replicas)]
        servers = [stack.enter_context(serving(log, DATABASE_URL=database_url)) for log in logs]
        yield [server.url for server in servers], database_url


@pytest.fixture
def urls(service):
    return service[0]


def in_parallel(urls, client):
    """Run `client(session, url, random)` in as many threads as there are clients; return all that they return."""

    def run(number):
        with requests.Session() as session:
            return client(session, urls[number % len(urls)], random.Random(number))

    with ThreadPoolExecutor(CLIENTS) as clients:
        return [result for results in clients.map(run, range(CLIENTS)) for result in results]


def create(url, sku, **fields):
    body = {"name": "Contended", "sku": sku, "min_stock_threshold": THRESHOLD, **fields}
    return requests.post(f"{url}/api/products", json=body, timeout=20).json()["product"]


def test_no_restock_is_lost(urls):
    product = create(urls[0], "restocked", stock_level=7)

    def client(session, url, rng):
        quantities = [rng.randint(1, 9) for _ in range(REQUESTS)]
        for quantity in quantities:
            answer = session.post(f"{url}/api/products/{product['id']}/restock", json={"quantity": quantity})
            assert answer.status_code == 200, answer.text
        return quantities

    accepted = in_parallel(urls, client)
    assert len(accepted) == CLIENTS * REQUESTS
    for url in urls:
        seen = requests.get(f"{url}/api/products/{product['id']}", timeout=20).json()["product"]
        assert seen["stock_level"] == 7 + sum(accepted)


def test_restocks_and_counts_agree_with_the_ledger_and_the_alerts(service):
    urls, database_url = service
    product = create(urls[0], "counted", stock_level=12)
    path = f"/api/products/{product['id']}"

    def client(session, url, rng):
        for _ in range(REQUESTS):
            if rng.random() < 0.5:
                answer = session.put(url + path, json={"stock_level": rng.randint(0, 2 * THRESHOLD)})
            else:
                answer = session.post(f"{url}{path}/restock", json={"quantity": rng.randint(1, 5)})
            assert answer.status_code == 200, answer.text
            yield answer.json()["product"]["stock_level"]

    levels = in_parallel(urls, client)
    database = Database(load({"DATABASE_URL": database_url}).database_url, connections=1)
    try:
        with database.reading() as session:
            row = session.get_one(Product, product["id"])
            updates = session.scalar(select(func.sum(Product.update_operations)))
            mine = StockMovement.product_id == product["id"]
            ledger = session.scalars(select(StockMovement).where(mine).order_by(StockMovement.id)).all()
    finally:
        database.close()
    assert len(ledger) == 1 + CLIENTS * REQUESTS
    balance = crossings = 0
    for line in ledger:
        assert line.balance_after == balance + line.delta
        crossings += balance > THRESHOLD >= line.balance_after
        balance = line.balance_after
    assert row.stock_level == balance
    assert sorted(levels) == sorted(line.balance_after for line in ledger[1:])
    assert row.low_stock_alerts == crossings > 0
    for url in urls:
        metrics = requests.get(f"{url}/metrics", timeout=20).text
        labels = f'product_id="{product["id"]}",product_name="Contended"'
        assert f"low_stock_alerts_total{{{labels}}} {float(crossings)}\n" in metrics
        assert f'product_operations_total{{operation_type="update"}} {float(updates)}\n' in metrics


def test_of_many_creations_of_one_sku_one_succeeds(urls):
    def client(session, url, rng):
        for number in range(5):
            yield session.post(f"{url}/api/products", json={"name": "Same", "sku": f"same-{number}"}).status_code

    answers = in_parallel(urls, client)
    assert sorted(answers) == [201] * 5 + [400] * (5 * (CLIENTS - 1))


def test_of_many_changes_of_one_version_one_succeeds(urls):
    path = f"/api/products/{create(urls[0], 'versioned')['id']}"
    etag = requests.get(urls[0] + path, timeout=20).headers["ETag"]

    def client(session, url, rng):
        yield session.put(url + path, json={"stock_level": rng.randint(0, 9)}, headers={"If-Match": etag}).status_code

    assert sorted(in_parallel(urls, client)) == [200] + [412] * (CLIENTS - 1)
