"""Measures the monitoring of a stack: series and what they cost, time of the rules, queries over 200 hours of history.

It never touches anything but processes and folders of its own on this machine; a running cluster is only read.
"""

from __future__ import annotations

import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

from bench import command
from bench.monitoring import containers, queries, report, series

if TYPE_CHECKING:
    import argparse

_PARTS = ("series", "containers", "queries")
_EXAMPLES = """\
examples:
  make -C bench monitoring                                everything: about 10 minutes
  .venv/bin/python -m bench.monitoring --only series
  .venv/bin/python -m bench.monitoring --only queries --hours 48 --step 10
  .venv/bin/python -m bench.monitoring -o json | jq '.queries.timed | max_by(.cpu)'
"""
_OPTIONS: command.Options = {
    **command.only(_PARTS),
    "--hours": {"type": int, "default": 200, "help": "length of the history (default: 200)"},
    "--step": {"type": int, "default": 60, "help": "seconds between samples of the history (default: 60)"},
    "--repeats": {"type": int, "default": 2, "help": "how often each query is asked by each clock (default: 2)"},
}


def measure(words: argparse.Namespace) -> report.Result:
    """Run the parts, one after the other."""
    parts, result = words.only or _PARTS, report.Result(command.machine())
    with tempfile.TemporaryDirectory(prefix="bench-") as name, ThreadPoolExecutor(1) as aside:
        folder, density = Path(name), None
        if "series" in parts:
            result.series = series.measure(folder)
            # It waits more than it works and measures no time: meanwhile the history is written.
            density = aside.submit(series.density, folder)
        if "containers" in parts:
            result.containers = containers.measure(folder / "containers")
        if "queries" in parts:
            result.queries = queries.measure(folder, words.hours, words.step, words.repeats)
        result.density = density.result() if density else None
    return result


COMMAND = command.Command("monitoring", __doc__, _EXAMPLES, _OPTIONS, measure, report.table)

if __name__ == "__main__":
    sys.exit(COMMAND.run())
