"""`status`: how stacks are, as a tree."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any

import click

from inventory_cli import options, output
from inventory_cli.connection import Access, all_stacks, run, stack_named
from inventory_cli.failure import FORBIDDEN, NOT_AS_IT_SHOULD_BE, OK, explained
from inventory_cli.tree import tree
from inventory_cli.view import verdict, view
from inventory_operator.api.metadata import STACK_LABEL
from inventory_operator.kube.client import ApiError
from inventory_operator.kube.kinds import PODS

if TYPE_CHECKING:
    from inventory_operator.kube.client import Cluster

Object = dict[str, Any]
#: Seconds between two looks; each is two small requests.
_PAUSE = 2.0

EXAMPLES = """
kubectl inventory status
kubectl inventory status shop -n shop
kubectl inventory status shop -n shop --watch
kubectl inventory status --all-namespaces -o json
"""


@click.command("status", cls=options.Command, short_help="Show how stacks are, as a tree.", examples=EXAMPLES)
@options.stack_name(required=False)
@click.option("-A", "--all-namespaces", is_flag=True, help="The stacks of every namespace.")
@click.option("-w", "--watch", is_flag=True, help="Print it again at each change, until you interrupt it.")
@options.output("table", "json", "yaml")
@options.access
def command(access: Access, *, name: str | None, all_namespaces: bool, watch: bool, form: str) -> int:
    """Show stacks as a tree: conditions, components with their pods, targets and checks, each with its reason.

    The exit code is 1 unless every stack that is shown is Ready, and Verified where the operator checks that.
    """
    if name and all_namespaces:
        raise click.UsageError("a name and --all-namespaces exclude each other")
    namespace = None if all_namespaces else access.namespace
    return run(_show(access, namespace, name, form, watch=watch))


async def _show(access: Access, namespace: str | None, name: str | None, form: str, *, watch: bool) -> int:
    async with access.cluster() as cluster:
        stacks = await _stacks(cluster, namespace, name)
        shown = await _print(cluster, stacks, form, namespace, [])
        while watch:
            await asyncio.sleep(_PAUSE)
            stacks = await _stacks(cluster, namespace, name)
            shown = await _print(cluster, stacks, form, namespace, shown)
    return OK if all(verdict(one).good for one in stacks) else NOT_AS_IT_SHOULD_BE


async def _stacks(cluster: Cluster, namespace: str | None, name: str | None) -> list[Object]:
    if name and namespace:
        return [await stack_named(cluster, namespace, name)]
    return await all_stacks(cluster, namespace)


async def _print(
    cluster: Cluster, stacks: list[Object], form: str, namespace: str | None, before: list[Object]
) -> list[Object]:
    """Print stacks where they are others than before; return what is shown of them."""
    found = [view(one, await _pods(cluster, one["metadata"])) for one in stacks]
    if before and found == before:
        return found
    if form != "table":
        output.data(found, form)
        return found
    console = output.console()
    if before:
        console.rule(time.strftime("%H:%M:%S"))
    if not found:
        click.echo(f"no stacks in {f'namespace {namespace}' if namespace else 'any namespace'}", err=True)
    for one in found:
        console.print(tree(one))
    return found


async def _pods(cluster: Cluster, metadata: Object) -> list[Object] | None:
    """Return the pods of a stack; None where the user may not list them."""
    with explained("list pods"):
        try:
            selector = f"{STACK_LABEL}={metadata['name']}"
            found, _ = await cluster.list(PODS, metadata["namespace"], labelSelector=selector)
        except ApiError as error:
            if error.code == FORBIDDEN:
                return None
            raise
    return found
