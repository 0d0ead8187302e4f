"""The programs that read what we write: promtool and amtool of the versions that the cluster runs."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING, Protocol

import pytest

from devcluster.build.binaries import binary
from devcluster.errors import ClusterError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path


class Tool(Protocol):
    def __call__(self, *arguments: str | Path) -> str: ...


def _find(name: str) -> str:
    """Return the one that the cluster build made: a distribution's may be too old."""
    try:
        return str(binary(name))
    except ClusterError as error:
        pytest.fail(str(error))


def _tool(name: str) -> Tool:
    program = _find(name)

    def run(*arguments: str | Path) -> str:
        command: Sequence[str | Path] = [program, *arguments]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout + done.stderr

    return run


@pytest.fixture(scope="session")
def promtool() -> Tool:
    return _tool("promtool")


@pytest.fixture(scope="session")
def amtool() -> Tool:
    return _tool("amtool")
