"""Breaks stacks on the one-node cluster, each in its own way, and records which alerts are sent to whom, and when.

The rules are the shipped ones. Only namespaces that it made are deleted.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import sys
import time
from concurrent.futures import Future, ThreadPoolExecutor, wait
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from bench.command import machine, record
from tests.faults import report
from tests.faults.baseline import CONTROL, RESTARTS, ROLLOUTS, Control, Restarts, Rollouts
from tests.faults.environment import Environment
from tests.faults.evidence import Row
from tests.faults.faults import FAULTS
from tests.faults.scenario import Scenario

from devcluster.errors import ClusterError

if TYPE_CHECKING:
    from collections.abc import Sequence

SCENARIOS = {**{fault.name: (Scenario, fault) for fault in FAULTS}, "control": (Control, CONTROL)}
SCENARIOS |= {"restarts": (Restarts, RESTARTS), "rollouts": (Rollouts, ROLLOUTS)}
_EXAMPLES = """\
exit code: 0 if all is as expected, 1 if something is not, 2 for wrong words, 3 if this machine can't do it

examples:
  make test-faults                                         all of it, about 70 minutes, and write docs/faults.md
  .venv/bin/python -m tests.faults --only low-stock --only control
  .venv/bin/python -m tests.faults --only service-down --keep
  .venv/bin/python -m tests.faults -o json | jq '.rows[] | select(.as_expected | not)'
"""


def run(names: Sequence[str], *, keep: bool) -> tuple[list[Row], bool]:
    """Run the scenarios side by side; return their rows, and whether they ran to their end."""
    faults = sum(SCENARIOS[name][0] is Scenario for name in names)
    moving = sum(SCENARIOS[name][0] is not Control for name in names)
    with Environment(len(names), faults, moving, keep=keep) as environment, ThreadPoolExecutor(len(names)) as pool:
        futures = {name: pool.submit(_run, environment, name) for name in names}
        for name, future in futures.items():
            future.add_done_callback(partial(_say_if_broken, environment, name))
        try:
            wait(futures.values())
        except KeyboardInterrupt:
            # The scenarios end at their next look, and what they saw until then is in their rows.
            environment.stop.set()
            environment.say("all", "stopping")
    return [_row(name, future) for name, future in futures.items()], not environment.stop.is_set()


def _run(environment: Environment, name: str) -> Row:
    kind, fault = SCENARIOS[name]
    return kind(environment, fault).run()


def _say_if_broken(environment: Environment, name: str, future: Future[Row]) -> None:
    if error := future.exception():
        environment.say(name, f"broke off: {type(error).__name__}: {error}")


def _row(name: str, future: Future[Row]) -> Row:
    error = future.exception()
    if error is None:
        return future.result()
    return Row(name, SCENARIOS[name][1].what, problems=[f"{type(error).__name__}: {error}"])


def arguments(given: Sequence[str] | None = None) -> argparse.Namespace:
    """Return the words of the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.faults",
        description=__doc__,
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--only", action="append", choices=list(SCENARIOS), metavar="NAME", help=f"one of them: {', '.join(SCENARIOS)}"
    )
    parser.add_argument("--keep", action="store_true", help="leave the namespaces, to look at the stacks afterwards")
    parser.add_argument("-o", "--output", choices=["table", "json"], default="table")
    parser.add_argument(
        "--record", type=Path, metavar="FILE", help="put the table into FILE; with --only, the lines of those alone"
    )
    return parser.parse_args(given)


def main(given: Sequence[str] | None = None) -> int:
    """Run, print, and write it down when asked; return the exit code."""
    words = arguments(given)
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    where, began = machine(), time.monotonic()
    try:
        rows, whole = run(words.only or list(SCENARIOS), keep=words.keep)
    except ClusterError as error:
        sys.stderr.write(f"{error}\n")
        return error.exit_code
    took = time.monotonic() - began
    where = f"{where}, after it: {os.getloadavg()[0]:.1f}"
    table = report.table(rows, where, took)
    data = json.dumps(report.as_json(rows, where, took), indent=2)
    sys.stdout.write(f"{data if words.output == 'json' else table}\n")
    if words.record and whole:
        again = report.again(words.record.read_text(), rows, where) if words.only else table
        record(words.record, again, "faults")
    return 1 if any(row.problems for row in rows) else 0


if __name__ == "__main__":
    sys.exit(main())
