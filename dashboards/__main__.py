"""Writes every dashboard to its file, and for the operator which panels may be empty; it never talks to a Grafana."""

from __future__ import annotations

import json
from pathlib import Path

from dashboards import linter
from dashboards.boards.monitoring import monitoring
from dashboards.boards.operators import inventory_operator
from dashboards.boards.overview import inventory_overview
from dashboards.boards.runbook import runbook
from dashboards.boards.slo import slo_and_error_budget
from inventory_operator.verification import excuses

FOLDER = Path(__file__).parents[1] / "templates/grafana/config/reload"
DASHBOARDS = {
    "inventory-overview.json": inventory_overview,
    "inventory-slo.json": slo_and_error_budget,
    "inventory-monitoring.json": monitoring,
    "inventory-operator.json": inventory_operator,
    "inventory-runbook.json": runbook,
}


def generate() -> dict[Path, str]:
    """Return every file that is made here, with its text."""
    made = {FOLDER / name: make() for name, make in DASHBOARDS.items()}
    boards = {file: board.json for file, board in made.items()}
    may_be_empty = {board.uid: board.may_be_empty for board in made.values() if board.may_be_empty}
    return {
        **boards,
        linter.FILE: linter.exclusions(boards.values()),
        excuses.FILE: json.dumps(may_be_empty, indent=2) + "\n",
    }


def main() -> None:
    """Write every dashboard to its file."""
    for file, text in generate().items():
        file.write_text(text, "utf-8")


if __name__ == "__main__":
    main()
