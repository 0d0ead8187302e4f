"""The series of products: what they say, that every scrape has the latest, and which products are left out."""

from __future__ import annotations

import random
import threading
import time
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from prometheus_client import CollectorRegistry
from sqlalchemy import update
from tests.framework.server import DEADLINE
from tests.framework.service_app import prepared_app
from tests.service.scraping import OPENMETRICS, business, scrape, value

from inventory_service.app import create_app
from inventory_service.context import context_of
from inventory_service.db.models import Product
from inventory_service.settings import load
from inventory_service.telemetry.exposition import Exposition
from inventory_service.telemetry.stock_cache import FULL_SECONDS, SLACK, StockCache
from inventory_service.telemetry.stock_collector import StockCollector


def create(client, sku, **fields):
    answer = client.post("/api/products", json={"name": f"Product {sku}", "sku": sku, **fields})
    assert answer.status_code == 201, answer.text
    return answer.json["product"]


def change(client, product, **fields):
    assert client.put(f"/api/products/{product['id']}", json=fields).status_code == 200


def exported(samples):
    return [int(dict(labels)["product_id"]) for name, labels in samples if name == "product_stock_level"]


def test_all_series_of_a_product(client, product):
    names = {"product_id": product["id"], "product_name": "Desk lamp"}
    change(client, product, stock_level=10)
    change(client, product, stock_level=0)
    change(client, product, stock_level=30, min_stock_threshold=25)
    client.post(f"/api/products/{product['id']}/adjust", json={"delta": -30, "reason": "sold"})
    samples = scrape(client)
    assert value(samples, "product_stock_level", sku="LAMP-1", **names) == 0
    assert value(samples, "product_low_stock_threshold", sku="LAMP-1", **names) == 25
    assert value(samples, "low_stock_alerts_total", **names) == 2
    assert value(samples, "out_of_stock_alerts_total", **names) == 2
    assert value(samples, "restock_operations_total", **names) == 0
    assert value(samples, "inventory_products_low_stock") == 1
    assert value(samples, "inventory_products_out_of_stock") == 1
    assert value(samples, "inventory_products_not_exported") == 0
    assert business(scrape(client, OPENMETRICS)) == business(samples)


@pytest.mark.parametrize("accept", ["", OPENMETRICS])
def test_text_of_people_is_escaped(client, accept):
    name = 'Line\nbreak\r "quoted" back\\slash \\n ✓ {} # EOF'
    create(client, "abc", name=name)
    assert value(scrape(client, accept), "product_stock_level", product_id=1, product_name=name, sku="abc") == 0


def act(client, rng):
    """Do something that may succeed or be refused."""
    product, movement, few, word = rng.randrange(1, 30), rng.randrange(1, 100), rng.randrange(30), rng.randrange(20)
    path = f"/api/products/{product}"
    lines = [{"product_id": each, "delta": rng.randrange(-9, 9)} for each in (product, product + 1)]
    method, path, body = rng.choice(
        [
            ("POST", "/api/products", {"name": f"x{word}", "sku": f"sku-{word}", "stock_level": few}),
            ("PUT", path, {"name": f"x{word}", "min_stock_threshold": few}),
            ("PUT", path, {"stock_level": few}),
            ("POST", f"{path}/restock", {"quantity": few}),
            ("POST", f"{path}/adjust", {"delta": few - 20, "reason": "x"}),
            ("POST", "/api/movements", {"lines": lines, "reason": "x"}),
            ("POST", f"/api/movements/{movement}/undo", {"reason": "x"}),
            ("DELETE", path, None),
        ]
    )
    return client.open(path, method=method, json=body)


@pytest.mark.parametrize("cap", ["4", "10000"])
def test_each_scrape_has_what_a_fresh_replica_reads(database_url, cap):
    """What is kept between scrapes must never be seen: not after any change, and not of the products left out."""
    rng = random.Random(cap)
    with prepared_app(database_url, METRICS_MAX_PRODUCTS=cap) as app:
        client, seen = app.test_client(), set()
        for _ in range(25):
            seen |= {(answer.request.method, answer.status_code) for answer in (act(client, rng) for _ in range(12))}
            replica = create_app(load({"DATABASE_URL": database_url, "METRICS_MAX_PRODUCTS": cap}))
            fresh = business(scrape(replica.test_client()))
            context_of(replica).database.close()
            assert business(scrape(client)) == fresh
            assert exported(fresh) == sorted(exported(fresh))
        assert seen >= {("POST", 201), ("POST", 200), ("PUT", 200), ("DELETE", 200), ("POST", 409)}
        assert len(exported(fresh)) == (4 if cap == "4" else len(client.get("/api/products").json["products"]))


#: level, threshold, fell low, ran out, restocks.
SERIES_OF_A_PRODUCT = 5


