"""Measures the operator on a bare control plane: speed beside a bare client, writes, repairs, a restart, idleness.

Times are a matter of the machine. What must hold on any machine is in tests/integration.
"""

from __future__ import annotations

import asyncio
import sys
from typing import TYPE_CHECKING

from bench import command
from bench.engine import report, speed, upkeep

if TYPE_CHECKING:
    import argparse

_EXAMPLES = """\
examples:
  make -C bench engine                                    everything: about 20 minutes
  .venv/bin/python -m bench.engine --stacks 10 --rounds 1 --repairs 10 --idle 30
  .venv/bin/python -m bench.engine -o json | jq .speed
"""
_OPTIONS: command.Options = {
    "--stacks": {"type": int, "default": 100, "help": "stacks that are made at once (default: 100)"},
    "--rounds": {"type": int, "default": 3, "help": "times that operator and bare client take turns (default: 3)"},
    "--repairs": {"type": int, "default": 50, "help": "Services that are deleted or edited (default: 50)"},
    "--idle": {"type": float, "default": 600.0, "help": "seconds to watch an idle operator (default: 600)"},
}


async def _measure(words: argparse.Namespace) -> report.Result:
    machine = command.machine()
    speeds = await speed.measure(words.stacks, words.rounds)
    return report.Result(machine, words.stacks, speeds, await upkeep.measure(words.stacks, words.repairs, words.idle))


def measure(words: argparse.Namespace) -> report.Result:
    """Run everything, each burst on a fresh control plane."""
    return asyncio.run(_measure(words))


COMMAND = command.Command("engine", __doc__, _EXAMPLES, _OPTIONS, measure, report.table)

if __name__ == "__main__":
    sys.exit(COMMAND.run())
