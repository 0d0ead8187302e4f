"""What keeps a volume claim from having a volume."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from inventory_operator.status.issue import Issue

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

Object = dict[str, Any]
#: What the scheduler says of a pod whose claims would have to be bound before.
_UNBOUND = "unbound immediate PersistentVolumeClaims"


def waits_for_class(claim: Object) -> str | None:
    """Return the storage class of a claim that has no volume yet; None where it has one, or names no class."""
    if claim["kind"] != "PersistentVolumeClaim" or claim.get("status", {}).get("phase") != "Pending":
        return None
    name: str | None = claim["spec"].get("storageClassName")
    return name


def claims_issue(
    claims: Iterable[Object], pods: Iterable[Object], missing_classes: Collection[str], field: str
) -> Issue | None:
    """Return what is to be said of the first claim that has no volume.

    `field` is where the spec says how the volume should be; `missing_classes` are storage classes that do not exist.
    """
    waited_for = any(
        _UNBOUND in one.get("message", "") for pod in pods for one in pod.get("status", {}).get("conditions", ())
    )
    for claim in claims:
        name, phase = claim["metadata"]["name"], claim.get("status", {}).get("phase")
        where, named = f"PersistentVolumeClaim {name}", claim["spec"].get("storageClassName")
        if phase == "Lost":
            words = "restore its PersistentVolume, or delete the claim, and it is created again, empty"
            return Issue("VolumeLost", f"{where} has lost its volume: {words}")
        if phase != "Pending":
            continue
        if named is None:
            words = f"make one the default, or set {field}.storageClassName"
            return Issue("StorageClassMissing", f"{where}: the cluster has no default storage class: {words}")
        if named in missing_classes:
            words = f"create it, or correct {field}.storageClassName"
            return Issue("StorageClassMissing", f'{where}: storage class "{named}" not found: {words}')
        if waited_for:
            words = f"kubectl describe pvc {name} has the cause"
            return Issue("VolumePending", f'{where} waits for a volume of storage class "{named}": {words}')
    return None
