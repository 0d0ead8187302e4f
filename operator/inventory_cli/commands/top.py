"""`top`: what a stack does and uses just now, live in the terminal."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import aiohttp
import click
from rich.console import Group
from rich.live import Live
from rich.table import Table

from inventory_cli import options, output
from inventory_cli.connection import Access, run, stack_named
from inventory_cli.failure import NO_ACCESS, OK, Failure, explained
from inventory_cli.measurements import QUESTIONS, cores, measured, mebibytes
from inventory_cli.raw import UnexpectedAnswerError
from inventory_cli.tree import line
from inventory_operator.api import metadata as meta
from inventory_operator.components.prometheus import PROMETHEUS
from inventory_operator.kube.kinds import PODS
from inventory_operator.kube.pods import is_ready, is_working

if TYPE_CHECKING:
    from rich.console import RenderableType

    from inventory_cli.raw import Raw

Object = dict[str, Any]
#: Seconds between two looks.
_PAUSE = 5.0
_NONE = "-"

EXAMPLES = """
kubectl inventory top shop -n shop
kubectl inventory top shop -n shop --once -o json
"""


@click.command("top", cls=options.Command, short_help="Show what a stack does and uses, live.", examples=EXAMPLES)
@options.stack_name()
@click.option("--once", is_flag=True, help="Print it once; so it is where the output is no terminal, or data.")
@options.output("table", "json", "yaml")
@options.access
def command(access: Access, *, name: str, once: bool, form: str) -> int:
    """Show requests, errors, stock, CPU and memory of a stack, anew every 5 s until you interrupt it.

    It asks the stack's own Prometheus through the API server (get on pods/proxy). CPU and memory are there where the
    stack has container metrics.
    """
    console = output.console()
    live = form == "table" and console.is_terminal and not once
    try:
        return run(_top(access, name, form, console if live else None))
    except UnexpectedAnswerError as error:
        raise Failure(str(error)) from None
    except (aiohttp.ClientError, TimeoutError) as error:
        words = str(error) or type(error).__name__
        raise Failure(f"can't ask Prometheus: no usable answer: {words}", NO_ACCESS) from None


async def _top(access: Access, name: str, form: str, terminal: Any) -> int:
    pod = await _prometheus(access, name)
    async with access.raw() as raw:
        if form != "table":
            output.data(await _look(raw, access, name, pod), form)
        elif terminal is None:
            output.console().print(_shown(await _look(raw, access, name, pod)))
        else:
            with Live(_shown(await _look(raw, access, name, pod)), console=terminal, auto_refresh=False) as live:
                while True:
                    await asyncio.sleep(_PAUSE)
                    live.update(_shown(await _look(raw, access, name, pod)), refresh=True)
    return OK


async def _look(raw: Raw, access: Access, name: str, pod: str) -> Object:
    return await measured(raw, access.namespace, name, pod, PROMETHEUS.port)


async def _prometheus(access: Access, name: str) -> str:
    """Return the ready pod of the stack's Prometheus; Failure where there is none."""
    namespace = access.namespace
    async with access.cluster() as cluster:
        stack = await stack_named(cluster, namespace, name)
        metadata = stack["metadata"]
        labels = meta.selector(meta.Stack(namespace, name, metadata["uid"]), PROMETHEUS.name)
        with explained("list the pods of Prometheus"):
            selector = ",".join(f"{key}={value}" for key, value in labels.items())
            pods, _ = await cluster.list(PODS, namespace, labelSelector=selector)
    ready = sorted(pod["metadata"]["name"] for pod in pods if is_working(pod) and is_ready(pod))
    if not ready:
        raise Failure(
            f"Prometheus of stack {namespace}/{name} is not ready: kubectl inventory explain {name} -n {namespace}"
        )
    return str(ready[0])


def _shown(found: Object) -> RenderableType:
    """Return the tables of what was measured."""
    whole = Table(title=None, show_header=False, box=None)
    for question in QUESTIONS:
        value = found["stack"][question.key]
        whole.add_row(question.title, _NONE if value is None else question.written(value))
    parts: list[RenderableType] = [line((f"{found['namespace']}/{found['name']}", "bold")), whole]
    if found["containers"]:
        used = Table("pod", "container", "CPU", "memory", box=None)
        for one in found["containers"]:
            cpu, memory = one.get("cpuCores"), one.get("memoryBytes")
            used.add_row(
                line((one["pod"], "")),
                line((one["container"], "")),
                _NONE if cpu is None else cores(cpu),
                _NONE if memory is None else mebibytes(memory),
            )
        parts.append(used)
    if found["lowestStock"]:
        stock = Table("lowest stock", "pieces", box=None)
        for one in found["lowestStock"]:
            stock.add_row(line((one["product"], "")), f"{one['pieces']:,.0f}")
        parts.append(stock)
    return Group(*parts)
