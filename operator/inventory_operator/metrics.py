"""The operator's own metrics, in the words of controller-runtime where it has one for the thing.

They are counted where the thing happens.
"""

from __future__ import annotations

from prometheus_client import Counter, Gauge, Histogram, Info, disable_created_metrics

from inventory_operator.version import __version__

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
STACKS = Gauge("inventory_operator_stacks", "Stacks by the status of a condition.", ["condition", "status"])
BUILD = Info("inventory_operator_build", "Version of the operator.")
BUILD.info({"version": __version__})

for _result in ("success", "waiting", "invalid", "error"):
    RECONCILES.labels(_result)
