"""The two tools that most of these tests ask."""

from __future__ import annotations

import pytest
from tests.framework.tools import Tool


@pytest.fixture(scope="session")
def promtool() -> Tool:
    return Tool("promtool")


@pytest.fixture(scope="session")
def amtool() -> Tool:
    return Tool("amtool")
