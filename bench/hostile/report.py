"""The tables of one run: what a tenant sees in peace and beside a hostile one, and what the operator needs.

It only puts numbers into words.
"""

from __future__ import annotations

import statistics
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from bench.command import Bar, bar_table, markdown

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from bench.hostile.phases import Phases

_STEPS: Final = {
    "created": "a stack is created and reported",
    "repaired": "a deleted Service is back",
    "reported": "a change of the spec is reported",
}
_MOST: Final = 2.0
_PROBE_SECONDS: Final = 1.0
_MEMORY_MB: Final = 256


@dataclass(frozen=True, slots=True)
class Result:
    """Everything that one run measured."""

    machine: str
    peace: Phases
    hostile: Phases
    attacks: Mapping[str, int]

    def ratio(self, step: str) -> float:
        """Return the median time of a step beside a hostile tenant, as a multiple of that in peace."""
        return _median(self.hostile, step) / _median(self.peace, step)

    @property
    def bars(self) -> Sequence[Bar]:
        """What must hold."""
        hostile = self.hostile
        ratios = {what: self.ratio(step) for step, what in _STEPS.items()}
        memory = hostile.memory / 1e6
        return [
            *(
                Bar(f"{what}, of the usual time", f"{it:.2f}x", f"<= {_MOST}x", it <= _MOST)
                for what, it in ratios.items()
            ),
            Bar(
                "longest answer to /livez, s",
                f"{hostile.longest_probe:.2f}",
                f"<= {_PROBE_SECONDS:.0f}",
                hostile.longest_probe <= _PROBE_SECONDS,
            ),
            Bar("probes without an answer", str(hostile.failed_probes), "0", not hostile.failed_probes),
            Bar("restarts of the operator", str(hostile.restarts), "0", not hostile.restarts),
            Bar("memory with all checkers, MB", f"{memory:.0f}", f"< {_MEMORY_MB}", memory < _MEMORY_MB),
        ]


def table(result: Result) -> str:
    """Return the Markdown of one run."""
    heads = ("median, and the longest, ms", "in peace", "beside a hostile tenant", "ratio of the medians")
    rows = [
        (what, _times(result.peace, step), _times(result.hostile, step),
         f"{result.ratio(step):.2f}x")
        for step, what in _STEPS.items()
    ]  # fmt: skip
    rows.append(("memory of operator and checkers at its peak, MB", *_memories(result)))
    attacks = ", ".join(f"{name.replace('_', ' ')} {count}" for name, count in sorted(result.attacks.items()))
    rounds = f"{len(result.peace.rounds)} rounds in peace, {len(result.hostile.rounds)} beside a hostile tenant"
    probes = f"{result.hostile.probes} probes under attack"
    lines = [f"{result.machine}.", "", *bar_table(result.bars), "", *markdown(heads, rows), ""]
    return "\n".join(
        [
            *lines,
            f"- {rounds}; {probes}.",
            f"- attacks made: {attacks}.",
        ]
    )


def _memories(result: Result) -> tuple[str, str, str]:
    peace, hostile = result.peace.memory / 1e6, result.hostile.memory / 1e6
    return f"{peace:.0f}", f"{hostile:.0f}", f"{hostile / peace:.2f}x"


def _times(phases: Phases, step: str) -> str:
    longest = max(getattr(one, step) for one in phases.rounds)
    return f"{_median(phases, step) * 1000:.0f} / {longest * 1000:.0f}"


def _median(phases: Phases, step: str) -> float:
    return float(statistics.median(getattr(one, step) for one in phases.rounds))
