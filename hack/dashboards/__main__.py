"""Writes every dashboard to its file; it never talks to a Grafana."""

from __future__ import annotations

from pathlib import Path

from dashboards.overview import inventory_overview

FOLDER = Path(__file__).parents[2] / "templates/grafana/config/reload"
DASHBOARDS = {"inventory-overview.json": inventory_overview}


def main() -> None:
    """Write every dashboard to its file."""
    for name, make in DASHBOARDS.items():
        (FOLDER / name).write_text(make(), "utf-8")


if __name__ == "__main__":
    main()
