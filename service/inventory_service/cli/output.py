"""What a command writes: its result on standard output, as text or JSON, and errors on standard error."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import datetime

#: Exit codes: all is well, it failed, it was asked in a way that can't be, it can't be told.
DONE: Final = 0
FAILED: Final = 1
USAGE: Final = 2
UNKNOWN: Final = 3


def write(text: str) -> None:
    """Write one result."""
    sys.stdout.write(f"{text}\n")


def write_json(value: Any) -> None:
    """Write one result as JSON."""
    write(json.dumps(value, indent=2))


def write_table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Write rows under their heads, aligned."""
    lines = [heads, *rows]
    widths = [max(len(line[column]) for line in lines) for column in range(len(heads))]
    for line in lines:
        write("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip())


def report(sentence: str, status: int) -> int:
    """Write a sentence to standard error, and return the exit code to end with."""
    sys.stderr.write(f"{sentence}\n")
    return status


def iso_time(time: datetime | None) -> str | None:
    """Return a time as ISO 8601, to the second."""
    return None if time is None else time.isoformat(timespec="seconds")
