"""Breaks stacks on the one-node cluster, and records which alerts are sent to whom, and what the status says, and when.

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
from typing import TYPE_CHECKING, Any

from bench.command import machine, record
from tests.faults import report
from tests.faults.baseline import CONTROL, RESTARTS, ROLLOUTS, Control, Restarts, Rollouts
from tests.faults.environment import Environment
from tests.faults.evidence import Row
from tests.faults.faults import FAULTS
from tests.faults.planted import report as planted_report
from tests.faults.planted.evidence import row_of
from tests.faults.planted.groups import GROUPS
from tests.faults.planted.scenario import Planting
from tests.faults.scenario import Scenario

from devcluster.errors import ClusterError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.faults.planted.evidence import PlantedRow
    from tests.faults.planted.fault import Group

SCENARIOS = {**{fault.name: (Scenario, fault) for fault in FAULTS}, "control": (Control, CONTROL)}
SCENARIOS |= {"restarts": (Restarts, RESTARTS), "rollouts": (Rollouts, ROLLOUTS)}
#: Planted faults by their names, and the group of each.
PLANTED = {fault.name: group for group in GROUPS.values() for fault in group.faults}
#: The word for all of them.
_ALL_PLANTED = "planted"
#: Groups at the same time: each is one stack.
_AT_ONCE = 4
_EXAMPLES = """\
exit code: 0 if all is as expected, 1 if something is not, 2 for wrong words, 3 if this machine can't do it

examples:
  make test-faults                                         all of it, about 95 minutes, and write docs/faults.md
  .venv/bin/python -m tests.faults --only low-stock --only control
  .venv/bin/python -m tests.faults --only planted --record docs/faults.md     all planted faults, about 15 minutes
  .venv/bin/python -m tests.faults --only crash-loop
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


def plant(names: Sequence[str], *, keep: bool) -> tuple[list[PlantedRow], bool]:
    """Plant faults, some groups side by side; return their rows, and whether they ran to their end."""
    chosen = {group.name: group for group in GROUPS.values() if {fault.name for fault in group.faults} & set(names)}
    with Environment(len(chosen), 0, 0, keep=keep) as environment, ThreadPoolExecutor(_AT_ONCE) as pool:
        futures = {}
        for name, group in chosen.items():
            faults = [fault for fault in group.faults if fault.name in names]
            futures[name] = pool.submit(Planting(environment, group, faults).run)
            futures[name].add_done_callback(partial(_say_if_broken, environment, name))
        try:
            wait(futures.values())
        except KeyboardInterrupt:
            environment.stop.set()
            environment.say("all", "stopping")
    rows = [row for name, future in futures.items() for row in _planted_rows(chosen[name], names, future)]
    return rows, not environment.stop.is_set()


def _planted_rows(group: Group, names: Sequence[str], future: Future[list[PlantedRow]]) -> list[PlantedRow]:
    error = future.exception()
    if error is None:
        return future.result()
    rows = [row_of(fault) for fault in group.faults if fault.name in names]
    for row in rows:
        row.problems.append(f"{type(error).__name__}: {error}")
    return rows


def _run(environment: Environment, name: str) -> Row:
    kind, fault = SCENARIOS[name]
    return kind(environment, fault).run()


def _say_if_broken(environment: Environment, name: str, future: Future[Any]) -> None:
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
    choices = [*SCENARIOS, _ALL_PLANTED, *GROUPS, *PLANTED]
    words = f"one of them: {', '.join(SCENARIOS)}; {_ALL_PLANTED}: all planted faults; a group, or one: {_groups()}"
    parser.add_argument("--only", action="append", choices=choices, metavar="NAME", help=words)
    parser.add_argument("--keep", action="store_true", help="leave the namespaces, to look at the stacks afterwards")
    parser.add_argument("-o", "--output", choices=["table", "json"], default="table")
    parser.add_argument(
        "--record", type=Path, metavar="FILE", help="put the table into FILE; with --only, the lines of those alone"
    )
    return parser.parse_args(given)


def _groups() -> str:
    return "; ".join(f"{name} ({', '.join(fault.name for fault in group.faults)})" for name, group in GROUPS.items())


def chosen(only: Sequence[str]) -> tuple[list[str], list[str]]:
    """Return the scenarios and the planted faults that these words choose; without words all of them."""
    scenarios = [name for name in SCENARIOS if name in only or not only]
    wanted = set(only or [_ALL_PLANTED])
    return scenarios, [name for name, group in PLANTED.items() if {name, group.name, _ALL_PLANTED} & wanted]


def main(given: Sequence[str] | None = None) -> int:
    """Run, print, and write it down when asked; return the exit code."""
    words = arguments(given)
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    where, began = machine(), time.monotonic()
    scenarios, faults = chosen(words.only or ())
    rows: list[Row] = []
    planted: list[PlantedRow] = []
    whole, between = True, began
    try:
        if scenarios:
            rows, whole = run(scenarios, keep=words.keep)
            between = time.monotonic()
        if faults and whole:
            planted, whole = plant(faults, keep=words.keep)
    except ClusterError as error:
        sys.stderr.write(f"{error}\n")
        return error.exit_code
    where, ended = f"{where}, after it: {os.getloadavg()[0]:.1f}", time.monotonic()
    tables = {report.BLOCK: report.table(rows, where, between - began)} if rows else {}
    tables |= {planted_report.BLOCK: planted_report.table(planted, where, ended - between)} if planted else {}
    data = json.dumps(report.as_json(rows, where, ended - began, planted), indent=2)
    sys.stdout.write("{}\n".format(data if words.output == "json" else "\n\n".join(tables.values())))
    if words.record and whole:
        page = words.record.read_text()
        # Of some the lines alone are new.
        if len(rows) < len(SCENARIOS) and rows:
            tables[report.BLOCK] = report.again(page, rows, where)
        if len(planted) < len(PLANTED) and planted:
            tables[planted_report.BLOCK] = planted_report.again(page, planted, where)
        for block, table in tables.items():
            record(words.record, table, block)
    return 1 if any(row.problems for row in (*rows, *planted)) else 0


if __name__ == "__main__":
    sys.exit(main())
