"""The programs that read what we write: promtool and amtool of the versions that the cluster runs."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import pytest

if TYPE_CHECKING:
    from collections.abc import Sequence


class Tool(Protocol):
    def __call__(self, *arguments: str | Path) -> str: ...


def _find(name: str) -> str:
    """Return the newest one that the cluster build made, else that of the PATH: a distribution's may be too old."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "inventory-cluster"
    built = sorted((*cache.glob(f"*/{name}"), *cache.glob(f"*/*/{name}")), key=lambda file: file.stat().st_mtime)
    found = str(built[-1]) if built else shutil.which(name)
    if not found:
        pytest.fail(
            f"{name} is neither under {cache} nor in PATH: `PYTHONPATH=hack python3 -m cluster build promtools` builds it"
        )
    return found


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
