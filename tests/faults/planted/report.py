"""The table of planted faults, in Markdown."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.faults import report
from tests.faults.report import cell

from devcluster.progress import duration

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.faults.planted.evidence import PlantedRow

#: The name of the block of the page.
BLOCK = "planted"
_TITLES = {
    "fault": "---",
    "named by": "---",
    "reason": "---",
    "message": "---",
    "after": "---:",
    "explain says": "---",
    "well again after": "---:",
    "as expected": "---",
}
#: Characters of a message, and of what is to be done.
_MESSAGE, _ACTION = 260, 120


def table(rows: Sequence[PlantedRow], machine: str, took: float) -> str:
    """Return the Markdown of one run of `took` seconds."""
    return report.lines(_TITLES, [(line(row), details(row)) for row in rows], machine, took)


def again(page: str, rows: Sequence[PlantedRow], machine: str) -> str:
    """Return the table of `page` with the lines of `rows`, which were run once more, in place of theirs."""
    return report.replaced(page, BLOCK, {row.name: (line(row), details(row)) for row in rows}, machine)


def line(row: PlantedRow) -> str:
    """Return the line of a fault."""
    marks = [mark for mark, is_so in (("recorded", row.recorded), ("by status", row.by_status)) if is_so]
    cells = (
        f"`{row.name}`: {row.what}{f' ({marks[0]})' if marks else ''}",
        row.about,
        f"`{row.reason}`",
        _short(row.message, _MESSAGE),
        _time(row.after),
        _short(row.explained, _ACTION),
        _time(row.well_after),
        "no" if row.problems else "yes",
    )
    return f"| {' | '.join(cell(one) for one in cells)} |"


def details(row: PlantedRow) -> list[str]:
    """Return what is said below the table."""
    limit = [f"within {row.limit:.0f} s instead of 30: {row.slower}"] if row.slower else []
    return [
        *(f"- `{row.name}`: **{cell(problem)}**." for problem in row.problems),
        *(f"- `{row.name}`: {cell(one)}." for one in limit),
    ]


def _time(seconds: float | None) -> str:
    return "never" if seconds is None else duration(seconds)


def _short(text: str, longest: int) -> str:
    return text if len(text) <= longest else f"{text[: longest - 3].rstrip()}..."
