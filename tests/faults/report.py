"""The table of one run, in Markdown and as JSON."""

from __future__ import annotations

import re
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from devcluster.progress import duration

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.faults.evidence import Row

BEGIN, END = "<!-- measured faults -->\n", "<!-- /measured faults -->"
_TITLES = {
    "fault": "---",
    "delivered, and nothing else": "---",
    "firing after": "---:",
    "delivered after": "---:",
    "besides, not delivered": "---",
    "resolved received after": "---:",
    "as expected": "---",
}


def table(rows: Sequence[Row], machine: str, took: float) -> str:
    """Return the Markdown of one run of `took` seconds."""
    good = sum(not row.problems for row in rows)
    lines = [f"{machine}.", "", f"{good} of {len(rows)} as expected, in {duration(took)}.", ""]
    lines += [f"| {' | '.join(_TITLES)} |", f"|{'|'.join(_TITLES.values())}|", *map(_line, rows)]
    details = [detail for row in rows for detail in _details(row)]
    return "\n".join([*lines, *(["", *details] if details else [])])


def again(page: str, rows: Sequence[Row], machine: str) -> str:
    """Return the table of `page` with the lines of `rows`, which were run once more, in place of theirs."""
    block = page.partition(BEGIN)[2].partition(END)[0].strip("\n")
    kept = [line for line in block.split("\n") if not any(_is_detail(line, row) for row in rows)]
    lines = {row.name: _line(row) for row in rows}
    new = [next((lines[name] for name in lines if line.startswith(f"| `{name}`:")), line) for line in kept]
    later = [f"- `{row.name}`: run again by itself: {machine}." for row in rows]
    details = [detail for row in rows for detail in _details(row)]
    good = sum(line.endswith("| yes |") for line in new)
    total = sum(line.startswith("| `") for line in new)
    text = "\n".join([*new, *later, *details])
    return re.sub(r"^\d+ of \d+ as expected", f"{good} of {total} as expected", text, flags=re.MULTILINE)


def _is_detail(line: str, row: Row) -> bool:
    return line.startswith(f"- `{row.name}`:")


def as_json(rows: Sequence[Row], machine: str, took: float) -> dict[str, Any]:
    """Return the same as data; times in seconds."""
    return {
        "machine": machine,
        "seconds": round(took),
        "rows": [{**asdict(row), "as_expected": not row.problems} for row in rows],
    }


def _line(row: Row) -> str:
    cells = (
        f"`{row.name}`: {row.what}",
        row.alert or "nothing",
        *(_time(row.alert, seconds) for seconds in (row.firing, row.delivered)),
        ", ".join(f"{name} ({state})" for name, state in sorted(row.others.items())) or "none",
        _time(row.alert, row.resolved),
        "no" if row.problems else "yes",
    )
    return f"| {' | '.join(_cell(cell) for cell in cells)} |"


def _time(alert: str | None, seconds: float | None) -> str:
    if alert is None:
        return ""
    return "never" if seconds is None else duration(seconds)


def _details(row: Row) -> list[str]:
    later = [f"delivered after the end of the fault, as is right: {name}" for name in row.afterwards]
    return [
        *(f"- `{row.name}`: **{_cell(problem)}**." for problem in row.problems),
        *(f"- `{row.name}`: {_cell(note)}." for note in [*later, *row.notes]),
    ]


def _cell(text: str) -> str:
    """Return text of others so that it stays in its cell."""
    return " ".join(text.split()).replace("|", "\\|")
