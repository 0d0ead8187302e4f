"""Measures the inventory service: what its instrumentation costs, how much it serves, what scrapes and imports take.

It never touches anything but servers and databases of its own on this machine.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from bench import command
from bench.service import cost, imports, load, report, scrape, stock

if TYPE_CHECKING:
    import argparse

_PARTS = ("cost", "load", "scrape", "imports")
_EXAMPLES = """\
examples:
  make -C bench service                                   everything: about 3 minutes
  .venv/bin/python -m bench.service --only cost
  .venv/bin/python -m bench.service --only load --seconds 10
  .venv/bin/python -m bench.service -o json | jq '.bars[] | select(.met | not)'
"""
_OPTIONS: command.Options = {
    **command.only(_PARTS),
    "--rounds": {"type": int, "default": 150, "help": "rounds of the cost, each variant once (default: 150)"},
    "--seconds": {"type": int, "default": 4, "help": "seconds of load for each route (default: 4)"},
    "--scrapes": {"type": int, "default": 30, "help": "scrapes of each size (default: 30)"},
}


def measure(words: argparse.Namespace) -> report.Result:
    """Run the parts, one after the other."""
    parts, result = words.only or _PARTS, report.Result(command.machine())
    with tempfile.TemporaryDirectory(prefix="bench-") as name, stock.new_databases(Path(name)) as new:
        folder = Path(name)
        if "cost" in parts:
            result.cost = cost.measure(folder, words.rounds)
        if "load" in parts:
            result.load = load.measure(folder, new, words.seconds)
        if "scrape" in parts:
            result.scrape = scrape.measure(folder, new, words.scrapes)
        if "imports" in parts:
            result.imports = imports.measure(folder, new)
    return result


COMMAND = command.Command("service", __doc__, _EXAMPLES, _OPTIONS, measure, report.table)

if __name__ == "__main__":
    sys.exit(COMMAND.run())
