"""`version`: of this program, of the operators that look after stacks, and of Kubernetes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from inventory_cli import options, output
from inventory_cli.connection import Access, all_stacks, run
from inventory_cli.failure import OK, Failure, explained, shortened
from inventory_operator.version import __version__

if TYPE_CHECKING:
    from collections.abc import Iterable

Object = dict[str, Any]

EXAMPLES = """
kubectl inventory version
kubectl inventory version --client -o json
"""


@click.command("version", cls=options.Command, short_help="Print versions.", examples=EXAMPLES)
@click.option("--client", is_flag=True, help="Only the version of this program; asks no cluster.")
@options.output("table", "json", "yaml")
@options.access
def command(access: Access, *, client: bool, form: str) -> int:
    """Print the versions of this program, of the operators of the stacks in the namespace, and of Kubernetes."""
    found: Object = {"client": __version__}
    if not client:
        found |= run(of_cluster(access))
    if form != "table":
        output.data(found, form)
        return OK
    for name, version in found.items():
        words = ", ".join(version) if isinstance(version, list) else version
        click.echo(f"{name}: {shortened(str(words)) or 'none'}")
    return OK


async def of_cluster(access: Access) -> Object:
    """Return the versions that are in a cluster: of operators as statuses tell them, and of Kubernetes."""
    namespace = access.namespace
    async with access.cluster() as cluster:
        with explained("ask the version of Kubernetes"):
            kubernetes = (await cluster.request("GET", "/version")).get("gitVersion", "unknown")
        try:
            operators = _operators(await all_stacks(cluster, namespace))
        except Failure:
            operators = ["unknown: stacks can't be listed"]
    return {"kubernetes": kubernetes, "operators": operators}


def _operators(stacks: Iterable[Object]) -> list[str]:
    return sorted({str(stack.get("status", {}).get("operatorVersion") or "not told") for stack in stacks})
