"""Finds out what others undo of what the operator writes and who they are, for the status, with one GET at most."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from inventory_operator.controller.contention import MOST_FIELDS, Undone
from inventory_operator.kube.client import TRANSIENT, UNPROCESSABLE, ApiError, Cluster
from inventory_operator.kube.field_managers import added_paths, lost_paths, manager_of, other_manager, written
from inventory_operator.kube.field_ownership import applied_before, owned_fields, unmanaged_fields_patch
from inventory_operator.kube.kinds import of

if TYPE_CHECKING:
    from inventory_operator.cache.store import Child
    from inventory_operator.kube.field_managers import Path

Object = dict[str, Any]
#: The API server does not record who takes a field away, or deletes an object.
_UNKNOWN = "an unknown client"
_INJECT = "inject containers into pods, not into the Deployment"
#: By how a field begins: what else to do than to stop the other.
_REMEDIES = {
    "spec.replicas": "leave out spec.service.replicas where something else is to scale the service",
    "spec.template.spec.containers": _INJECT,
    "spec.template.spec.initContainers": _INJECT,
}


async def changed(cluster: Cluster, live: Child, manifest: Object) -> list[Undone]:
    """Return which fields of `manifest` others have changed, and what they added that is taken out again."""
    found = await _get(cluster, manifest)
    paths = _differing(found, owned_fields(found), manifest) if found else []
    # It may be ours again at this moment: `live` is what was to be written over.
    paths = paths or _differing(live.obj, live.owned, manifest)
    return [_changed(found or live.obj, path) for path in paths[:MOST_FIELDS]]


async def deleted(manifest: Object) -> list[Undone]:
    """Return that an object was deleted."""
    words = f"{_named(manifest)}, deleted by {_UNKNOWN}"
    return [Undone(words, "the audit log of the API server tells who deletes an object")]


async def created(cluster: Cluster, obj: Object) -> list[Undone]:
    """Return who creates an object again that the stack no longer wants."""
    found = await _get(cluster, obj)
    manager = (other_manager(found) if found else None) or _UNKNOWN
    return [Undone(f"{_named(obj)}, not wanted and created by {manager}")]


async def explained(cluster: Cluster, error: ApiError, live: Child, manifest: Object) -> ApiError:
    """Return the refusal to put back what others changed with their names: a volume that was made larger can't shrink.

    A `manifest` that was not applied yet is refused for what is in it.
    """
    if error.code != UNPROCESSABLE or not applied_before(live.obj, manifest):
        return error
    found = await _get(cluster, manifest)
    paths = lost_paths(found, owned_fields(found), manifest) if found else []
    known = [f"{written(path)} by {manager}" for path in paths if (manager := manager_of(found or {}, path))]
    if not known:
        return error
    text = f"was changed ({', '.join(known[:MOST_FIELDS])}) and can't be put back: {error.message}"
    return ApiError(error.code, error.reason, text)


async def _get(cluster: Cluster, obj: Object) -> Object | None:
    try:
        return await cluster.get(of(obj), obj["metadata"]["name"], obj["metadata"].get("namespace"))
    except (ApiError, *TRANSIENT):
        # Only the names are missing then.
        return None


def _differing(obj: Object, owned: bytes, manifest: Object) -> list[Path]:
    patch = unmanaged_fields_patch(obj, manifest)
    return [*lost_paths(obj, owned, manifest), *(added_paths(patch) if patch else ())]


def _changed(obj: Object, path: Path) -> Undone:
    text = written(path)
    remedy = next((remedy for start, remedy in _REMEDIES.items() if text.startswith(start)), None)
    return Undone(f"{text} of {_named(obj)} by {manager_of(obj, path) or _UNKNOWN}", remedy)


def _named(obj: Object) -> str:
    return f"{obj['kind']} {obj['metadata']['name']}"
