"""What `top` shows of a stack: the questions to its own Prometheus, by the series that its dashboards use."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from inventory_cli.raw import query

if TYPE_CHECKING:
    from collections.abc import Callable

    from inventory_cli.raw import Raw

Object = dict[str, Any]
#: Stands for the label matchers of one stack.
_STACK = "STACK"
_STOCK, _THRESHOLD = "inventory:product_stock_level{STACK}", "inventory:product_low_stock_threshold{STACK}"
_CONTAINERS = 'STACK, job="cadvisor", container!="", image!=""'
#: Rows of the tables, at most.
MOST_CONTAINERS, MOST_PRODUCTS = 30, 10


@dataclass(frozen=True, slots=True)
class Question:
    """A number of the whole stack: its name for programs and for people, and how Prometheus is asked."""

    key: str
    title: str
    expression: str
    written: Callable[[float], str]


def _rate(value: float) -> str:
    return f"{value:.2f}/s"


def _percent(value: float) -> str:
    return f"{value:.2%}"


def _milliseconds(value: float) -> str:
    return f"{value * 1000:.0f} ms"


def _number(value: float) -> str:
    return f"{value:,.0f}"


def cores(value: float) -> str:
    """Return CPU cores as Kubernetes writes them."""
    return f"{value * 1000:.0f}m"


def mebibytes(value: float) -> str:
    """Return bytes as Kubernetes writes them."""
    return f"{value / 2**20:.0f}Mi"


QUESTIONS = (
    Question("requestsPerSecond", "requests (5 min)", "sum(inventory:http_requests:rate5m{STACK})", _rate),
    Question("errorRatio", "errors (5 min)", "max(inventory:http_requests_errors:ratio_rate5m{STACK})", _percent),
    Question("p95Seconds", "95 % within", "max(inventory:http_request_duration_seconds:p95_5m{STACK})", _milliseconds),
    Question("targetsUp", "service pods scraped", 'sum(up{STACK, job="service"})', _number),
    Question("products", "products", f"count({_STOCK})", _number),
    Question("pieces", "pieces in stock", f"sum({_STOCK})", _number),
    Question("lowOnStock", "low on stock", f"count({_STOCK} <= {_THRESHOLD}) or vector(0)", _number),
    Question("outOfStock", "out of stock", f"count({_STOCK} <= 0) or vector(0)", _number),
)
_CPU = f"sum by (pod, container) (rate(container_cpu_usage_seconds_total{{{_CONTAINERS}}}[2m]))"
_MEMORY = f"max by (pod, container) (container_memory_working_set_bytes{{{_CONTAINERS}}})"
_LOWEST = f"bottomk({MOST_PRODUCTS}, {_STOCK})"


async def measured(raw: Raw, namespace: str, name: str, pod: str, port: int) -> Object:
    """Return what a stack does and uses, from the Prometheus in `pod`; a number that there is not is None.

    Raises:
        UnexpectedAnswerError: Prometheus answers with an error, or something else does.

    """
    matchers = f'namespace="{namespace}", stack="{name}"'

    async def ask(expression: str) -> list[Object]:
        return await query(raw, namespace, pod, port, expression.replace(_STACK, matchers))

    numbers = await asyncio.gather(*(ask(question.expression) for question in QUESTIONS))
    cpu, memory, lowest = await asyncio.gather(ask(_CPU), ask(_MEMORY), ask(_LOWEST))
    return {
        "namespace": namespace,
        "name": name,
        "stack": {one.key: _first(found) for one, found in zip(QUESTIONS, numbers, strict=True)},
        "containers": _containers(cpu, memory),
        "lowestStock": [
            {"product": _product(one["metric"]), "pieces": one["value"]}
            for one in sorted(lowest, key=lambda one: (one["value"], _product(one["metric"])))[:MOST_PRODUCTS]
        ],
    }


def _first(found: list[Object]) -> float | None:
    value = found[0]["value"] if found else None
    # NaN is no number in JSON.
    return value if value is not None and value == value else None  # noqa: PLR0124


def _product(labels: Object) -> str:
    return str(labels.get("product_name") or labels.get("sku") or labels.get("product_id") or "")


def _containers(cpu: list[Object], memory: list[Object]) -> list[Object]:
    used: dict[tuple[str, str], Object] = {}
    for key, found in (("cpuCores", cpu), ("memoryBytes", memory)):
        for one in found:
            place = (str(one["metric"].get("pod", "")), str(one["metric"].get("container", "")))
            used.setdefault(place, {"pod": place[0], "container": place[1]})[key] = one["value"]
    return [used[place] for place in sorted(used)][:MOST_CONTAINERS]
