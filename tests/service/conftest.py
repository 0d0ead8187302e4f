"""Fixtures of the service's tests: each test runs on SQLite and on a real PostgreSQL, on a database of its own."""

from __future__ import annotations

import itertools
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest
from tests.framework import postgresql

from inventory_service import schema
from inventory_service.app import create_app
from inventory_service.context import Context, context_of
from inventory_service.settings import load

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from flask import Flask
    from flask.testing import FlaskClient
    from tests.framework.postgresql import Cluster

_numbers = itertools.count(1)


@pytest.fixture(scope="session")
def cluster() -> Iterator[Cluster]:
    cluster = postgresql.start()
    try:
        yield cluster
    finally:
        postgresql.stop(cluster)


@pytest.fixture
def empty_postgresql(cluster: Cluster) -> str:
    """The name of an empty PostgreSQL database."""
    name = f"inventory_{next(_numbers)}"
    cluster.execute("CREATE DATABASE {}", name)
    return name


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of an empty database of each kind."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/inventory.db"
    cluster = request.getfixturevalue("cluster")
    return cluster.url(request.getfixturevalue("empty_postgresql"))


@contextmanager
def prepared_app(database_url: str, **environment: str) -> Iterator[Flask]:
    app = create_app(load({"DATABASE_URL": database_url, **environment}))
    context = context_of(app)
    try:
        schema.prepare(context.database, context.settings)
        context.lifecycle.obstacle = None
        yield app
    finally:
        context.database.close()


@pytest.fixture
def app(database_url: str) -> Iterator[Flask]:
    with prepared_app(database_url) as app:
        yield app


@pytest.fixture
def context(app: Flask) -> Context:
    return context_of(app)


@pytest.fixture
def client(app: Flask) -> FlaskClient:
    return app.test_client()


@pytest.fixture
def product(client: FlaskClient) -> dict[str, Any]:
    """A product with 20 on hand and a threshold of 10."""
    body = {"name": "Desk lamp", "sku": "LAMP-1", "stock_level": 20, "price": 19.99, "description": "Warm light"}
    answer = client.post("/api/products", json=body)
    assert answer.status_code == 201, answer.text
    return answer.json["product"]
