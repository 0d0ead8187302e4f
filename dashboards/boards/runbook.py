"""The dashboard `inventory-runbook`: RUNBOOK.md, so that what to do is where the alert is seen.

It never has a text of its own.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from dashboards.boards.board import Frame, Row, render
from dashboards.boards.panels import RUNBOOK, words

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dashboards.boards.board import Rendered
    from dashboards.boards.panels import Panel

_ROOT = Path(__file__).parents[2]
FILE = _ROOT / "RUNBOOK.md"
RULES = _ROOT / "templates/prometheus/config/reload"
FRAME = Frame(
    uid=RUNBOOK,
    title="Inventory runbook",
    description="What to do when an alert fires: what it means, what it does to people, where to look, how to end it.",
    choices=(),
    marks=False,
)
_HEADING = re.compile(r"^(#+) (\w+)$", re.MULTILINE)
_ALERT = re.compile(r"^ *- alert: (\w+)$", re.MULTILINE)
_RELATIVE_LINK = re.compile(r"\[([^\]]+)\]\((?!https?:)[^)]+\)")
#: Where a test runs the commands below it, or why it does not: nothing for readers.
_MARK = re.compile(r"^<!-- .* -->\n+", re.MULTILINE)
#: Lines of a panel of half the screen: Grafana wraps longer ones.
_WIDTH = 95


@dataclass(frozen=True)
class Entry:
    """What to do about one alert."""

    alert: str
    text: str

    @property
    def height(self) -> int:
        """The rows of the grid that the text takes: it should be read without scrolling."""
        lines = sum(len(line) // _WIDTH + 1 for line in self.text.splitlines())
        return min(20, max(8, lines * 2 // 3 + 2))


def entries() -> Iterator[Entry]:
    """Yield the entries of RUNBOOK.md that are headed by the name of an alert, in its order."""
    alerts = {alert for file in RULES.glob("*.rules.yml") for alert in _ALERT.findall(file.read_text("utf-8"))}
    text = FILE.read_text("utf-8")
    for heading in _HEADING.finditer(text):
        if heading[2] in alerts:
            rest = text[heading.end() :]
            end = re.search(rf"^#{{1,{len(heading[1])}}} ", rest, re.MULTILINE)
            body = _MARK.sub("", rest[: end.start()] if end else rest)
            yield Entry(heading[2], _RELATIVE_LINK.sub(r"\1", body).strip())


def pages() -> Iterator[Panel]:
    """Yield a panel for each entry, two in a row, both as high as the higher one."""
    every = list(entries())
    for place, entry in enumerate(every):
        first = place - place % 2
        height = max(each.height for each in every[first : first + 2])
        yield words(entry.alert, entry.text).height(height)


def runbook() -> Rendered:
    """Return the dashboard."""
    return render(FRAME, [Row("What to do when an alert fires", pages())])
