"""Tells the user what is being done and how long it may still take."""

from __future__ import annotations

import sys
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

_MINUTE = 60
#: Takes away the line that a terminal shows while a step goes on.
_CLEAR = "\r\033[K"
#: Seconds between two lines for somebody who reads a log; a terminal gets its line rewritten each second.
_LOG_EVERY = 20.0
#: How many weighted seconds of work this machine must have done until its own pace counts as much as the measured one.
_TRUST = 3.0
#: A step that takes longer than expected, and doesn't say how far it is, is thought to need this share more.
_AT_LEAST = 0.25


def duration(seconds: float) -> str:
    """Return `seconds` for people: "8 s", "3 min 20 s"."""
    whole = max(0, round(seconds))
    if whole < _MINUTE:
        return f"{whole} s"
    minutes, rest = divmod(whole, _MINUTE)
    return f"{minutes} min {rest} s" if rest else f"{minutes} min"


def say(text: str) -> None:
    """Print a line about something else, while a step may go on."""
    print(f"{_CLEAR if sys.stderr.isatty() else ''}{text}", file=sys.stderr, flush=True)


def pace(elapsed: float, done: float) -> float:
    """Return the seconds that this machine needs for one second of weight; near 1 until it has done something."""
    return (elapsed + _TRUST) / (done + _TRUST)


@dataclass
class Progress:
    """Steps with weights (seconds measured on two cores); `begin` and `finish` each, `tick` while waiting.

    A step can report which share of it is done: then the time left is right from the beginning, at any pace.
    """

    weights: dict[str, float]
    _finished: set[str] = field(default_factory=set)
    _step: str = ""
    _began: float = 0.0
    #: What this run did so far in finished steps, as weight, and the seconds that it needed for that.
    _done: float = 0.0
    _worked: float = 0.0
    #: The step's last share, and the first one above 0 with its time: what a cache had before says nothing of the pace.
    _share: float | None = None
    _first: tuple[float, float] | None = None
    _detail: str = ""
    _printed: float = 0.0

    def expect(self, weights: Mapping[str, float]) -> None:
        """Add steps that come, too; one that was expected already keeps its weight."""
        self.weights = {**weights, **self.weights}

    def begin(self, step: str) -> None:
        """Start `step` and say so."""
        self._step, self._share, self._first, self._detail = step, None, None, ""
        self._began = self._printed = time.monotonic()
        self._say()

    def tick(self, share: float | None = None, detail: str = "") -> None:
        """Say how the step goes, now and then; `share`, from 0 to 1, is how much of it is done."""
        now = time.monotonic()
        self._share, self._detail = share, detail
        if share and self._first is None:
            self._first = (share, now)
        if now - self._printed >= (1.0 if sys.stderr.isatty() else _LOG_EVERY):
            self._printed = now
            self._say()

    def finish(self, cpu: float | None = None) -> None:
        """End the step and say how long it took, and how much of all cores."""
        used = "" if cpu is None else f" ({round(cpu)} s CPU)"
        done, worked = self._so_far(1.0 if self._share is None or self._first else 0.0)
        self._done, self._worked = self._done + done, self._worked + worked
        self._finished.add(self._step)
        self._write(f"{self._step}: done in {duration(time.monotonic() - self._began)}{used}", final=True)

    def left(self) -> float:
        """Return the seconds left for this step and those after it."""
        on_step, weight = time.monotonic() - self._began, self.weights[self._step]
        after = sum(it for step, it in self.weights.items() if step not in {*self._finished, self._step})
        if self._share is None:
            here = max(weight * pace(self._worked, self._done) - on_step, on_step * _AT_LEAST)
            share = on_step / max(on_step + here, 1e-9)
        else:
            share = min(1.0, self._share)
        done, worked = self._so_far(share)
        now = pace(self._worked + worked, self._done + done)
        return (here if self._share is None else weight * (1 - share) * now) + after * now

    def _so_far(self, share: float) -> tuple[float, float]:
        """Return what this run did of the step, as weight, and the seconds that it needed for that."""
        weight, now = self.weights[self._step], time.monotonic()
        if self._share is None:
            return weight * share, now - self._began
        first, since = self._first or (share, now)
        return weight * (share - first), now - since

    def _say(self) -> None:
        place = f"[{len(self._finished) + 1}/{len(self.weights)}]"
        detail = f", {self._detail}" if self._detail else ""
        self._write(f"{place} {self._step}{detail} ... about {duration(self.left())} left for everything", final=False)

    def _write(self, text: str, *, final: bool) -> None:
        if sys.stderr.isatty():
            print(f"{_CLEAR}{text}", end="\n" if final else "", file=sys.stderr, flush=True)
        else:
            print(text, file=sys.stderr, flush=True)
