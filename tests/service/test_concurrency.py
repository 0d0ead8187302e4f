"""Many clients at once, over the real server: no update is lost, no crossing is missed or counted twice."""

from __future__ import annotations

import random
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack

import pytest
import requests
from sqlalchemy import select
from tests.service.server import serving

from inventory_service.database import Database
from inventory_service.models import Product, StockMovement
from inventory_service.settings import load

CLIENTS, REQUESTS, THRESHOLD = 16, 50, 10


@pytest.fixture
def urls(request, database_url, tmp_path):
    """The servers: one on SQLite, two replicas that start at once on PostgreSQL."""
    replicas = 1 if database_url.startswith("sqlite") else 2
    with ExitStack() as stack:
        servers = [
            stack.enter_context(serving(tmp_path / f"{i}.log", DATABASE_URL=database_url)) for i in range(replicas)
        ]
        yield [server.url for server in servers]


def in_parallel(urls, client):
    """Run `client(session, url, random)` in as many threads as there are clients; return all that they return."""

    def run(number):
        with requests.Session() as session:
            return client(session, urls[number % len(urls)], random.Random(number))

    with ThreadPoolExecutor(CLIENTS) as clients:
        return [result for results in clients.map(run, range(CLIENTS)) for result in results]


def create(url, **fields):
    body = {"name": "Contended", "sku": "HOT-1", "min_stock_threshold": THRESHOLD, **fields}
    return requests.post(f"{url}/api/products", json=body, timeout=20).json()["product"]


def test_no_restock_is_lost(urls):
    product = create(urls[0], stock_level=7)

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
        pages = requests.get(f"{url}/api/restocks", timeout=20).json()["pagination"]
        assert pages["total"] == len(accepted)


def test_restocks_and_counts_agree_with_the_ledger_and_the_alerts(urls, database_url):
    product = create(urls[0], stock_level=12)
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
            row = session.scalars(select(Product)).one()
            ledger = session.scalars(select(StockMovement).order_by(StockMovement.id)).all()
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
        assert f'product_operations_total{{operation_type="update"}} {float(row.update_operations)}\n' in metrics


def test_of_many_creations_of_one_sku_one_succeeds(urls):
    def client(session, url, rng):
        for number in range(5):
            yield session.post(f"{url}/api/products", json={"name": "Same", "sku": f"same-{number}"}).status_code

    answers = in_parallel(urls, client)
    assert sorted(answers) == [201] * 5 + [400] * (5 * (CLIENTS - 1))


def test_of_many_changes_of_one_version_one_succeeds(urls):
    path = f"/api/products/{create(urls[0])['id']}"
    etag = requests.get(urls[0] + path, timeout=20).headers["ETag"]

    def client(session, url, rng):
        yield session.put(url + path, json={"stock_level": rng.randint(0, 9)}, headers={"If-Match": etag}).status_code

    assert sorted(in_parallel(urls, client)) == [200] + [412] * (CLIENTS - 1)
