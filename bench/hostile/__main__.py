"""Measures what an operator does for one tenant while another one attacks it, beside what it does in peace.

Times are a matter of the machine. What must hold on any machine is in tests/integration/test_hostile_tenant.py.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from bench import command
from bench.hostile import phases, report

if TYPE_CHECKING:
    import argparse

_EXAMPLES = """\
examples:
  make -C bench hostile                                     ten minutes of attacks, five of peace: about 22 minutes
  .venv/bin/python -m bench.hostile --minutes 1 --pairs 1
  .venv/bin/python -m bench.hostile -o json | jq .hostile
"""
_OPTIONS: command.Options = {
    "--minutes": {"type": float, "default": 10.0, "help": "minutes of attacks in all (default: 10)"},
    "--pairs": {"type": int, "default": 3, "help": "times that peace and attacks take turns (default: 3)"},
}


def measure(words: argparse.Namespace) -> report.Result:
    """Run everything on one control plane, peace and attacks in turns."""
    machine = command.machine()
    return report.Result(machine, *phases.measure(words.minutes * 60, words.pairs))


COMMAND = command.Command("hostile", __doc__, _EXAMPLES, _OPTIONS, measure, report.table)

if __name__ == "__main__":
    sys.exit(COMMAND.run())
