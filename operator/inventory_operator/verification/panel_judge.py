"""Judges one query of a panel: whether Prometheus returns series for it, what is missing, and whether that is excused.

What it asks for one query it remembers for the others of the same round.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final

from inventory_operator.verification import excuses
from inventory_operator.verification.selectors import has_alternative, selectors
from inventory_operator.verification.series_query import TIMEOUT, ask_series
from inventory_operator.verification.words import quoted

if TYPE_CHECKING:
    from collections.abc import Iterable

    from inventory_operator.api.stack import Spec
    from inventory_operator.verification.ask import Ask, Object
    from inventory_operator.verification.excuses import Excuse
    from inventory_operator.verification.panel_queries import PanelQuery
    from inventory_operator.verification.selectors import Selector

REFUSED: Final = "QueryRefused"
TIMED_OUT: Final = "QueryTimedOut"
METRIC_MISSING: Final = "MetricMissing"
LABEL_MISSING: Final = "LabelMissing"
EMPTY: Final = "QueryEmpty"
#: Queries of one round for which it is found out which condition selects nothing: the first is what is told.
MOST_EXPLAINED: Final = 3
_CORRECT = "correct the query, or see why Prometheus does not have it"


@dataclass(frozen=True, slots=True)
class Problem:
    """Why a panel shows nothing: the reason for programs, and what is wrong in words."""

    reason: str
    words: str


@dataclass(slots=True)
class Judge:
    """Judges the queries of one round, all of them on one Prometheus."""

    spec: Spec
    ask: Ask
    pod: Object
    _found: dict[str, bool] = field(default_factory=dict)
    _explained: int = 0

    async def judge(self, query: PanelQuery) -> Problem | Excuse | None:
        """Return what is wrong with a query, or why it may be empty; None where it returns series.

        Whether a dashboard that is not ours should have data, nobody has said: its queries are only to be valid.
        """
        result = await ask_series(self.ask, self.pod, query.expr)
        if result.refused:
            return Problem(REFUSED, f"Prometheus refuses the query: {quoted(result.refused)}")
        if result.timed_out:
            return Problem(TIMED_OUT, f"Prometheus takes longer than {TIMEOUT} for the query: make it cheaper")
        if not query.shipped or (result.found and not has_alternative(query.expr)):
            return None
        excused: Excuse | None = None
        for selector in selectors(query.expr):
            problem = await self._missing(selector)
            if problem is None:
                continue
            candidates = excuses.of_metric(selector.metric) if problem.reason == METRIC_MISSING else []
            excused = await self._holding(candidates, query)
            if excused is None:
                return problem
        if result.found or excused is not None:
            return excused
        return await self._holding(excuses.of_panel(query.uid, query.panel_id), query) or await self._empty(query)

    async def _missing(self, selector: Selector) -> Problem | None:
        """Return which metric does not exist, or which of the labels none of its series has."""
        labels = selector.labels
        if await self._has(_with(selector.metric, labels)):
            return None
        if not labels or not await self._has(selector.metric):
            return Problem(METRIC_MISSING, f"there are no series of the metric {quoted(selector.metric)}: {_CORRECT}")
        for label in labels:
            if not await self._has(_with(selector.metric, [label])):
                words = f"no series of {quoted(selector.metric)} has the label {quoted(label)}: {_CORRECT}"
                return Problem(LABEL_MISSING, words)
        return None

    async def _empty(self, query: PanelQuery) -> Problem:
        """Return which condition of a query selects nothing, where its metrics and labels exist."""
        self._explained += 1
        for selector in selectors(query.expr) if self._explained <= MOST_EXPLAINED else ():
            if await self._has(str(selector)):
                continue
            for number, matcher in enumerate(selector.matchers, start=1):
                if not await self._has(str(replace(selector, matchers=selector.matchers[:number]))):
                    words = f"no series of {quoted(selector.metric)} has {quoted(matcher)}: {_CORRECT}"
                    return Problem(EMPTY, words)
        return Problem(EMPTY, "its metrics have series, but the query returns none: correct it")

    async def _holding(self, candidates: Iterable[Excuse], query: PanelQuery) -> Excuse | None:
        """Return the first of these excuses that holds."""
        for one in candidates:
            if one.in_spec(self.spec) or (one.query and await self._has(one.filled(query.rate_interval))):
                return one
        return None

    async def _has(self, expr: str) -> bool:
        if expr not in self._found:
            result = await ask_series(self.ask, self.pod, expr)
            # What a busy Prometheus does not find in time is not missing.
            self._found[expr] = result.found or result.timed_out
        return self._found[expr]


def _with(metric: str, labels: Iterable[str]) -> str:
    """Return the selector of a metric's series that have these labels."""
    matchers = ",".join(f'{label}!=""' for label in labels)
    return f"{metric}{{{matchers}}}"
