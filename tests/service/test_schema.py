"""The schema: migrated once however many pods start, like the models, and known to be behind or ahead."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import func, inspect, select, text
from sqlalchemy.exc import DBAPIError
from tests.framework.service_app import prepared_app

from inventory_service.background import readiness
from inventory_service.bootstrap import schema
from inventory_service.context import context_of
from inventory_service.db.database import Database
from inventory_service.db.models import Base, Product, StockMovement
from inventory_service.settings import load


def test_the_migrations_make_what_the_models_say(context):
    with context.database.reading() as session:
        difference = compare_metadata(MigrationContext.configure(session.connection()), Base.metadata)
    assert difference == []


def test_pods_that_start_at_once_migrate_and_load_once(empty_database_url):
    settings = load({"DATABASE_URL": empty_database_url, "LOAD_SAMPLE_DATA": "true"})
    databases = [Database(settings.database_url, connections=1) for _ in range(8)]
    start = threading.Barrier(len(databases))

    def prepare(database):
        start.wait()
        schema.prepare(database, settings)
        assert schema.is_current(database)

    try:
        with ThreadPoolExecutor(len(databases)) as pods:
            list(pods.map(prepare, databases))
        with databases[0].reading() as session:
            assert session.scalar(select(func.count()).select_from(Product)) == 10
            assert session.scalar(select(func.count()).select_from(StockMovement)) == 12
    finally:
        for database in databases:
            database.close()


def test_sample_data_shows_what_a_demo_needs(empty_database_url):
    with prepared_app(empty_database_url, LOAD_SAMPLE_DATA="true") as app:
        figures = app.test_client().get("/api/products/analytics").json["analytics"]
    assert figures["total_products"] == 10
    assert figures["out_of_stock_count"] == 1
    assert figures["low_stock_count"] == 3
    assert figures["recent_restocks_30_days"] == 3


def test_sample_data_never_comes_back(database_url):
    with prepared_app(database_url) as app:
        client = app.test_client()
        client.post("/api/products", json={"name": "Own", "sku": "own"})
        client.delete("/api/products/1")
    with prepared_app(database_url, LOAD_SAMPLE_DATA="true") as app:
        assert app.test_client().get("/api/products").json["total_count"] == 0


def test_preparing_again_changes_nothing(client, context, product):
    schema.prepare(context.database, context.settings)
    assert client.get("/api/products").json["products"] == [product]


def test_not_ready_while_the_schema_is_behind(database_url):
    with prepared_app(database_url) as app:
        client = app.test_client()
        assert client.get("/readyz").status_code == 200
        with context_of(app).database.writing() as session:
            session.execute(text("DELETE FROM alembic_version"))
        readiness.check(context_of(app), context_of(app).database)
        behind = client.get("/readyz")
        assert behind.status_code == 503
        assert "schema" in behind.json["error"]


def test_a_pod_is_ready_beside_a_newer_one(client, context):
    with context.database.writing() as session:
        session.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    readiness.check(context, context.database)
    assert client.get("/readyz").status_code == 200
    schema.prepare(context.database, context.settings)  # and leaves the newer schema alone
    with context.database.reading() as session:
        assert session.scalar(text("SELECT version_num FROM alembic_version")) == "9999"


def test_a_migration_that_fails_leaves_nothing_behind(empty_database_url):
    settings = load({"DATABASE_URL": empty_database_url})
    database = Database(settings.database_url, connections=1)
    try:
        with database.writing() as session:
            session.execute(text("CREATE TABLE stock_movements (id INTEGER)"))
        with pytest.raises(DBAPIError, match="already exists"):
            schema.prepare(database, settings)
        assert inspect(database.engine).get_table_names() == ["stock_movements"]
        with database.writing() as session:
            session.execute(text("DROP TABLE stock_movements"))
        schema.prepare(database, settings)
        assert schema.is_current(database)
    finally:
        database.close()
