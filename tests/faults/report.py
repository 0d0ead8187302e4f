"""The table of one run, in Markdown and as JSON."""

from __future__ import annotations

import re
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from devcluster.progress import duration

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tests.faults.evidence import Row
    from tests.faults.planted.evidence import PlantedRow

#: The name of the block of the page.
BLOCK = "faults"
_GOOD = "| yes |"
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
    return lines(_TITLES, [(_line(row), _details(row)) for row in rows], machine, took)


def again(page: str, rows: Sequence[Row], machine: str) -> str:
    """Return the table of `page` with the lines of `rows`, which were run once more, in place of theirs."""
    return replaced(page, BLOCK, {row.name: (_line(row), _details(row)) for row in rows}, machine)


def lines(titles: Mapping[str, str], rows: Sequence[tuple[str, list[str]]], machine: str, took: float) -> str:
    """Return a table with these titles: of each row its line, and what is said below the table."""
    good = sum(line.endswith(_GOOD) for line, _ in rows)
    head = [f"{machine}.", "", f"{good} of {len(rows)} as expected, in {duration(took)}.", ""]
    head += [f"| {' | '.join(titles)} |", f"|{'|'.join(titles.values())}|"]
    details = [detail for _, of_row in rows for detail in of_row]
    return "\n".join([*head, *(line for line, _ in rows), *(["", *details] if details else [])])


def replaced(page: str, block: str, rows: Mapping[str, tuple[str, list[str]]], machine: str) -> str:
    """Return a table of `page` with other lines for some names, and what is said below of them."""
    begin, end = f"<!-- measured {block} -->\n", f"<!-- /measured {block} -->"
    before = page.partition(begin)[2].partition(end)[0].strip("\n")
    kept = [line for line in before.split("\n") if not any(line.startswith(f"- `{name}`:") for name in rows)]
    new = [next((rows[name][0] for name in rows if line.startswith(f"| `{name}`:")), line) for line in kept]
    later = [f"- `{name}`: run again by itself: {machine}." for name in rows]
    details = [detail for _, of_row in rows.values() for detail in of_row]
    good = sum(line.endswith(_GOOD) for line in new)
    total = sum(line.startswith("| `") for line in new)
    text = "\n".join([*new, *later, *details])
    return re.sub(r"^\d+ of \d+ as expected", f"{good} of {total} as expected", text, flags=re.MULTILINE)


def as_json(rows: Sequence[Row], machine: str, took: float, planted: Sequence[PlantedRow] = ()) -> dict[str, Any]:
    """Return the same as data; times in seconds."""
    return {"machine": machine, "seconds": round(took), "rows": _as_data(rows), "planted": _as_data(planted)}


def _as_data(rows: Sequence[Row] | Sequence[PlantedRow]) -> list[dict[str, Any]]:
    return [{**asdict(row), "as_expected": not row.problems} for row in rows]


def _line(row: Row) -> str:
    cells = (
        f"`{row.name}`: {row.what}",
        row.alert or "nothing",
        *(_time(row.alert, seconds) for seconds in (row.firing, row.delivered)),
        ", ".join(f"{name} ({state})" for name, state in sorted(row.others.items())) or "none",
        _time(row.alert, row.resolved),
        "no" if row.problems else "yes",
    )
    return f"| {' | '.join(cell(one) for one in cells)} |"


def _time(alert: str | None, seconds: float | None) -> str:
    if alert is None:
        return ""
    return "never" if seconds is None else duration(seconds)


def _details(row: Row) -> list[str]:
    later = [f"delivered after the end of the fault, as is right: {name}" for name in row.afterwards]
    return [
        *(f"- `{row.name}`: **{cell(problem)}**." for problem in row.problems),
        *(f"- `{row.name}`: {cell(note)}." for note in [*later, *row.notes]),
    ]


def cell(text: str) -> str:
    """Return text of others so that it stays in its cell."""
    return " ".join(text.split()).replace("|", "\\|")
