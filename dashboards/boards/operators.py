"""The dashboard `inventory-operator`: whether the operator does its work, and does not do too much.

Its numbers are of all stacks that the operator has. By name it shows those that are not ready.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from dashboards.boards.board import Frame, Row, render
from dashboards.boards.panels import bars, graph, levels, number, query, query_now, runbook, thresholds, with_limits
from dashboards.boards.promql import or_zero, part, quantile, rate
from dashboards.boards.tables import Column, Rows, listing
from inventory_operator.verification.excuses import OPERATOR_NOT_SCRAPED

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dashboards.boards.board import Rendered
    from dashboards.boards.panels import Panel

FRAME = Frame(
    uid="inventory-operator",
    title="Inventory operator",
    description="The operator that keeps the stacks: reconciles, queue and writes, and the conditions of its stacks.",
    jobs="operator",
    choices=("namespace", "stack", "job"),
)
NONE_IS_GOOD = thresholds((None, "green"), (1, "red"))
#: A condition counts each stack as True, False or Unknown.
NOT_READY = 'condition="Ready", status!="True"'
PARTS = 'condition!~"Reconciling|Stalled"'
ERROR = 'result="error"'
STALLED = 'condition="Stalled", status="True"'


def operator(metric: str, *only: str) -> str:
    """Return series of the operator; `metric` without what all of them begin with."""
    return part("operator", f"inventory_operator_{metric}", *only)


def per_minute(by: str, metric: str, *only: str) -> str:
    """Return how often something happens in a minute, all operators together."""
    return f"60 * sum{by} ({rate(operator(metric, *only))})"


def now() -> Iterator[Panel]:
    """Yield six numbers that say whether the operator works."""
    yield from results()
    yield from effort()


def results() -> Iterator[Panel]:
    """Yield who works, and what is not done."""
    yield number(
        "Leaders",
        "Operators that may write: exactly one, whatever their number.",
        "none",
        or_zero(f"sum({operator('leader')})"),
        thresholds((None, "red"), (1, "green"), (2, "red")),
    ).links(runbook("OperatorNoLeader", "OperatorDown"))
    yield number(
        "Stacks not ready",
        "Stacks that lack something, by their condition Ready.",
        "none",
        or_zero(f"sum(max by (condition, status) ({operator('stacks', NOT_READY)}))"),
        thresholds((None, "green"), (1, "orange")),
    ).links(runbook("StackNotReady"))
    yield number(
        "Stacks stalled",
        "Stacks that wait for a person, by their condition Stalled; its message says for what.",
        "none",
        or_zero(f"sum(max by (condition, status) ({operator('stacks', STALLED)}))"),
        NONE_IS_GOOD,
    )


def effort() -> Iterator[Panel]:
    """Yield how much work that is."""
    yield number(
        "Errors per minute",
        "Reconciles in a minute that ended with an error; they are tried again, later and later.",
        "none",
        per_minute("", "reconcile_total", ERROR),
        thresholds((None, "green"), (1, "orange"), (6, "red")),
    ).links(runbook("OperatorReconcileErrors"))
    yield number(
        "Stacks waiting",
        "Stacks that wait for a worker; more than a few for long means that the queue is stuck.",
        "none",
        f"max({operator('workqueue_depth')})",
        thresholds((None, "green"), (5, "orange"), (50, "red")),
    ).links(runbook("OperatorQueueStuck"))
    yield number(
        "Writes per minute",
        "Write requests to the API server in a minute; while nothing changes it is 0.",
        "none",
        or_zero(per_minute("", "api_writes_total")),
        thresholds((None, "green"), (60, "orange"), (300, "red")),
    ).links(runbook("OperatorHotLoop"))


def reconciles() -> Iterator[Panel]:
    """Yield how often, how long and with what result stacks are looked at."""
    yield bars(
        "Reconciles per minute by result",
        "How often stacks are looked at; invalid is a spec that a person has to correct, error is tried again.",
        "none",
        [query(per_minute(" by (result)", "reconcile_total"), "{{result}}")],
        12,
    )
    took = operator("reconcile_duration_seconds_bucket")
    yield graph(
        "Reconcile duration",
        "Half of the reconciles are faster than p50, 95 of 100 faster than p95; 0 when there was none.",
        "s",
        [query(_or_none(quantile(share, took)), name) for share, name in ((0.95, "p95"), (0.5, "p50"))],
    )


def queue() -> Iterator[Panel]:
    """Yield whether stacks wait."""
    yield graph(
        "Queue depth",
        "Stacks that wait for a worker.",
        "none",
        [query(f"max by (instance) ({operator('workqueue_depth')})", "{{instance}}")],
        8,
    )
    waited = operator("workqueue_queue_duration_seconds_bucket")
    yield with_limits(
        graph(
            "Wait in the queue (p95)",
            "95 of 100 stacks waited less than this for a worker; 0 when none waited.",
            "s",
            [query(_or_none(quantile(0.95, waited)), "p95")],
            8,
        ),
        thresholds((None, "green"), (5, "orange"), (30, "red")),
    )
    yield graph(
        "Writes per minute by verb and kind",
        "Write requests to the API server in a minute. A kind that is written again and again is a loop or a fight.",
        "none",
        [query(or_zero(f"{per_minute(' by (verb, kind)', 'api_writes_total')} > 0", "kind"), "{{verb}} {{kind}}")],
        8,
    ).links(runbook("OperatorHotLoop"))


def stacks() -> Iterator[Panel]:
    """Yield how the stacks are."""
    counted = f"max by (condition, status) ({operator('stacks')})"
    yield levels(
        "Stacks by condition",
        "How many stacks have each condition with each status. Ready should be True, Stalled and Reconciling False.",
        "none",
        query_now(counted, "{{condition}} {{status}}"),
        thresholds((None, "blue")),
    )
    yield not_ready()


def not_ready() -> Panel:
    """Return which stacks are not ready, and why: the stack as a whole, and each of its parts."""
    by = "namespace, stack, condition"
    state, since = (f"stack_condition{name}" for name in ("", "_last_transition_timestamp_seconds"))
    false = f"max by ({by}, reason) ({operator(state, PARTS)} == 0)"
    seconds = f"{false} + on ({by}) group_left () (time() - max by ({by}) ({operator(since, PARTS)}))"
    return listing(
        "Stacks that are not ready",
        "Which stack and which part of it, why, and for how long. A stack's own Prometheus knows of no other stack.",
        Rows({name: name.title() for name in ("namespace", "stack", "condition", "reason")}, descending=True),
        Column("For", "s", or_zero(seconds, "reason")),
    ).links(runbook("StackNotReady"))


def process() -> Iterator[Panel]:
    """Yield the process itself."""
    yield graph(
        "Leader and standbys",
        "1 for the operator that holds the Lease, 0 for those that stand by.",
        "none",
        [query(f"max by (instance) ({operator('leader')})", "{{instance}}")],
        8,
    )
    yield graph(
        "Memory of the operator",
        "Resident memory of each operator.",
        "bytes",
        [query(f"max by (instance) ({part('operator', 'process_resident_memory_bytes')})", "{{instance}}")],
        8,
    )
    yield graph(
        "CPU of the operator",
        "CPU that each operator uses; 100 % is one core.",
        "percentunit",
        [query(f"sum by (instance) ({rate(part('operator', 'process_cpu_seconds_total'))})", "{{instance}}")],
        8,
    )


def _or_none(expression: str) -> str:
    """Return 0 where nothing was observed: a quantile of nothing is no number."""
    return f"{expression} >= 0 or on () vector(0)"


def inventory_operator() -> Rendered:
    """Return the dashboard."""
    rows = [
        Row("Now", now()),
        Row("Reconciles", reconciles()),
        Row("Queue and writes", queue()),
        Row("Stacks", stacks()),
        Row("The operator itself", process(), [OPERATOR_NOT_SCRAPED]),
    ]
    return render(FRAME, rows)
