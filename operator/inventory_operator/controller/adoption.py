"""Takes over an object without an owner that carries a stack's label, if nothing in it is another's.

It costs a GET of the stack, one of the object, where only its metadata is known, and two dry runs; none of that for an
object that is the stack's already.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from inventory_operator.api.metadata import KEEPS_DATA, KIND
from inventory_operator.cache.store import Child, version
from inventory_operator.controller.apply_state import state_of
from inventory_operator.controller.foreign_content import foreign_fields, replacement
from inventory_operator.controller.ownership import NotOursError, check_claim, origin, taken
from inventory_operator.controller.write_guard import sentence
from inventory_operator.kube.client import APPLY, CONFLICT, JSON_PATCH, UNPROCESSABLE, ApiError
from inventory_operator.kube.field_ownership import applied_hash
from inventory_operator.kube.kinds import STACKS, of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from inventory_operator.api.metadata import Stack
    from inventory_operator.controller.apply_state import ApplyState
    from inventory_operator.kube.client import Cluster

Object = dict[str, Any]
_WAY_OUT = "it is left alone, and what refers to it waits: take that out, delete the object, or rename the stack"
#: Of the fields that stand in the way so many are named.
_NAMED = 3
#: For an object that must not be there. No object ever has this version (etcd's first change makes 2), so that one
#: which came meanwhile is a conflict.
ABSENT = {"resourceVersion": "1"}


@dataclass(frozen=True, slots=True)
class Claimed:
    """A live object that may be written, and the metadata that a write has to carry to meet that and no other."""

    child: Child
    same: Object


def pinned(manifest: Object, precondition: Mapping[str, str]) -> Object:
    """Return a manifest or a patch with metadata that the live object must have, or the API server refuses it."""
    return manifest | {"metadata": {**manifest.get("metadata", {}), **precondition}}


async def claim(  # noqa: PLR0913 - what a child is, whose it should be, and what is known of it
    cluster: Cluster,
    live: Child,
    manifest: Object,
    values: Mapping[str, Any] | None,
    stack: Stack,
    *,
    apply_state: ApplyState,
) -> Claimed:
    """Return what `manifest` may be applied to; `values` are those of a generated Secret.

    Raises:
        NotOursError: it is somebody else's, or content of somebody else is in it.
        ApiError: the API server refuses to say; a conflict where the object changed meanwhile.

    """
    if check_claim(live.obj, live.owned, stack):
        if _owners(manifest) - _owners(live.obj):
            await _confirm(cluster, stack)
        return Claimed(live, {"uid": live.obj["metadata"]["uid"]})
    seen = (live.version, applied_hash(manifest))
    if apply_state.not_adopted and apply_state.not_adopted[0] == seen:
        raise _taken(apply_state.not_adopted[1])
    # Raises what the API server said of the same object and content a moment ago.
    apply_state.ask(seen[1], state_of(live))
    await _confirm(cluster, stack)
    full = await _with_content(cluster, live.obj)
    child = Child.seen(full)
    if not check_claim(full, child.owned, stack) and (problem := await _problem(cluster, full, manifest, values)):
        apply_state.not_adopted = (seen, problem)
        raise _taken(problem)
    return Claimed(child, _exactly(full))


def _owners(obj: Object) -> set[str]:
    return {owner["uid"] for owner in obj["metadata"].get("ownerReferences", ())}


async def _confirm(cluster: Cluster, stack: Stack) -> None:
    """Raise ApiError where the stack is being deleted: what becomes an orphan, at its user's wish, has to stay one.

    The watch may not have told yet. Kubernetes' controllers look again before an adoption, too
    (RecheckDeletionTimestamp, k8s.io/kubernetes/pkg/controller/controller_ref_manager.go).
    """
    found = await cluster.get(STACKS, stack.name, stack.namespace)
    if not found or found["metadata"]["uid"] != stack.uid or "deletionTimestamp" in found["metadata"]:
        raise ApiError(CONFLICT, "Conflict", f"{KIND} {stack.name} is being deleted")


def _exactly(live: Object) -> Object:
    return {key: live["metadata"][key] for key in ("uid", "resourceVersion")}


async def _with_content(cluster: Cluster, live: Object) -> Object:
    metadata = live["metadata"]
    if "managedFields" in metadata:
        return live
    found = await cluster.get(of(live), metadata["name"], metadata.get("namespace"))
    if not found or version(found) != version(live):
        raise ApiError(CONFLICT, "Conflict", "it changed while it was looked at")
    return found


async def _problem(cluster: Cluster, live: Object, manifest: Object, values: Mapping[str, Any] | None) -> str | None:
    """Return what stands in the way of an adoption; None if nothing does."""
    try:
        adopted = await cluster.preview(live, pinned(manifest, _exactly(live)), APPLY)
        alone = await cluster.preview(live, replacement(adopted, manifest, values), JSON_PATCH)
    except ApiError as error:
        if error.code != UNPROCESSABLE or error.of_another or live["kind"] in KEEPS_DATA:
            raise
        return f"but can't be made what the stack wants ({sentence(error)}); it {origin(live)}"
    fields = foreign_fields(live, adopted, alone)
    if not fields:
        return None
    more = f" and {len(fields) - _NAMED} more" if len(fields) > _NAMED else ""
    return f"but has what the stack did not put there: {', '.join(fields[:_NAMED])}{more}; it {origin(live)}"


def _taken(problem: str) -> NotOursError:
    return taken(f"is labelled as this stack's, {problem}: {_WAY_OUT}")
