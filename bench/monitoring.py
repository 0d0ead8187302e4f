"""Measures the monitoring of a stack: series and what they cost, time of the rules, queries over 200 hours of history.

It never touches anything but processes and folders of its own on this machine; a running cluster is only read.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from bench import monitoring_containers, monitoring_queries, monitoring_report, monitoring_series, report

from cluster.errors import ClusterError

_PARTS = ("series", "containers", "queries")
_EXAMPLES = """\
exit code: 0 if every bar was met, 1 if one was missed, 3 if this machine can't do it

examples:
  make -C bench monitoring                                everything: about 10 minutes
  PYTHONPATH=hack:. .venv/bin/python -m bench.monitoring --only series
  PYTHONPATH=hack:. .venv/bin/python -m bench.monitoring --only queries --hours 48 --step 10
  PYTHONPATH=hack:. .venv/bin/python -m bench.monitoring -o json | jq '.queries.timed | max_by(.cpu)'
"""


def measure(parts: list[str], hours: int, step: int, repeats: int) -> monitoring_report.Result:
    """Run the parts, one after the other."""
    result: dict[str, object] = {"machine": report.machine()}
    with tempfile.TemporaryDirectory(prefix="bench-") as name, ThreadPoolExecutor(1) as aside:
        folder, density = Path(name), None
        if "series" in parts:
            result["series"] = monitoring_series.measure(folder)
            # It waits more than it works and measures no time: meanwhile the history is written.
            density = aside.submit(monitoring_series.density, folder)
        if "containers" in parts:
            result["containers"] = monitoring_containers.measure(folder / "containers")
        if "queries" in parts:
            result["queries"] = monitoring_queries.measure(folder, hours, step, repeats)
        result["density"] = density.result() if density else None
    return monitoring_report.Result(**result)  # type: ignore[arg-type]


def main() -> int:
    """Measure, print, and write it down when asked; return the exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m bench.monitoring",
        description=__doc__,
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--only", choices=_PARTS, action="append", help="one part; may be given twice (default: all)")
    parser.add_argument("-o", "--output", choices=["table", "json"], default="table")
    parser.add_argument("--hours", type=int, default=200, help="length of the history (default: 200)")
    parser.add_argument("--step", type=int, default=60, help="seconds between samples of the history (default: 60)")
    parser.add_argument(
        "--repeats", type=int, default=2, help="how often each query is asked by each clock (default: 2)"
    )
    parser.add_argument("--record", type=Path, help="put the tables into this file, between its markers")
    words = parser.parse_args()
    try:
        result = measure(words.only or list(_PARTS), words.hours, words.step, words.repeats)
    except ClusterError as error:
        sys.stderr.write(f"{error}\n")
        return 3
    tables = monitoring_report.table(result)
    print(json.dumps(monitoring_report.as_json(result), indent=2) if words.output == "json" else tables)
    if words.record:
        report.record(words.record, tables, "monitoring")
    missed = [bar for bar in result.bars if not bar.met]
    for bar in missed:
        sys.stderr.write(f"missed: {bar.what}: found {bar.found}, expected {bar.bar}\n")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