def test_products_that_come_and_go_leave_no_series(database_url):
    """Creating, renaming, selling out and deleting products all day leaves the series of those that are there."""
    with prepared_app(database_url) as app:
        client = app.test_client()
        kept = [create(client, f"kept-{number}", stock_level=20) for number in range(3)]

        def churn(number):
            product = create(client, f"gone-{number}", stock_level=20)
            path = f"/api/products/{product['id']}"
            change(client, product, name=f"Renamed {number}", min_stock_threshold=number)
            change(client, product, stock_level=0)
            client.post(f"{path}/restock", json={"quantity": 5})
            made = set(scrape(client))
            assert client.delete(path).status_code == 200
            assert client.get(path).status_code == 404
            return made

        during = churn(0)
        before = set(scrape(client))
        assert len(during) - len(before) == SERIES_OF_A_PRODUCT
        assert {len(churn(number)) - len(before) for number in range(1, 25)} == {SERIES_OF_A_PRODUCT}
        assert set(scrape(client)) == before
        for product in kept:
            assert client.delete(f"/api/products/{product['id']}").status_code == 200
        assert len(before) - len(scrape(client)) == SERIES_OF_A_PRODUCT * len(kept)


def test_the_lowest_ids_are_exported(database_url):
    with prepared_app(database_url, METRICS_MAX_PRODUCTS="3") as app:
        client = app.test_client()
        products = [create(client, f"sku-{n}", stock_level=n % 2, min_stock_threshold=n % 3) for n in range(6)]
        ids = [product["id"] for product in products]

        def look():
            samples = scrape(client)
            left_out = value(samples, "inventory_products_not_exported")
            low, out = (value(samples, f"inventory_products_{word}_stock") for word in ("low", "out_of"))
            return exported(samples), left_out, low, out

        assert look() == (ids[:3], 3, 5, 3)
        change(client, products[5], stock_level=0)  # a product without series counts in the totals
        change(client, products[0], stock_level=1)
        assert look() == (ids[:3], 3, 4, 3)
        client.delete(f"/api/products/{ids[1]}")
        assert look() == ([ids[0], ids[2], ids[3]], 2, 3, 3)
        ids.append(create(client, "new", stock_level=9)["id"])
        assert look() == ([ids[0], ids[2], ids[3]], 3, 4, 3)
        for number in (0, 2, 4):
            client.delete(f"/api/products/{ids[number]}")
        assert look() == ([ids[3], ids[5], ids[6]], 0, 2, 1)


def test_none_are_exported(database_url):
    with prepared_app(database_url, METRICS_MAX_PRODUCTS="0") as app:
        client = app.test_client()
        create(client, "abc")
        samples = scrape(client)
    assert exported(samples) == []
    assert value(samples, "inventory_products_not_exported") == 1
    assert value(samples, "product_operations_total", operation_type="create") == 1


def set_by_hand(context, product, **values):
    with context.database.writing() as session:
        session.execute(update(Product).where(Product.id == product["id"]).values(**values))


def level(client, product):
    names = {"product_id": product["id"], "product_name": product["name"], "sku": product["sku"]}
    return value(scrape(client), "product_stock_level", **names)


def test_what_was_dated_before_the_last_scrape_is_found(client, context, product):
    """A change that commits late, or was made by a pod whose clock is behind."""
    scrape(client)
    for seconds in (1, SLACK.total_seconds() - 5):
        set_by_hand(context, product, stock_level=seconds, updated_at=datetime.now(UTC) - timedelta(seconds=seconds))
        assert level(client, product) == seconds


def test_a_product_dated_ahead_hides_no_other(client, context, product):
    other = create(client, "other")
    set_by_hand(context, product, updated_at=datetime.now(UTC) + timedelta(days=1))
    scrape(client)
    change(client, other, stock_level=7)
    change(client, product, stock_level=5)
    assert level(client, other) == 7
    assert level(client, product) == 5


def test_what_no_date_tells_is_found_by_a_full_read(context, client, product):
    now = [0.0]
    cache = StockCache(cap=10, clock=lambda: now[0])

    def look():
        with context.database.reading() as session:
            cache.refresh(session)
        return {row.stock_level for row in cache.rows.values()}, dict(cache.operations)

    assert look() == ({20}, {"create": 1, "update": 0, "delete": 0})
    long_ago = datetime.now(UTC) - timedelta(days=1)
    set_by_hand(context, product, stock_level=3, update_operations=5, updated_at=long_ago)
    assert look()[0] == {20}
    now[0] = FULL_SECONDS + 1
    assert look() == ({3}, {"create": 1, "update": 5, "delete": 0})
    set_by_hand(context, product, archived_at=long_ago)
    now[0] += FULL_SECONDS + 1
    assert look() == (set(), {"create": 1, "update": 5, "delete": 1})


