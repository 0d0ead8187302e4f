"""A Prometheus that answers as it is told, for tests of the preview; an applier before an API server that refuses."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from tests.framework.faulty_cluster import FaultyCluster
from tests.unit.prometheus_stub import Stub, answering

from dashboards.preview.client import Client
from inventory_operator.cache.store import Store
from inventory_operator.controller.applier import Applier
from inventory_operator.controller.write_guard import WriteGuard

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def stub() -> Stub:
    return Stub()


@pytest.fixture
def address(stub: Stub) -> Iterator[str]:
    with answering(stub) as address:
        yield address


@pytest.fixture
def client(address: str) -> Iterator[Client]:
    client = Client(address)
    yield client
    client.close()


@pytest.fixture
def cluster() -> FaultyCluster:
    return FaultyCluster()


@pytest.fixture
def store() -> Store:
    return Store(lambda _key: None)


@pytest.fixture
def applier(cluster: FaultyCluster, store: Store) -> Applier:
    """One for which no time goes by: no pause is over before the test is."""
    return Applier(cluster, store, guard=WriteGuard(clock=lambda: 1000.0))  # type: ignore[arg-type]


def pytest_make_parametrize_id(val: object) -> str | None:
    """Name a case by the beginning of its text: some are as long as a file may be."""
    return ascii(val[:60])[1:-1] if isinstance(val, str) and len(val) > 60 else None
