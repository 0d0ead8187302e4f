"""Asks the API server what applying a manifest would make of an object, as the operator's own field manager would.

Nothing is changed. Who may not patch an object gets no answer, and the rendered manifest has to do.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from inventory_cli.differences import contains, paths, takes_out, told, with_live_values
from inventory_cli.failure import FORBIDDEN, explained, shortened
from inventory_cli.foretelling import Change, Effect
from inventory_operator.api.metadata import APPLIED_ANNOTATION, GENERATE_ANNOTATION, STACK_LABEL
from inventory_operator.kube.client import APPLY, JSON, METADATA, UNPROCESSABLE, ApiError
from inventory_operator.kube.field_ownership import KEPT, blocking_default
from inventory_operator.kube.kinds import of

if TYPE_CHECKING:
    from inventory_operator.kube.client import Cluster

Object = dict[str, Any]
_WRITTEN = frozenset({Effect.CREATED, Effect.RESTARTED, Effect.RELOADED, Effect.UPDATED})
#: Metadata that is another after each write, whatever was written.
_BOOKKEEPING = frozenset({"generation", "managedFields", "resourceVersion"})
_SENTENCE = 300


async def asked(cluster: Cluster, change: Change, name: str) -> Change:
    """Return what the API server says of a change of stack `name`; the change as it is where it may not be asked."""
    manifest = change.new
    if change.effect not in _WRITTEN or manifest is None or not of(manifest).namespaced:
        return change
    live: Object | None = None
    with explained(f"look at {change.kind} {change.name}"):
        try:
            live = await _live(cluster, manifest)
            if live and live["metadata"].get("labels", {}).get(STACK_LABEL) != name:
                why = "an object of this name is somebody else's, and is left alone (NameTaken)"
                return replace(change, effect=Effect.REFUSED, why=why, dry_run=True)
            if live and change.effect is Effect.CREATED:
                change = replace(change, effect=Effect.REUSED)
            if _differs_in_the_operators_way(change, live):
                return change
            return _judged(change, live, await cluster.preview(manifest, _body(change, manifest, live), APPLY))
        except ApiError as error:
            if error.code == UNPROCESSABLE or error.permanent:
                return replace(change, effect=Effect.REFUSED, why=shortened(error.message, _SENTENCE), dry_run=True)
            if error.code == FORBIDDEN:
                return _told_by_manifests(change, manifest, live)
            raise


async def _live(cluster: Cluster, manifest: Object) -> Object | None:
    """Return the live object; of a Secret only its metadata."""
    metadata = manifest["metadata"]
    path = of(manifest).path(metadata["namespace"], metadata["name"])
    try:
        return await cluster.request("GET", path, accept=METADATA if manifest["kind"] == "Secret" else JSON)
    except ApiError as error:
        if error.not_found:
            return None
        raise


def _differs_in_the_operators_way(change: Change, live: Object | None) -> bool:
    """Tell whether the operator does not simply apply: a dry run would say something else."""
    assert change.new
    generated = GENERATE_ANNOTATION in change.new["metadata"].get("annotations", {})
    return generated or bool(live and blocking_default(live, change.new))


def _told_by_manifests(change: Change, manifest: Object, live: Object | None) -> Change:
    """Return the change as far as it is known without a dry run: a spec that was refused before may come true again."""
    body = _body(change, manifest, live)
    if live is None or change.old is None or takes_out(change.old, body) or not contains(live, body):
        return change
    return replace(change, effect=Effect.UNCHANGED, why="")


def _body(change: Change, manifest: Object, live: Object | None) -> Object:
    """Return what the operator would apply to the live object."""
    if live is None:
        return manifest
    body: Object = with_live_values(change.old, manifest, live) if change.old else manifest
    kept = [name for name in KEPT.get(change.kind, ()) if name not in body["spec"] and name in live["spec"]]
    return body | {"spec": body["spec"] | {name: live["spec"][name] for name in kept}} if kept else body


def _judged(change: Change, live: Object | None, after: Object) -> Change:
    """Return the change with what the API server answered."""
    if live is None or change.effect is Effect.REUSED:
        return replace(change, dry_run=True)
    found = list(paths(_content(live), _content(after)))
    if not found:
        return replace(change, effect=Effect.UNCHANGED, why="", dry_run=True)
    if change.kind != "Deployment":
        return replace(change, dry_run=True)
    template = list(paths(live["spec"]["template"], after["spec"]["template"]))
    if not template:
        return replace(change, effect=Effect.UPDATED, why=told(found), dry_run=True)
    why = change.why if change.effect is Effect.RESTARTED else told(template)
    return replace(change, effect=Effect.RESTARTED, why=why, dry_run=True)


def _content(obj: Object) -> Object:
    metadata = {key: value for key, value in obj["metadata"].items() if key not in _BOOKKEEPING}
    metadata["annotations"] = {
        key: text for key, text in metadata.get("annotations", {}).items() if key != APPLIED_ANNOTATION
    }
    return {key: value for key, value in obj.items() if key != "status"} | {"metadata": metadata}
