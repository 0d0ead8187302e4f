"""Turns what was observed of one stack into its row of the table.

A pure function of the states of Prometheus' alerts and of what was delivered.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from tests.faults.receiver import Delivery

#: Always fires, and is meant for a heartbeat only.
ALWAYS = "Watchdog"
INACTIVE = "inactive"
_WORST = (INACTIVE, "pending", "firing")


@dataclass(frozen=True, slots=True)
class Change:
    """An alert went to another state, `inactive`, `pending` or `firing`, by Prometheus at that time."""

    at: float
    alert: str
    state: str


@dataclass(slots=True)
class Times:
    """When what was done to a stack; None while it was not. Seconds since 1970."""

    quiet: float | None = None
    fault: float | None = None
    recovery: float | None = None


@dataclass(frozen=True, slots=True)
class Expectation:
    """What is right: the one alert that is delivered, None for no alert, and what may be delivered after recovery."""

    alert: str | None = None
    afterwards: frozenset[str] = frozenset()


@dataclass(slots=True)
class Row:
    """One line of the table; times in seconds, None where it did not happen."""

    name: str
    what: str
    alert: str | None = None
    firing: float | None = None
    delivered: float | None = None
    resolved: float | None = None
    #: What else was not inactive after the fault, and was not delivered: alert -> firing, inhibited or pending.
    others: dict[str, str] = field(default_factory=dict)
    #: What was delivered after recovery, as is right for this fault.
    afterwards: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)


def states(alerts: Iterable[Mapping[str, Any]]) -> dict[str, str]:
    """Return the worst state of each alert, as `/api/v1/alerts` lists them (labels, state)."""
    found: dict[str, str] = {}
    for alert in alerts:
        name, state = alert["labels"]["alertname"], alert["state"]
        found[name] = max(found.get(name, INACTIVE), state, key=_WORST.index)
    return found


def changes(before: Mapping[str, str], now: Mapping[str, str], at: float) -> list[Change]:
    """Return what changed between two answers of Prometheus."""
    return [
        Change(at, name, now.get(name, INACTIVE))
        for name in sorted(before.keys() | now.keys())
        if before.get(name, INACTIVE) != now.get(name, INACTIVE)
    ]


def complete(
    row: Row,
    expected: Expectation,
    times: Times,
    seen: Sequence[Change],
    deliveries: Sequence[Delivery],
    inhibited: Iterable[str] = (),
) -> Row:
    """Fill in `row` from the evidence, and say what is not as expected."""
    row.alert = expected.alert
    began, recovered = times.fault, times.recovery
    if began is not None and expected.alert:
        row.firing = _after(began, (c.at for c in seen if (c.alert, c.state) == (expected.alert, "firing")))
        row.delivered = _after(began, _times(deliveries, expected.alert, "firing"))
    if recovered is not None and expected.alert:
        row.resolved = _after(recovered, _times(deliveries, expected.alert, "resolved"))
    row.others = _others(expected, times, seen, deliveries, set(inhibited))
    row.afterwards = sorted(
        {d.alert for d in deliveries if d.alert in expected.afterwards and recovered and d.at > recovered}
    )
    row.problems += _problems(row, expected, times, seen, deliveries)
    return row


def _times(deliveries: Iterable[Delivery], alert: str, status: str) -> list[float]:
    return [d.at for d in deliveries if (d.alert, d.status) == (alert, status)]


def _after(since: float, times: Iterable[float]) -> float | None:
    return min((at - since for at in times if at >= since), default=None)


def _others(
    expected: Expectation,
    times: Times,
    seen: Sequence[Change],
    deliveries: Sequence[Delivery],
    inhibited: set[str],
) -> dict[str, str]:
    """Return the worst state since the fault of what was not delivered."""
    hidden = {d.alert for d in deliveries} | {expected.alert, ALWAYS}
    since = times.fault or times.quiet or 0.0
    found: dict[str, str] = {}
    for change in seen:
        if change.at >= since and change.state != INACTIVE and change.alert not in hidden:
            found[change.alert] = max(found.get(change.alert, INACTIVE), change.state, key=_WORST.index)
    return {name: "inhibited" if state == "firing" and name in inhibited else state for name, state in found.items()}


def _problems(
    row: Row, expected: Expectation, times: Times, seen: Sequence[Change], deliveries: Sequence[Delivery]
) -> list[str]:
    found = []
    began, recovered = times.fault, times.recovery
    early = {c.alert for c in seen if c.state == "firing" and times.quiet and times.quiet < c.at < (began or 0.0)}
    found += [f"{name} fired before the fault" for name in sorted(early - {ALWAYS})]
    for name in dict.fromkeys(d.alert for d in deliveries):
        times_of = [d.at for d in deliveries if d.alert == name]
        if name != expected.alert and not (name in expected.afterwards and recovered and min(times_of) > recovered):
            when = "" if began is None else f", {min(times_of) - began:+.0f} s from the fault"
            found.append(f"{name} was delivered{when}")
    if expected.alert and began is not None:
        missing = {"fire": row.firing, "reach the receiver": row.delivered}
        found += [f"{expected.alert} did not {what}" for what, at in missing.items() if at is None]
    if expected.alert and recovered is not None and row.resolved is None:
        found.append(f"{expected.alert} was not resolved at the receiver")
    return found
