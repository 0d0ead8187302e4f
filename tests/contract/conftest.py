"""The two tools that most of these tests ask."""

from __future__ import annotations

import pytest
from tests.framework.tools import Tool

from devcluster.build import binaries


@pytest.fixture(scope="session", autouse=True)
def _built() -> None:
    """The tools and their servers; `make test` builds them meanwhile, which is waited for."""
    binaries.ensure(["promtools"])


@pytest.fixture(scope="session")
def promtool() -> Tool:
    return Tool("promtool")


@pytest.fixture(scope="session")
def amtool() -> Tool:
    return Tool("amtool")
