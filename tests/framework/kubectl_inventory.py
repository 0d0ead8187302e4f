"""Calls `kubectl inventory` in this process, as its users do."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from inventory_cli.app import main

if TYPE_CHECKING:
    import pytest


@dataclass(frozen=True, slots=True)
class Ended:
    """How a command ended: its exit code, and what it wrote where."""

    code: int
    out: str
    err: str


def inventory(capsys: pytest.CaptureFixture[str], *words: object) -> Ended:
    """Run a command to its end."""
    capsys.readouterr()
    code = main([str(word) for word in words])
    said = capsys.readouterr()
    return Ended(code, said.out, said.err)
