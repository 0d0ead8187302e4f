"""Changes a live object into what its manifest says: what precedes the apply, and what follows where it is refused."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from inventory_operator.api.metadata import HANDOVER_FIELD_MANAGER
from inventory_operator.controller.adoption import pinned
from inventory_operator.controller.interference import explained
from inventory_operator.kube.client import CONFLICT, MERGE, UNPROCESSABLE, ApiError, Cluster
from inventory_operator.kube.exclusive_fields import excluded_fields_patch
from inventory_operator.kube.field_ownership import KEPT, applied_before, blocking_default, owns
from inventory_operator.kube.kinds import of

if TYPE_CHECKING:
    from inventory_operator.cache.store import Child
    from inventory_operator.controller.adoption import Claimed

Object = dict[str, Any]


async def change(cluster: Cluster, claimed: Claimed, manifest: Object) -> Object:
    """Apply `manifest` (with_applied_hash) over what was claimed for it; return the object as it now is."""
    live, uid = claimed.child, {"uid": claimed.same["uid"]}
    if patch := blocking_default(live.obj, manifest):
        await cluster.patch(manifest, pinned(patch, uid), MERGE)
    await _hand_over(cluster, live, manifest)
    try:
        try:
            return await cluster.apply(pinned(manifest, claimed.same))
        except ApiError as error:
            # It was valid before others changed the object.
            if error.code != UNPROCESSABLE or error.of_another or not applied_before(live.obj, manifest):
                raise
            if not await _take_out_theirs(cluster, manifest, uid):
                raise
        return await cluster.apply(pinned(manifest, uid))
    except ApiError as error:
        raise await explained(cluster, error, live, manifest) from None


async def _take_out_theirs(cluster: Cluster, manifest: Object, uid: Object) -> bool:
    """Take out what others set and what may exclude ours; return whether there was anything."""
    metadata = manifest["metadata"]
    # Of some kinds only the metadata is watched.
    whole = await cluster.get(of(manifest), metadata["name"], metadata.get("namespace"))
    patch = excluded_fields_patch(whole, manifest) if whole else None
    if patch:
        await cluster.patch(manifest, pinned(patch, uid))
    return bool(patch)


async def _hand_over(cluster: Cluster, live: Child, manifest: Object) -> None:
    """Let another field manager of ours take what leaves what we apply, at its live value.

    A field that only we own falls back to its default: 5 replicas become 1 until an autoscaler makes them 4. That
    manager applies nothing else, and loses a field to whoever sets another value
    (https://kubernetes.io/docs/reference/using-api/server-side-apply/#transferring-ownership).
    """
    leaving = {
        field: live.obj["spec"][field]
        for field in KEPT.get(manifest["kind"], ())
        if field not in manifest["spec"] and field in live.obj["spec"] and owns(live.owned, ("f:spec", f"f:{field}"))
    }
    if not leaving:
        return
    # The uid keeps the apply from making an object where this one just went.
    metadata = {field: live.obj["metadata"][field] for field in ("name", "namespace", "uid")}
    body = {key: manifest[key] for key in ("apiVersion", "kind")} | {"metadata": metadata, "spec": leaving}
    try:
        await cluster.apply(body, manager=HANDOVER_FIELD_MANAGER, force=False)
    except ApiError as error:
        # Somebody else has set another value meanwhile, so it is theirs already; or the object is another by now.
        if error.code != CONFLICT:
            raise
