"""What a scrape asks the database: not for the whole table, by its plans and by what PostgreSQL counts itself."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import psycopg
import pytest
from sqlalchemy import insert, text, update
from tests.framework.api import eventually
from tests.framework.service_app import prepared_app
from tests.framework.service_database import Plans

from inventory_service.context import context_of
from inventory_service.db.models import Product

INDEXES = ("ix_products_updated_at", "ix_products_low_stock", "PRIMARY KEY", "products_pkey")


def add_many(context):
    """5,000 products that were not changed lately, and statistics as a database in use has them."""
    then = datetime.now(UTC) - timedelta(days=1)
    dates = {"created_at": then, "updated_at": then}
    fields = {"description": "x" * 60, "min_stock_threshold": 5, "price": Decimal(1), **dates}
    rows = [{"name": f"Product {n}", "sku": f"sku-{n}", "stock_level": n % 100, **fields} for n in range(5000)]
    with context.database.writing() as session:
        session.execute(insert(Product), rows)
        session.execute(text("ANALYZE"))


def scrape(client):
    """Ask for the metrics. They are not read: with thousands of series that takes longer than all the rest."""
    assert client.get("/metrics").status_code == 200


def change(context, product_id, **values):
    with context.database.writing() as session:
        wanted = update(Product).where(Product.id == product_id)
        session.execute(wanted.values(updated_at=datetime.now(UTC), **values))


def test_the_first_scrape_reads_all_and_this_test_would_see_it(context, client):
    add_many(context)
    with Plans(context.database) as plans:
        scrape(client)
    assert any("Seq Scan on products" in plan or plan.startswith("SCAN products") for plan in plans)


@pytest.mark.parametrize("cap", ["100", "10000"])
def test_every_statement_of_a_scrape_goes_by_an_index(database_url, cap):
    with prepared_app(database_url, METRICS_MAX_PRODUCTS=cap) as app:
        context, client = context_of(app), app.test_client()
        add_many(context)
        scrape(client)
        change(context, 7, archived_at=datetime.now(UTC))  # of 100, another one is exported instead
        change(context, 8, stock_level=3)
        with Plans(context.database) as plans:
            scrape(client)
    plans = [plan for plan in plans if "products" in plan]
    assert len(plans) == (3 if cap == "100" else 2)
    for plan in plans:
        assert "Seq Scan" not in plan
        assert "SCAN" not in plan.replace("SCAN products USING COVERING INDEX", "")
        assert any(index in plan for index in INDEXES), plan


def test_postgresql_counts_no_scan_of_the_table(cluster, migrated_postgresql):
    def scans():
        """A connection that ends hands in what it has counted."""
        context.database.close()
        with psycopg.connect(cluster.url(migrated_postgresql), autocommit=True) as connection:
            others = "SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND pid != pg_backend_pid()"
            eventually(lambda: connection.execute(others).fetchone() is None, "the end of the other connections")
            seen = "SELECT seq_scan, idx_scan FROM pg_stat_user_tables WHERE relname = 'products'"
            return connection.execute(seen).fetchone()

    with prepared_app(cluster.patient_url(migrated_postgresql)) as app:
        context, client = context_of(app), app.test_client()
        add_many(context)
        scrape(client)
        before = scans()
        for number in range(1, 11):
            change(context, number, stock_level=number)
            scrape(client)
        seq_scans, index_scans = (after - earlier for after, earlier in zip(scans(), before, strict=True))
    assert seq_scans == 0
    assert index_scans >= 30