def test_scrapes_at_once_have_the_latest_each(database_url):
    """Every thread changes a product of its own and must see it in its next scrape, whatever else scrapes meanwhile."""
    with prepared_app(database_url) as app:
        products = [create(app.test_client(), f"sku-{n}") for n in range(6)]
        context = context_of(app)
        # On a busy machine some thread may wait for the others' scrapes longer than a Prometheus would.
        patient = Exposition(CollectorRegistry(), StockCollector(context.database, 10), patience=DEADLINE)
        replace(context, exposition=patient).attach(app)
        context.database.places.patience = context.database.turn.patience = DEADLINE
        late = []

        def write_and_look(product):
            client = app.test_client()
            for number in range(1, 16):
                change(client, product, stock_level=number)
                seen = level(client, product)
                if seen != number:
                    late.append((product["id"], number, seen))

        threads = [threading.Thread(target=write_and_look, args=[product]) for product in products]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert late == []
        assert value(scrape(app.test_client()), "product_operations_total", operation_type="update") == 90


class Counted:
    """A database that counts its readers, and keeps the first until it is told to let it go."""

    def __init__(self, database):
        self._database = database
        self.begun, self.go_on = threading.Event(), threading.Event()
        self.readers = 0
        self.together = 0

    @contextmanager
    def reading(self):
        self.readers += 1
        self.together += 1
        assert self.together == 1
        self.begun.set()
        assert self.go_on.wait(DEADLINE)
        with self._database.reading() as session:
            yield session
        self.together -= 1


def test_scrapes_that_wait_share_one_reading_that_began_after_them(context, client, product):
    database = Counted(context.database)
    shared = Exposition(CollectorRegistry(), StockCollector(database, 10), patience=DEADLINE)
    found = []
    scrapes = [
        threading.Thread(target=lambda accept=accept: found.append(shared.render(accept)[0].decode()))
        for accept in ("", *["text/plain", "application/openmetrics-text"] * 5)
    ]
    scrapes[0].start()
    assert database.begun.wait(DEADLINE)
    for thread in scrapes[1:]:
        thread.start()
    until = time.monotonic() + DEADLINE
    while len(shared.waiting) < 10 and time.monotonic() < until:
        time.sleep(0.01)
    change(client, product, stock_level=7)
    database.go_on.set()
    for thread in scrapes:
        thread.join()
    assert database.readers == 3, "the first, and one for each format of those who waited"
    assert len(found) == 11
    assert all(f'sku="{product["sku"]}"}} 7.0' in text for text in found)
    database.readers = 0
    for _ in range(2):
        shared.render("")
    assert database.readers == 2, "nothing is kept for later"


def gauge(stock, name="inventory_database_up"):
    (family,) = (each for each in stock.families() if each.name == name)
    return [sample.value for sample in family.samples]


def test_a_scrape_does_not_wait_for_ever_for_another(cluster, migrated_postgresql):
    """Nor does it report about the database what it could not read."""
    with prepared_app(cluster.patient_url(migrated_postgresql)) as app:
        collector = StockCollector(context_of(app).database, 10)
        exposition = Exposition(CollectorRegistry(), collector, patience=0.01)

        def impatient():
            with exposition.rendering:
                text = exposition.render("")[0].decode()
            assert "\ninventory_stock_collector_up 0.0\n" in text
            stock = collector.unread(0.01)
            assert stock.failure == "an earlier scrape still reads"
            return gauge(stock)

        assert impatient() == []
        assert gauge(collector.read()) == impatient() == [1]
        cluster.cut_off(migrated_postgresql)
        assert gauge(collector.read()) == impatient() == [0]
        cluster.bring_back(migrated_postgresql)
        assert gauge(collector.read()) == impatient() == [1]


def state(samples):
    up = (value(samples, f"inventory_{what}_up") for what in ("database", "stock_collector"))
    return (*up, bool(business(samples)))


def test_a_database_that_goes_and_comes_back(cluster, migrated_postgresql):
    with prepared_app(cluster.patient_url(migrated_postgresql)) as app:
        client = app.test_client()
        product = create(client, "abc", stock_level=4)
        assert state(scrape(client)) == (1, 1, True)
        cluster.cut_off(migrated_postgresql)
        for accept in ("", OPENMETRICS):
            assert state(scrape(client, accept)) == (0, 0, False)
        cluster.bring_back(migrated_postgresql)
        # It is back as of yesterday, so to say.
        set_by_hand(context_of(app), product, stock_level=9, updated_at=datetime.now(UTC) - timedelta(days=1))
        assert level(client, product) == 9
        samples = scrape(client)
        assert state(samples) == (1, 1, True)
        assert exported(samples) == [product["id"]]
        assert value(samples, "inventory_stock_collector_duration_seconds") > 0


def test_a_database_without_our_tables_is_up(empty_database_url):
    app = create_app(load({"DATABASE_URL": empty_database_url}))
    assert state(scrape(app.test_client())) == (1, 0, False)
    context_of(app).database.close()
