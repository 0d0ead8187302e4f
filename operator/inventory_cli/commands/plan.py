"""`plan`: what applying a file would do to each object of its stack, before anything is done."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import click
from rich.tree import Tree

from inventory_cli import foretelling, options, output, stacks
from inventory_cli.connection import Access, run
from inventory_cli.data_risks import data_risks
from inventory_cli.differences import paths, told
from inventory_cli.dry_run import asked
from inventory_cli.failure import FORBIDDEN, NOT_AS_IT_SHOULD_BE, OK, UNAUTHORIZED, Failure, explained
from inventory_cli.foretelling import Change, Effect
from inventory_cli.live import Live, children
from inventory_cli.tree import BAD, GOOD, OPEN, QUIET, line
from inventory_operator.api import metadata as meta
from inventory_operator.api.stack import InvalidSpec, Spec, parse
from inventory_operator.kube.client import CONFLICT, ApiError
from inventory_operator.kube.kinds import STACKS
from inventory_operator.version import __version__

if TYPE_CHECKING:
    from pathlib import Path

    from inventory_cli.stacks import StackFile
    from inventory_operator.kube.client import Cluster

Object = dict[str, Any]
_MANAGER = "kubectl-inventory"
_STYLES = {
    Effect.CREATED: GOOD,
    Effect.REUSED: GOOD,
    Effect.RESTARTED: OPEN,
    Effect.RELOADED: GOOD,
    Effect.UPDATED: GOOD,
    Effect.DELETED: BAD,
    Effect.KEPT: OPEN,
    Effect.REFUSED: BAD,
    Effect.UNCHANGED: QUIET,
}

EXAMPLES = """
kubectl inventory plan -f shop.yaml -n shop
kubectl inventory plan -f shop.yaml -n shop -o json
"""


@click.command("plan", cls=options.Command, short_help="Foretell what applying a file does.", examples=EXAMPLES)
@options.one_file
@options.output("table", "json", "yaml")
@options.access
def command(access: Access, *, file: Path, form: str) -> int:
    """Foretell what applying a file does: what is created, reloaded, restarted, deleted, and which data is at risk.

    Where you may patch an object, the API server is asked with a dry run as the operator's field manager; else the
    rendered manifests of the live spec and of the new one are compared. Nothing is changed. The exit code is 1 where
    something would be refused.
    """
    one = stacks.read_one(file)
    found = run(_plan(access, one))
    if form == "table":
        _print(found)
    else:
        output.data(found, form)
    return NOT_AS_IT_SHOULD_BE if any(change["effect"] == Effect.REFUSED for change in found["changes"]) else OK


async def _plan(access: Access, one: StackFile) -> Object:
    spec, namespace = one.spec(), one.namespace(access.namespace)
    async with access.cluster() as cluster:
        with explained(f"read stack {namespace}/{one.name}"):
            before = await cluster.get(STACKS, one.name, namespace)
        await _refused_as_a_whole(cluster, one, namespace, before)
        live = await children(cluster, namespace, one.name)
        if before:
            same_version(before)
        stack = meta.Stack(namespace, one.name, before["metadata"]["uid"] if before else stacks.NO_UID)
        old = _live_spec(before) if before else None
        changes = _compared(stack, old, spec, live)
        if not spec.paused:
            changes = list(await asyncio.gather(*(asked(cluster, change, one.name) for change in changes)))
    return _told(stack, before, old, spec, changes)


async def _refused_as_a_whole(cluster: Cluster, one: StackFile, namespace: str, before: Object | None) -> None:
    """Raise Failure where the API server would refuse the stack itself; where it may not be asked, nothing is known.

    The spec of the file replaces the live one: what an apply leaves in it depends on who applied it before.
    """
    body = {"apiVersion": meta.API_VERSION, "kind": meta.KIND, "spec": one.raw.get("spec") or {}}
    body["metadata"] = before["metadata"] if before else {"name": one.name, "namespace": namespace}
    method, path = ("PUT", STACKS.path(namespace, one.name)) if before else ("POST", STACKS.path(namespace))
    with explained(f"try stack {namespace}/{one.name} out"):
        try:
            await cluster.request(method, path, body, fieldManager=_MANAGER, dryRun="All")
        except ApiError as error:
            # A conflict: the operator wrote its status meanwhile.
            if error.code not in {FORBIDDEN, UNAUTHORIZED, CONFLICT}:
                raise Failure(f"the API server would refuse the stack: {error.message}") from None


def same_version(stack: Object) -> None:
    """Raise Failure where another version of the operator looks after the stack: its templates may be others."""
    version = stack.get("status", {}).get("operatorVersion")
    if version is None:
        raise Failure("no operator has looked at this stack yet, so nothing can be foretold: see whether it runs")
    if version != __version__:
        raise Failure(
            f"this is version {__version__}, and the operator of this stack is {version}: their templates may differ; "
            f"use kubectl inventory of version {version}"
        )


def _live_spec(stack: Object) -> Spec:
    try:
        return parse(stack)
    except InvalidSpec as error:
        raise Failure(f"the live spec is invalid, so nothing can be compared with it: {error}") from None


def _compared(stack: meta.Stack, old: Spec | None, new: Spec, live: Live) -> list[Change]:
    names = meta.names(stack)
    kubelet = foretelling.kubelet_is_open(live.objects, old or new, names.prometheus)
    image = None
    if old and not old.service.image:
        deployment = live.objects.get(("Deployment", names.service))
        image = deployment["spec"]["template"]["spec"]["containers"][0]["image"] if deployment else None
    before, after = (
        foretelling.rendered(stack, spec, foretelling.inputs(stack, spec, image, kubelet=kubelet)) if spec else {}
        for spec in (old, new)
    )
    missing = {one for one in before if one not in live.objects and one[0] not in live.hidden}
    return foretelling.changes(before, after, missing)


def _told(stack: meta.Stack, before: Object | None, old: Spec | None, new: Spec, changes: list[Change]) -> Object:
    asked_for = [change for change in changes if change.effect is not Effect.UNCHANGED or change.dry_run]
    spec = list(paths(_dumped(old), _dumped(new))) if old else []
    return {
        "namespace": stack.namespace,
        "name": stack.name,
        "exists": before is not None,
        "by": _by(asked_for),
        "specFields": spec,
        "dataAtRisk": data_risks(old, new, changes) if old else data_risks(new, new, changes),
        "notes": list(_notes(before, old, new)),
        "changes": [
            {
                "kind": change.kind,
                "name": change.name,
                "component": change.component,
                "effect": str(change.effect),
                "why": change.why,
                "dryRun": change.dry_run,
            }
            for change in changes
        ],
    }


def _dumped(spec: Spec) -> Object:
    return {"spec": spec.model_dump(by_alias=True, mode="json")}


def _by(changes: list[Change]) -> str:
    """Return how it was found out what becomes of the objects; values of generated Secrets are nothing to try out."""
    unasked = {Effect.DELETED, Effect.KEPT}
    told_by = {change.dry_run for change in changes if change.effect not in unasked and change.kind != "Secret"}
    if told_by == {True}:
        return "server-side dry run"
    return "rendered against live" if True not in told_by else "server-side dry run, and rendered where that can't be"


def _notes(before: Object | None, old: Spec | None, new: Spec) -> list[str]:
    found = []
    if new.paused:
        found.append("spec.paused is true: the operator applies nothing of this until that is false")
    if before and old and old.paused and not new.paused:
        found.append("the stack is paused now: what was changed in it meanwhile is applied as well")
    if before and before.get("status", {}).get("observedGeneration") != before["metadata"]["generation"]:
        found.append("the operator has not looked at the live spec yet: this is compared with what it will make of it")
    return found


def _print(found: Object) -> None:
    console = output.console()
    name = f"{found['namespace']}/{found['name']}"
    what = (
        f"plan for {name}, by {found['by']}" if found["exists"] else f"plan for the new stack {name}, by {found['by']}"
    )
    root = Tree(line((what, "bold")))
    if found["specFields"]:
        root.add(line(("changed in the spec: ", ""), (told(found["specFields"]), "")))
    for effect in Effect:
        of_effect = [change for change in found["changes"] if change["effect"] == effect]
        if not of_effect:
            continue
        branch = root.add(line((f"{effect} ({len(of_effect)})", _STYLES[effect])))
        for change in of_effect if effect is not Effect.UNCHANGED else ():
            why = f": {change['why']}" if change["why"] else ""
            branch.add(line((f"{change['kind']} {change['name']}", ""), (why, "")))
    branch = root.add(line(("data at risk: ", "bold"), ("" if found["dataAtRisk"] else "none", GOOD)))
    for sentence in found["dataAtRisk"]:
        branch.add(line((sentence, BAD)))
    for note in found["notes"]:
        root.add(line(("note: ", "bold"), (note, OPEN)))
    console.print(root)
