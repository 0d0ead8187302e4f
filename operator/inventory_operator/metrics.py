"""The operator's own metrics, in the words of controller-runtime where it has one for the thing.

They are counted where the thing happens.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import TYPE_CHECKING

from prometheus_client import Counter, Gauge, Histogram, Info, disable_created_metrics
from prometheus_client.core import GaugeMetricFamily

from inventory_operator.version import __version__

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping

    from prometheus_client import Metric

disable_created_metrics()  # type: ignore[no-untyped-call]

RECONCILES = Counter("inventory_operator_reconcile_total", "Reconciles by result.", ["result"])
RECONCILE_SECONDS = Histogram(
    "inventory_operator_reconcile_duration_seconds",
    "Time one reconcile took.",
    buckets=(0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 5, 30),
)
QUEUE_DEPTH = Gauge("inventory_operator_workqueue_depth", "Stacks that wait for a worker.")
QUEUE_SECONDS = Histogram(
    "inventory_operator_workqueue_queue_duration_seconds",
    "Time a stack waited for a worker.",
    buckets=(0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 5, 30),
)
WRITES = Counter("inventory_operator_api_writes_total", "Write requests to the API server.", ["verb", "kind"])
LEADER = Gauge("inventory_operator_leader", "1 while this process holds the Lease.")
SYNCED = Gauge("inventory_operator_synced", "1 once every kind was listed.")
WATCH_FAILURES = Counter(
    "inventory_operator_watch_failures_total", "Lists and watches that broke, by the kind they follow.", ["kind"]
)
CACHE_REFUSED = Counter(
    "inventory_operator_cache_refused_total",
    "Objects that were not kept: their namespace exceeds its share of the cache.",
)
BUILD = Info("inventory_operator_build", "Version of the operator.")
BUILD.info({"version": __version__})

for _result in ("success", "waiting", "invalid", "error"):
    RECONCILES.labels(_result)

#: Of one namespace: who may create stacks there must not fill every Prometheus that collects these metrics.
MOST_STACKS = 50
_VALUES = {"True": 1.0, "False": 0.0}


@dataclass(frozen=True, slots=True)
class StackConditions:
    """The conditions of stacks as this process reported them last; one that does not lead has reported none.

    Their types and reasons are words of the operator. Messages are not exported, nor what others write into a status.
    """

    _conditions: dict[tuple[str, str], Collection[Mapping[str, str]]] = field(default_factory=dict)
    #: The status of each check.
    _checks: dict[tuple[str, str], Mapping[str, str]] = field(default_factory=dict)
    #: The only stacks that are named; empty for all of them.
    _namespace: str = ""
    _stack: str = ""
    #: Whether any is named.
    _names: bool = True

    def report(
        self, key: tuple[str, str], conditions: Collection[Mapping[str, str]], checks: Mapping[str, str] | None = None
    ) -> None:
        """Take in all conditions of one stack, named by its namespace and name, and the status of each check."""
        self._conditions[key] = conditions
        self._checks[key] = checks or {}

    def forget(self, key: tuple[str, str]) -> None:
        """Drop a stack that is gone."""
        self._conditions.pop(key, None)
        self._checks.pop(key, None)

    def clear(self) -> None:
        """Drop all stacks: another operator looks after them."""
        self._conditions.clear()
        self._checks.clear()

    def only(self, namespace: str, stack: str) -> StackConditions:
        """Return the same, that names only the stacks of a namespace, of a name or, with both, the one."""
        return replace(self, _namespace=namespace, _stack=stack)

    def without_names(self) -> StackConditions:
        """Return the same, that names no stack."""
        return replace(self, _names=False)

    def collect(self) -> Iterator[Metric]:
        """Yield how many stacks there are by condition, then the conditions of those that are named."""
        yield self._counts()
        if self._names:
            yield from self._of_each()

    def _counts(self) -> Metric:
        name, text = "inventory_operator_stacks", "Stacks by the status of a condition."
        counts: dict[tuple[str, str], int] = {}
        for conditions in self._conditions.values():
            for one in conditions:
                of = (one["type"], one["status"])
                counts[of] = counts.get(of, 0) + 1
        found = GaugeMetricFamily(name, text, labels=["condition", "status"])
        for labels, count in counts.items():
            found.add_metric(labels, count)
        return found

    def _of_each(self) -> Iterator[Metric]:
        name, labels = "inventory_operator_stack_condition", ["namespace", "stack", "condition"]
        state = GaugeMetricFamily(name, "1 where a condition is True, 0 where it is False.", labels=[*labels, "reason"])
        text = "When the status of a condition changed."
        since = GaugeMetricFamily(f"{name}_last_transition_timestamp_seconds", text, labels=labels)
        check = GaugeMetricFamily(
            "inventory_operator_stack_check",
            "1 for the status that a check of a stack has.",
            labels=["namespace", "stack", "check", "status"],
        )
        named: dict[str, int] = {}
        for key, conditions in self._conditions.items():
            if (self._namespace or key[0], self._stack or key[1]) != key:
                continue
            named[key[0]] = named.get(key[0], 0) + 1
            for one in conditions if named[key[0]] <= MOST_STACKS else ():
                of = [*key, one["type"]]
                if (seconds := _timestamp(one["lastTransitionTime"])) is not None:
                    since.add_metric(of, seconds)
                if one["status"] in _VALUES:
                    state.add_metric([*of, one["reason"]], _VALUES[one["status"]])
            for one_check, status in self._checks.get(key, {}).items() if named[key[0]] <= MOST_STACKS else ():
                check.add_metric([*key, one_check, status], 1.0)
        yield from (state, since, check)
        text = "Stacks whose conditions are not exported: too many in their namespace."
        left_out = sum(max(count - MOST_STACKS, 0) for count in named.values())
        yield GaugeMetricFamily("inventory_operator_stacks_not_exported", text, value=left_out)


def _timestamp(time: str) -> float | None:
    """Return RFC 3339 as seconds; None for what others wrote into a status and Python can't read, as 23:59:60."""
    try:
        return datetime.fromisoformat(time).timestamp()
    except ValueError:
        return None


STACK_CONDITIONS = StackConditions()
