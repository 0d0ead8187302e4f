"""Which live objects are a stack's own: what it may write, and what it may delete.

Pure: it reads what the cluster shows, and never asks.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from inventory_operator.api.metadata import FIELD_MANAGER, KEEPS_DATA, STACK_LABEL, UID_LABEL
from inventory_operator.components.blocker import Turn
from inventory_operator.controller.generated_secrets import is_generated
from inventory_operator.kube.kinds import of

if TYPE_CHECKING:
    from inventory_operator.api.metadata import Stack

Object = dict[str, Any]


class NotOursError(Exception):
    """An object of the wanted name may not be written now; it has what its Blocker needs."""

    def __init__(self, reason: str, message: str, turn: Turn) -> None:
        super().__init__(message)
        self.reason = reason
        self.turn = turn


def check_claim(live: Object, stack: Stack) -> None:
    """Raise NotOursError unless `live` is ours, or free for us to adopt."""
    metadata = live["metadata"]
    if "deletionTimestamp" in metadata:
        raise NotOursError("WaitingForDeletion", "is being deleted; it is made again when it is gone", Turn.WAITING)
    owners = [owner for owner in metadata.get("ownerReferences", ()) if owner.get("controller")]
    if owners and owners[0]["uid"] != stack.uid:
        if owners[0]["name"] == stack.name and metadata.get("labels", {}).get(STACK_LABEL) == stack.name:
            raise NotOursError("WaitingForDeletion", "belongs to a deleted stack of this name", Turn.WAITING)
        owner = f"{owners[0]['kind']} {owners[0]['name']}"
        raise NotOursError("NameTaken", f"exists already and belongs to {owner}: it is left alone", Turn.USER)
    labelled = metadata.get("labels", {}).get(STACK_LABEL)
    managed = any(entry.get("manager") == FIELD_MANAGER for entry in metadata.get("managedFields", ()))
    if labelled != stack.name and not owners and not managed:
        message = "exists already and was not made for this stack: it is left alone"
        raise NotOursError("NameTaken", message, Turn.USER)


def is_prunable(obj: Object, stack: Stack) -> bool:
    """Tell whether an object that the stack no longer wants may be deleted: never what keeps data."""
    metadata = obj["metadata"]
    if obj["kind"] in {"Pod", *KEEPS_DATA} or is_generated(obj) or "deletionTimestamp" in metadata:
        return False
    if not of(obj).namespaced:
        return bool(metadata["labels"].get(UID_LABEL) == stack.uid)
    return any(owner["uid"] == stack.uid for owner in metadata.get("ownerReferences", ()))
