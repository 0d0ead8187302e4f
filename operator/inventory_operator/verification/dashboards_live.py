"""Checks that the stack's Prometheus has series for every panel of its dashboards, or that there can't be any yet.

After a change all queries are asked at once, else a few in each round, so that each is asked every 15 minutes.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Final

from inventory_operator.api.quantities import duration_seconds
from inventory_operator.kube.pods import conditions, is_ready
from inventory_operator.verification.answer import Answer, Outcome
from inventory_operator.verification.ask import UnansweredError
from inventory_operator.verification.excuses import ALL, Excuse
from inventory_operator.verification.panel_judge import REFUSED, TIMED_OUT, Judge, Problem
from inventory_operator.verification.prometheus import PORT
from inventory_operator.verification.words import quoted

if TYPE_CHECKING:
    from collections.abc import Callable

    from inventory_operator.api.stack import Spec
    from inventory_operator.verification.ask import Ask, Object
    from inventory_operator.verification.dashboards import Dashboards
    from inventory_operator.verification.panel_queries import PanelQuery
    from inventory_operator.verification.subject import Subject

CHECK: Final = "DashboardsLive"
#: Seconds from one look at all queries to the next, while nothing changes.
EVERY_SECONDS: Final = 15 * 60.0
#: Queries of a round meanwhile, and seconds of a round in which all are asked.
A_FEW: Final = 8
ROUND_SECONDS: Final = 5.0
#: Of the panels that were told to be without series, these are asked again in each round: the first is what is told.
#: Those that may just be late are all asked again.
AGAIN: Final = 2
#: Seconds after a pod became ready or the spec changed in which series may be missing: Prometheus reads a new
#: configuration, scrapes twice, and evaluates the slowest group of rules after a minute.
YOUNG_SECONDS: Final = 90.0
#: A scrape that failed takes all series of its target away until the next one.
SCRAPES: Final = 1.25
#: How often in a row a query must have taken too long.
TIMES: Final = 3
#: Characters of a title in a message.
_TITLE: Final = 60
_NOT_CHECKED: Final = Answer(
    CHECK, Outcome.UNKNOWN, "NotChecked", "panels were not all looked at yet, or have had no series for a moment only"
)
#: Whose pods panels are about.
_PARTS = ("service", "prometheus", "alertmanager", "grafana")


@dataclass(slots=True)
class _Found:
    """A panel without series: what is wrong, since when, and in how many rounds in a row."""

    problem: Problem
    since: float
    times: int = 1


@dataclass(slots=True)
class State:
    """What is remembered of the queries of one stack from round to round."""

    #: Seconds that only ever grow.
    clock: Callable[[], float] = time.monotonic
    #: Seconds since 1970, with which the times of pods are compared.
    now: Callable[[], float] = time.time
    #: Why queries returned nothing although all is well, by their place.
    excused: dict[int, Excuse] = field(default_factory=dict)
    _found: dict[int, _Found] = field(default_factory=dict)
    #: The place of the query that is asked next, and when the first one was.
    _next: int = 0
    _began: float = 0.0
    #: Whether all are asked at once.
    _changed: bool = True
    _dashboards: Dashboards | None = None
    _spec: Spec | None = None
    _spec_since: float = float("-inf")
    _is_young: bool = False
    #: All that a change of means that every query is asked again.
    _seen: object = None
    _answer: Answer | None = None

    @property
    def is_complete(self) -> bool:
        """Whether every query was asked since something changed, or its time was there."""
        return self._dashboards is not None and self._next >= len(self._dashboards.queries)

    def look(self, subject: Subject, dashboards: Dashboards) -> None:
        """Take in what there is to ask; begin anew where that is another thing than the last time."""
        now, spec = self.clock(), subject.spec.model_copy(update={"paused": False})
        if dashboards != self._dashboards:
            self._answer = None
            self._found.clear()
            self.excused.clear()
        if self._spec is not None and self._spec != spec:
            self._spec_since = now
        self._is_young = now - self._spec_since < YOUNG_SECONDS or self._has_new_pods(subject)
        pods = frozenset(pod["metadata"]["uid"] for part in _PARTS for pod in subject.pods(part))
        seen = (dashboards, spec, pods, self._is_young)
        if seen != self._seen:
            self._begin(changed=True)
        elif self.is_complete and now - self._began >= EVERY_SECONDS:
            self._begin(changed=False)
        self._dashboards, self._spec, self._seen = dashboards, spec, seen

    async def ask(self, judge: Judge) -> None:
        """Ask the queries whose turn it is."""
        assert self._dashboards
        until, last = self.clock() + ROUND_SECONDS, self._next + A_FEW
        told = [place for place in sorted(self._found) if self._is_told(self._found[place])]
        waiting = [place for place in sorted(self._found) if place not in told]
        for place in (*told[:AGAIN], *waiting):
            if self.clock() >= until:
                break
            await self._judge(place, judge)
            if place in told and place not in self._found and self.is_complete:
                # So may others be.
                self._begin(changed=True)
        while not self.is_complete and self.clock() < until and (self._changed or self._next < last):
            await self._judge(self._next, judge)
            self._next += 1

    def answer(self) -> Answer:
        """Return what the queries say so far: the last answer stays until all of them were asked."""
        assert self._dashboards
        told = [place for place in sorted(self._found) if self._is_told(self._found[place])]
        if self._dashboards.unreadable:
            words = f"{quoted(self._dashboards.unreadable[0])} in Grafana's ConfigMap is not a dashboard: correct it"
            self._answer = Answer(CHECK, Outcome.FAILED, "DashboardUnreadable", words)
        elif told:
            more = f"; and {len(told) - 1} more" if self.is_complete and len(told) > 1 else ""
            found = self._found[told[0]].problem
            words = f"{_place(self._dashboards.queries[told[0]])}: {found.words}{more}"
            self._answer = Answer(CHECK, Outcome.FAILED, found.reason, words)
        elif self.is_complete and not self._found:
            self._answer = Answer(CHECK, Outcome.PASSED, CHECK, self._evidence())
        return self._answer or _NOT_CHECKED

    async def _judge(self, place: int, judge: Judge) -> None:
        assert self._dashboards
        verdict = await judge.judge(self._dashboards.queries[place])
        before = self._found.pop(place, None)
        self.excused.pop(place, None)
        if isinstance(verdict, Excuse):
            self.excused[place] = verdict
        elif verdict is not None:
            since, times = (before.since, before.times + 1) if before else (self.clock(), 1)
            self._found[place] = _Found(verdict, since, times)

    def _begin(self, *, changed: bool) -> None:
        self._next, self._began, self._changed = 0, self.clock(), changed

    def _is_told(self, found: _Found) -> bool:
        """Tell whether a panel has been without series for so long that it is no accident."""
        assert self._spec
        if found.problem.reason == REFUSED:
            return True
        if found.problem.reason == TIMED_OUT:
            return found.times >= TIMES
        scrape = duration_seconds(self._spec.prometheus.scrape_interval)
        return not self._is_young and self.clock() - found.since >= SCRAPES * scrape

    def _has_new_pods(self, subject: Subject) -> bool:
        pods = (pod for part in _PARTS for pod in subject.pods(part) if is_ready(pod))
        return any(self.now() - _ready_since(pod) < YOUNG_SECONDS for pod in pods)

    def _evidence(self) -> str:
        assert self._dashboards
        assert self._spec
        spec, count = self._spec, len(self._dashboards.queries)
        off = [one.message for one in ALL if one in self.excused.values() and one.in_spec(spec)]
        none = f"; none are expected while {', '.join(off)}" if off else ""
        return f"all {count} queries of panels return series where there can be some{none}"


async def check(subject: Subject, ask: Ask, dashboards: Dashboards | None, state: State) -> Answer:
    """Ask the queries whose turn it is, and return what all of them say so far; None where no dashboard is mounted."""
    if not subject.spec.grafana.enabled:
        return Answer(CHECK, Outcome.SKIPPED, "GrafanaDisabled", "spec.grafana.enabled is false")
    pod = next((pod for pod in subject.pods("prometheus") if is_ready(pod)), None)
    if pod is None:
        words = "no pod of Prometheus is ready: see PrometheusAvailable"
        return Answer(CHECK, Outcome.UNKNOWN, "PrometheusNotReady", words)
    if dashboards is None:
        return _NOT_CHECKED
    state.look(subject, dashboards)
    try:
        await state.ask(Judge(subject.spec, ask, pod))
    except UnansweredError as error:
        words = f"pod {pod['metadata']['name']} {error} at port {PORT}: read its log"
        return Answer(CHECK, Outcome.UNKNOWN, "PrometheusNotAnswering", words)
    return state.answer()


def _place(query: PanelQuery) -> str:
    return f'panel "{quoted(query.panel, _TITLE)}" of "{quoted(query.dashboard, _TITLE)}", query {quoted(query.ref, 8)}'


def _ready_since(pod: Object) -> float:
    """Return when a pod became ready, in seconds since 1970; long ago where it does not say."""
    try:
        return datetime.fromisoformat(conditions(pod)["Ready"]["lastTransitionTime"]).timestamp()
    except (KeyError, TypeError, ValueError):
        return 0.0
