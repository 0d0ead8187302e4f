"""`render`: every object that the stacks in files become, by the operator's own templates."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from inventory_cli import facts, options, output, stacks
from inventory_cli.failure import OK
from inventory_operator.manifests.render import render

if TYPE_CHECKING:
    from pathlib import Path

EXAMPLES = """
kubectl inventory render -f shop.yaml
kubectl inventory render -f shop.yaml -o json | jq -r '.items[].kind'
kubectl inventory render -f shop.yaml -n shop --facts production.yaml
"""


@click.command("render", cls=options.Command, short_help="Print the objects that files become.", examples=EXAMPLES)
@options.files
@options.facts
@click.option("-n", "--namespace", default="default", show_default=True, help="Namespace of stacks that name none.")
@options.output("yaml", "json")
def command(files: tuple[Path, ...], more: tuple[Path, ...], facts_file: Path | None, namespace: str, form: str) -> int:
    """Print the objects that the stacks in files become; needs no cluster.

    The code and the templates are the operator's. What it knows beside the file, like digests of Secrets, is missing
    unless --facts has it; the values of generated Secrets are never shown.
    """
    known = facts.read(facts_file)
    objects: list[dict[str, Any]] = []
    for one in stacks.read([*files, *more]):
        spec = one.spec()
        stack = one.identity(namespace, known.stack_uid)
        objects += render(stack, spec, known.inputs(spec, stack.namespace))
    output.objects(objects, form)
    return OK
