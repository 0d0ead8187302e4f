"""Writes a file that is made from sources, or says whether the committed one is in step with them."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


def write_or_check(path: Path, text: str, source: str, arguments: list[str]) -> int:
    """Write `text`; with --check compare it, and name its `source` where it differs. Return the exit status."""
    if arguments == ["--check"]:
        in_step = path.exists() and path.read_text("utf-8") == text
        if not in_step:
            print(f"{'/'.join(path.parts[-2:])} is not in step with the {source}: run make golden")
        return 0 if in_step else 1
    path.write_text(text, "utf-8")
    return 0
