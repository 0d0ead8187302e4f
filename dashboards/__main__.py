"""Writes every dashboard to its file; it never talks to a Grafana."""

from __future__ import annotations

from pathlib import Path

from dashboards import linter
from dashboards.boards.monitoring import monitoring
from dashboards.boards.operators import inventory_operator
from dashboards.boards.overview import inventory_overview
from dashboards.boards.runbook import runbook
from dashboards.boards.slo import slo_and_error_budget

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
    boards = {FOLDER / name: make() for name, make in DASHBOARDS.items()}
    return {**boards, linter.FILE: linter.exclusions(boards.values())}


def main() -> None:
    """Write every dashboard to its file."""
    for file, text in generate().items():
        file.write_text(text, "utf-8")


if __name__ == "__main__":
    main()
