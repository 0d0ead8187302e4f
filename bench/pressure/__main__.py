"""Compares servers for the service: what they serve, and what is left of it beside 200 clients that keep them waiting.

Each is asked in turn, round after round, on a SQLite database of its own. It never touches anything but servers of its
own on this machine.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from bench import command
from bench.pressure import report, rounds, servers

if TYPE_CHECKING:
    import argparse

_EXAMPLES = """\
examples:
  make -C bench pressure                                   all of it: about 30 minutes
  .venv/bin/python -m bench.pressure --rounds 1 --minutes 0
  .venv/bin/python -m bench.pressure --only waitress -o json | jq .pressure
"""
_OPTIONS: command.Options = {
    **command.only(tuple(servers.SERVERS)),
    "--rounds": {
        "type": int,
        "default": 5,
        "help": "rounds, each server once with and without slow clients (default: 5)",
    },
    "--seconds": {"type": int, "default": 4, "help": "seconds of load at a time, nobody slow (default: 4)"},
    "--beside": {
        "type": int,
        "default": 12,
        "help": "seconds of load beside slow clients: longer than the server waits for them (default: 12)",
    },
    "--minutes": {
        "type": float,
        "default": 10,
        "help": "how long ours is held under pressure at the end (default: 10)",
    },
}


def measure(words: argparse.Namespace) -> report.Result:
    """Run the parts, one after the other."""
    result = report.Result(command.machine())
    chosen = words.only or tuple(servers.SERVERS)
    with tempfile.TemporaryDirectory(prefix="bench-") as name, servers.running(Path(name), chosen) as running:
        result.throughput = rounds.throughput(running, words.rounds, words.seconds)
        result.pressure = rounds.pressure(running, words.rounds, words.beside)
        if words.minutes and servers.OURS in running:
            result.endurance = rounds.endurance(running[servers.OURS], words.minutes)
    return result


COMMAND = command.Command("pressure", __doc__, _EXAMPLES, _OPTIONS, measure, report.table)

if __name__ == "__main__":
    sys.exit(COMMAND.run())
