"""Fixtures of the service's tests: each test runs on SQLite and on a real PostgreSQL, on a database of its own.

A process of pytest has one PostgreSQL server, so the names of its databases are unique.
"""

from __future__ import annotations

import itertools
import time
from typing import TYPE_CHECKING, Any

import pytest
from tests.framework import postgresql
from tests.framework.service_app import prepared_app
from tests.framework.service_database import copied_file, migrated_file, migrated_template
from tests.service.rate_windows import MIDDLE

from inventory_service.context import Context, context_of

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from flask import Flask
    from flask.testing import FlaskClient
    from tests.framework.postgresql import Cluster

_numbers = itertools.count(1)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the storms first: they are one group, which takes longest beside others."""
    items.sort(key=lambda item: item.path.name != "test_concurrency.py")


@pytest.fixture(scope="session")
def cluster() -> Iterator[Cluster]:
    cluster = postgresql.start()
    try:
        yield cluster
    finally:
        postgresql.stop(cluster)


@pytest.fixture(scope="session")
def migrated_sqlite(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The file of a migrated SQLite database, to be copied."""
    return migrated_file(tmp_path_factory.mktemp("migrated"))


@pytest.fixture(scope="session")
def migrated(cluster: Cluster) -> str:
    """The name of a migrated PostgreSQL database, to be copied."""
    return migrated_template(cluster)


@pytest.fixture
def empty_postgresql(cluster: Cluster) -> str:
    """The name of an empty PostgreSQL database."""
    name = f"inventory_{next(_numbers)}"
    cluster.create(name)
    return name


@pytest.fixture
def migrated_postgresql(cluster: Cluster, migrated: str) -> str:
    """The name of a migrated PostgreSQL database."""
    name = f"inventory_{next(_numbers)}"
    cluster.create(name, migrated)
    return name


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of a migrated database of each kind, without a row of ours."""
    if request.param == "sqlite":
        return copied_file(request.getfixturevalue("migrated_sqlite"), tmp_path)
    cluster: Cluster = request.getfixturevalue("cluster")
    return cluster.patient_url(request.getfixturevalue("migrated_postgresql"))


@pytest.fixture(params=["sqlite", "postgresql"])
def empty_database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of an empty database of each kind, for what is about the preparation itself."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/inventory.db"
    cluster: Cluster = request.getfixturevalue("cluster")
    return cluster.patient_url(request.getfixturevalue("empty_postgresql"))


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
def one_window(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the clock by which a rate limit counts stand still."""
    monkeypatch.setattr(time, "time", lambda: MIDDLE)


@pytest.fixture
def product(client: FlaskClient) -> dict[str, Any]:
    """A product with 20 on hand and a threshold of 10."""
    body = {"name": "Desk lamp", "sku": "LAMP-1", "stock_level": 20, "price": 19.99, "description": "Warm light"}
    answer = client.post("/api/products", json=body)
    assert answer.status_code == 201, answer.text
    return answer.json["product"]
