"""The shell blocks of the pages: where each is, where it runs or why not, and running them.

A block is indented by four columns, or fenced and called `sh`; other fences are data. `<!-- run: cluster -->` before a
block says that it runs somewhere else than the others of its page, `<!-- not run: reason -->` that it does not.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

from tests.framework.rendered import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

PLANE = "control plane"
CLUSTER = "cluster"
#: Where the blocks of a page run that say nothing else: with real pods, or on an API server without a node.
PLACES = {"RUNBOOK.md": CLUSTER, "docs/import-export.md": CLUSTER, "docs/web-pages.md": CLUSTER}
_MARK = re.compile(r"<!-- (not run|run): (.+) -->")


@dataclass(frozen=True, slots=True)
class Block:
    """Lines of a page that belong together; `language` is empty for an indented one."""

    page: str
    line: int
    language: str
    text: str
    mark: tuple[str, str] = ("", "")

    @property
    def where(self) -> str:
        return f"{self.page}:{self.line}"

    @property
    def is_shell(self) -> bool:
        return self.language in {"", "sh"}

    @property
    def place(self) -> str:
        """Where it runs; empty if it does not."""
        kind, said = self.mark
        return "" if kind == "not run" else said or PLACES.get(self.page, PLANE)

    def commands(self) -> Iterator[tuple[int, str]]:
        """The number of each command's first line, and the command in one piece."""
        start, piece = 0, ""
        for number, line in enumerate(self.text.splitlines(), start=self.line):
            start = start if piece else number
            piece += line
            if piece.endswith("\\"):
                piece += "\n"
            elif piece.strip():
                yield start, piece
                piece = ""
            else:
                piece = ""


def blocks(path: Path) -> list[Block]:
    """Every block of a page, in its order."""
    return list(_blocks(path.relative_to(ROOT).as_posix(), path.read_text("utf-8").splitlines()))


def _blocks(page: str, lines: list[str]) -> Iterator[Block]:
    number, mark, before = 0, ("", ""), ""
    while number < len(lines):
        line = lines[number]
        end = number
        if fence := re.match(r"( *)```(\w*)$", line):
            end = next(n for n in range(number + 1, len(lines)) if lines[n].strip() == "```")
            text = "\n".join(part.removeprefix(fence[1]) for part in lines[number + 1 : end])
            yield Block(page, number + 2, fence[2] or "text", text, mark)
            mark = ("", "")
        elif line.startswith("    ") and not before.strip():
            end = number + len(_indented(lines[number:])) - 1
            depth = len(line) - len(line.lstrip())
            yield Block(page, number + 1, "", "\n".join(part[depth:] for part in lines[number : end + 1]), mark)
            mark = ("", "")
        elif found := _MARK.fullmatch(line.strip()):
            mark = (found[1], found[2])
        elif line.strip():
            mark = ("", "")
        before = "" if _MARK.fullmatch(line.strip()) else lines[end]
        number = end + 1


def _indented(lines: list[str]) -> list[str]:
    """The first lines that are indented, blank ones between them included."""
    end = next((n for n, line in enumerate(lines) if line.strip() and not line.startswith("    ")), len(lines))
    while not lines[end - 1].strip():
        end -= 1
    return lines[:end]


@cache
def pages() -> tuple[Path, ...]:
    """Every page of the repository that people read."""
    found = [*ROOT.glob("*.md"), *ROOT.glob("docs/*.md"), ROOT / "examples/README.md", ROOT / "bench/README.md"]
    assert len(found) > 20
    return tuple(sorted(found))


def shell_blocks(place: str) -> dict[str, list[Block]]:
    """The shell blocks that run at a place, by page."""
    found: dict[str, list[Block]] = {}
    for path in pages():
        for block in blocks(path):
            if block.is_shell and block.place == place:
                found.setdefault(block.page, []).append(block)
    return found
