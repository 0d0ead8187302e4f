"""Measures the inventory service: what its instrumentation costs, how much it serves, how long a scrape takes.

It never touches anything but servers and databases of its own on this machine.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from pathlib import Path

from bench import report, service_cost, service_load, service_report, service_scrape, service_stock

from cluster.errors import ClusterError

_PARTS = ("cost", "load", "scrape")
_EXAMPLES = """\
exit code: 0 if every bar was met, 1 if one was missed, 3 if this machine can't do it

examples:
  make -C bench service                                   everything: about 3 minutes
  PYTHONPATH=hack:. .venv/bin/python -m bench.service --only cost
  PYTHONPATH=hack:. .venv/bin/python -m bench.service --only load --seconds 10
  PYTHONPATH=hack:. .venv/bin/python -m bench.service -o json | jq '.bars[] | select(.met | not)'
"""


def measure(parts: list[str], rounds: int, seconds: int, scrapes: int) -> service_report.Result:
    """Run the parts, one after the other."""
    result: dict[str, object] = {"machine": report.machine()}
    with tempfile.TemporaryDirectory(prefix="bench-") as name, service_stock.new_databases(Path(name)) as new:
        folder = Path(name)
        if "cost" in parts:
            result["cost"] = service_cost.measure(folder, rounds)
        if "load" in parts:
            result["load"] = service_load.measure(folder, new, seconds)
        if "scrape" in parts:
            result["scrape"] = service_scrape.measure(folder, new, scrapes)
    return service_report.Result(**result)  # type: ignore[arg-type]


def main() -> int:
    """Measure, print, and write it down when asked; return the exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m bench.service",
        description=__doc__,
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--only", choices=_PARTS, action="append", help="one part; may be given twice (default: all)")
    parser.add_argument("-o", "--output", choices=["table", "json"], default="table")
    parser.add_argument("--rounds", type=int, default=150, help="rounds of the cost, each variant once (default: 150)")
    parser.add_argument("--seconds", type=int, default=4, help="seconds of load for each route (default: 4)")
    parser.add_argument("--scrapes", type=int, default=30, help="scrapes of each size (default: 30)")
    parser.add_argument("--record", type=Path, help="put the tables into this file, between its markers")
    words = parser.parse_args()
    try:
        result = measure(words.only or list(_PARTS), words.rounds, words.seconds, words.scrapes)
    except ClusterError as error:
        sys.stderr.write(f"{error}\n")
        return error.exit_code
    tables = service_report.table(result)
    print(json.dumps(service_report.as_json(result), indent=2) if words.output == "json" else tables)
    if words.record:
        report.record(words.record, tables, "service")
    missed = [bar for bar in result.bars if not bar.met]
    for bar in missed:
        sys.stderr.write(f"missed: {bar.what}: found {bar.found}, expected {bar.bar}\n")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
