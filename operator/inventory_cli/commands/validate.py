"""`validate`: what is wrong with stacks in files, by the code with which the operator reads them."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import click

from inventory_cli import facts, options, output, stacks
from inventory_cli.failure import NOT_AS_IT_SHOULD_BE, OK, shortened
from inventory_operator.api.metadata import COMPONENT_LABEL, names
from inventory_operator.components import enabled
from inventory_operator.components.config_tools import ConfigChecker
from inventory_operator.components.limited_process import ProgramMissingError
from inventory_operator.manifests.render import render

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from inventory_cli.facts import Facts
    from inventory_cli.stacks import StackFile

#: The namespace of stacks that name none: no name depends on it but those of cluster-scoped objects.
_NAMESPACE = "default"
Problem = dict[str, str]

EXAMPLES = """
kubectl inventory validate -f shop.yaml
kubectl inventory validate -f examples/*.yaml
kubectl inventory validate -f shop.yaml --facts production.yaml -o json
"""


@click.command("validate", cls=options.Command, short_help="Say what is wrong with files.", examples=EXAMPLES)
@options.files
@options.facts
@options.output("table", "json", "yaml")
def command(files: tuple[Path, ...], more: tuple[Path, ...], facts_file: Path | None, form: str) -> int:
    """Say what is wrong with the stacks in files; needs no cluster.

    The code is the operator's. With --facts it also says what the operator's settings do not permit. A configuration
    with words of yours in it is judged by promtool or amtool, where they are on the PATH, as the operator does it.
    """
    known = facts.read(facts_file)
    checker = ConfigChecker()
    found: list[dict[str, Any]] = [
        {
            "file": one.file,
            "name": shortened(one.name),
            "problems": asyncio.run(_problems(one, known, checker, given=facts_file is not None)),
        }
        for one in stacks.read([*files, *more])
    ]
    if form == "table":
        for entry in found:
            for line in [_line(problem) for problem in entry["problems"]] or ["ok"]:
                click.echo(f"{entry['file']}: {entry['name']}: {line}")
    else:
        output.data(found, form)
    return NOT_AS_IT_SHOULD_BE if any(entry["problems"] for entry in found) else OK


def _line(problem: Problem) -> str:
    return f"{problem['path']}: {problem['message']}" if problem["path"] else problem["message"]


async def _problems(one: StackFile, known: Facts, checker: ConfigChecker, *, given: bool) -> list[Problem]:
    if problems := one.problems():
        return [_problem("InvalidSpec", path, message) for path, message in problems]
    found = [problem async for problem in _configuration(one, known, checker)]
    if given:
        namespace = one.namespace(_NAMESPACE)
        refusals = known.refusals(one.spec(), names(one.identity(namespace)), namespace)
        found += [_problem(refusal.reason, "", refusal.message) for refusal in refusals]
    return found


def _problem(reason: str, path: str, message: str) -> Problem:
    return {"reason": reason, "path": path, "message": shortened(message)}


async def _configuration(one: StackFile, known: Facts, checker: ConfigChecker) -> AsyncIterator[Problem]:
    """Yield what the programs that read a configuration say of it; a note where there is no such program."""
    spec, namespace = one.spec(), one.namespace(_NAMESPACE)
    checks = [(part.name, check) for part in enabled(spec) for check in part.config_checks(spec)]
    if not checks:
        return
    rendered = render(one.identity(namespace), spec, known.inputs(spec, namespace))
    maps = {obj["metadata"]["labels"][COMPONENT_LABEL]: obj for obj in rendered if obj["kind"] == "ConfigMap"}
    for component, check in checks:
        try:
            problem = await checker.check(namespace, check.tool, maps[component]["data"][check.file])
        except ProgramMissingError as error:
            click.echo(f"note: {one.file}: {one.name}: {check.file} was not checked: {error}", err=True)
            continue
        if problem:
            yield _problem("InvalidConfiguration", "", f"{check.file}: {problem}")
