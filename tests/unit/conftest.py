"""What tests of the preview ask: a Prometheus that answers as it is told."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from tests.unit.prometheus_stub import Stub, answering

from dashboards.preview.client import Client

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
