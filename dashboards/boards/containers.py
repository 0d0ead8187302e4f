"""The part of the overview about containers: what each uses of what the spec requests and limits.

It never needs more than the kubelets' metrics: requests and limits are recorded series.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from grafana_foundation_sdk.builders import dashboard
from grafana_foundation_sdk.models.dashboard import VariableOption

from dashboards.boards.panels import graph, query, runbook, thresholds, with_bounds, with_limits
from dashboards.boards.promql import container, rate, recorded, share
from dashboards.boards.tables import Column, Rows, listing

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dashboards.boards.panels import Panel

NAMES = ("service", "prometheus", "alertmanager", "grafana")
EACH = "by (namespace, stack, pod, container)"
ONE = 'container="$container"'
UNITS = {"cpu": "cores", "memory": "bytes"}
BOUNDS = {"request": "blue", "limit": "red"}
NEAR = thresholds((None, "green"), (0.8, "orange"), (0.95, "red"))


def chosen_container() -> dashboard.CustomVariable:
    """Return the variable that says which container is shown against its request and limit."""
    options = [VariableOption(selected=name == NAMES[0], text=name, value=name) for name in NAMES]
    return (
        dashboard.CustomVariable("container")
        .label("Container")
        .values(",".join(NAMES))
        .current(options[0])
        .options(options)
    )


def cpu(*only: str) -> str:
    """Return the cores that each container uses."""
    return f"sum {EACH} ({rate(container('container_cpu_usage_seconds_total', *only))})"


def memory(*only: str) -> str:
    """Return the bytes that each container can't give back, which is what the kernel kills for."""
    return f"max {EACH} ({container('container_memory_working_set_bytes', *only)})"


def bound(resource: str, kind: str, *only: str) -> str:
    """Return what the spec says of each container; `kind` is request or limit."""
    return recorded(f"inventory:container_{resource}_{kind}:{UNITS[resource]}", *only)


def of_pods(bounds: str) -> str:
    """Return the bound of a container once for each of its pods."""
    return f"0 * {memory()} + on (namespace, stack, container) group_left () {bounds}"


def of_limit(used: str, resource: str) -> str:
    """Return the share of its limit that each container uses."""
    return f"{used} / on (namespace, stack, container) group_left () {bound(resource, 'limit')}"


def throttled() -> str:
    """Return the share of the scheduling periods in which each container had to wait."""
    kinds = "throttled_periods", "periods"
    return share(*(f"sum by (pod, container) ({rate(container(f'container_cpu_cfs_{kind}_total'))})" for kind in kinds))


def shares() -> Iterator[Panel]:
    """Yield how close every container is to its limits."""
    for title, alert, expression, description in (
        (
            "CPU, share of the limit",
            "ContainerCPUThrottled",
            of_limit(cpu(), "cpu"),
            "CPU used by each container as a share of its limit; at 100 % it is throttled.",
        ),
        (
            "Memory, share of the limit",
            "ContainerMemoryNearLimit",
            of_limit(memory(), "memory"),
            "Memory in use by each container as a share of its limit; at 100 % the kernel kills it.",
        ),
        (
            "CPU throttling",
            "ContainerCPUThrottled",
            throttled(),
            "Share of the scheduling periods in which a container had to wait because its CPU limit was used up.",
        ),
    ):
        panel = graph(title, description, "percentunit", [query(expression, "{{pod}} {{container}}")], 8)
        yield with_limits(panel, NEAR).links(runbook(alert))


def against_bounds() -> Iterator[Panel]:
    """Yield CPU and memory of one container, beside what the spec says."""
    for title, resource, unit, used in (
        ("CPU", "cpu", "percentunit", cpu(ONE)),
        ("Memory", "memory", "bytes", memory(ONE)),
    ):
        yield with_bounds(
            graph(
                f"{title} of $container, against request and limit",
                "What each pod of the container uses, and what the spec requests and limits; 100 % of CPU is one core.",
                unit,
                [query(used, "{{pod}}"), *[query(f"max({bound(resource, kind, ONE)})", kind) for kind in BOUNDS]],
            ),
            BOUNDS,
        )


def containers() -> Iterator[Panel]:
    """Yield CPU and memory of all containers, then of one against what the spec says."""
    yield from shares()
    yield from against_bounds()
    yield (
        listing(
            "Containers now",
            "CPU (100 % is one core) and memory of each container, with what the spec requests and limits.",
            Rows({"pod": "Pod", "container": "Container"}, hidden=["namespace", "stack"], descending=True),
            Column("Memory", "bytes", memory()),
            Column("Memory request", "bytes", of_pods(bound("memory", "request"))),
            Column("Memory limit", "bytes", of_pods(bound("memory", "limit"))),
            Column("CPU", "percentunit", cpu()),
            Column("CPU request", "percentunit", of_pods(bound("cpu", "request"))),
            Column("CPU limit", "percentunit", of_pods(bound("cpu", "limit"))),
        )
        .span(24)
        .height(8)
    )
