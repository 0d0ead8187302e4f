"""`explain`: why a stack is not Ready or not Verified, what that means, and the next command for each reason."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click

from inventory_cli import options, output
from inventory_cli.connection import Access, run, stack_named
from inventory_cli.failure import NOT_AS_IT_SHOULD_BE, OK
from inventory_cli.findings import Finding, findings
from inventory_cli.tree import line
from inventory_cli.view import verdict

if TYPE_CHECKING:
    from rich.console import Console

Object = dict[str, Any]

EXAMPLES = """
kubectl inventory explain shop
kubectl inventory explain shop -n shop -o json
"""


@click.command(
    "explain", cls=options.Command, short_help="Say why a stack is not Ready or not Verified.", examples=EXAMPLES
)
@options.stack_name()
@options.output("table", "json", "yaml")
@options.access
def command(access: Access, *, name: str, form: str) -> int:
    """Say in sentences why a stack is not Ready or not Verified, and which command to run next for each reason.

    The exit code is 1 unless it is Ready, and Verified where the operator checks that.
    """
    stack = run(_stack(access, name))
    found = findings(stack)
    if form == "table":
        _print(output.console(), stack, found)
    else:
        output.data({"summary": summary(stack), "findings": [asdict(one) for one in found]}, form)
    return OK if verdict(stack).good else NOT_AS_IT_SHOULD_BE


async def _stack(access: Access, name: str) -> Object:
    async with access.cluster() as cluster:
        return await stack_named(cluster, access.namespace, name)


def summary(stack: Object) -> str:
    """Return one sentence on the whole."""
    found, metadata = verdict(stack), stack["metadata"]
    name = f"{metadata['namespace']}/{metadata['name']}"
    if not found.current:
        return f"{name}: nothing is known of the newest spec yet."
    ready = "Ready" if found.ready else "not Ready"
    if found.verified is None:
        return f"{name} is {ready}."
    joined = "and" if found.ready == found.verified else "but"
    return f"{name} is {ready} {joined} {'Verified' if found.verified else 'not Verified'}."


def _print(console: Console, stack: Object, found: list[Finding]) -> None:
    console.print(line((summary(stack), "bold")))
    for one in found:
        console.print()
        console.print(line((f"{one.about} is {one.status}: {one.reason}", "bold")))
        console.print(line((f"  {_sentence(one.message)}", "")))
        if one.action:
            console.print(line(("  What to do: ", "dim"), (_sentence(one.action), "")))
        console.print(line(("  Next: ", "dim"), (one.command, "")))


def _sentence(text: str) -> str:
    text = text.strip()
    # The first word may be a field: spec.paused.
    first = text.partition(" ")[0].rstrip(":,")
    begin = text[:1].upper() if first.isalpha() else text[:1]
    return f"{begin}{text[1:]}{'' if text.endswith(('.', '!', '?')) else '.'}"
