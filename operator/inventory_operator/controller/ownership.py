"""Which live objects are a stack's own: what it may write, what it may adopt, and what it may delete.

Told from metadata alone, so that it costs no request; content is looked at before an adoption (controller.adoption).
Whoever may write an object can forge its metadata, and gains what editing ours would give (DECISIONS.md, 97).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from inventory_operator.api.metadata import FIELD_MANAGER, KEEPS_DATA, KIND, STACK_LABEL, UID_LABEL
from inventory_operator.components.blocker import Turn
from inventory_operator.controller.generated_secrets import is_generated
from inventory_operator.kube.field_managers import printable
from inventory_operator.kube.field_ownership import owned_trees
from inventory_operator.kube.kinds import CHILDREN, of

if TYPE_CHECKING:
    from inventory_operator.api.metadata import Stack

Object = dict[str, Any]
_LEFT_ALONE = "it is left alone, and what refers to it waits: rename the stack, or delete or rename that object"
_LONGEST_NAME = 63


class NotOursError(Exception):
    """An object of the wanted name may not be written now; it has what its Blocker needs."""

    def __init__(self, reason: str, message: str, turn: Turn) -> None:
        super().__init__(message)
        self.reason = reason
        self.turn = turn


def taken(message: str) -> NotOursError:
    """Return the error for an object that is somebody else's."""
    return NotOursError("NameTaken", message, Turn.USER)


def check_claim(live: Object, owned: bytes, stack: Stack) -> bool:
    """Tell whether `live` is this stack's already; where it is not, it may be adopted if its content allows it.

    `owned` is what `field_ownership.owned_fields` says of it.

    Raises:
        NotOursError: it is somebody else's, or is being deleted.

    """
    metadata = live["metadata"]
    label = metadata.get("labels", {}).get(STACK_LABEL)
    if "deletionTimestamp" in metadata:
        raise NotOursError("WaitingForDeletion", "is being deleted; it is made again when it is gone", Turn.WAITING)
    controller = _controller(live)
    if controller and controller["uid"] != stack.uid:
        if (controller["kind"], controller["name"], label) == (KIND, stack.name, stack.name):
            raise NotOursError("WaitingForDeletion", "belongs to a deleted stack of this name", Turn.WAITING)
        owner = f"{printable(controller['kind'][:_LONGEST_NAME])} {printable(controller['name'][:_LONGEST_NAME])}"
        raise taken(f"exists already and belongs to {owner}: {_LEFT_ALONE}")
    if is_signed(live, owned, stack):
        return True
    if label != stack.name:
        way_out = f". With the label {STACK_LABEL}={stack.name} it is adopted if nothing in it is another's"
        raise taken(f"exists already and {origin(live)}: {_LEFT_ALONE}{way_out}")
    return False


def is_own(live: Object, owned: bytes, stack: Stack) -> bool:
    """Tell whether `live` is this stack's already, whether it is being deleted or not."""
    controller = _controller(live)
    return (not controller or controller["uid"] == stack.uid) and is_signed(live, owned, stack)


def is_signed(live: Object, owned: bytes, stack: Stack) -> bool:
    """Tell whether the uid of the stack is in an owner reference or the label for it, and our field manager put it."""
    if signed_uid(live, owned) == stack.uid:
        return True
    owners, ours = live["metadata"].get("ownerReferences", ()), f'k:{{"uid":"{stack.uid}"}}'
    return any(owner["uid"] == stack.uid for owner in owners) and any(
        ours in tree.get("f:metadata", {}).get("f:ownerReferences", {}) for tree in owned_trees(owned)
    )


def signed_uid(live: Object, owned: bytes) -> str | None:
    """Return the uid of the stack that an object is labelled with; None where our field manager did not put it."""
    ours = any(f"f:{UID_LABEL}" in tree.get("f:metadata", {}).get("f:labels", {}) for tree in owned_trees(owned))
    uid: str | None = live["metadata"].get("labels", {}).get(UID_LABEL)
    return uid if ours else None


def is_prunable(live: Object, owned: bytes, stack: Stack) -> bool:
    """Tell whether an object that the stack no longer wants may be deleted: never what keeps data."""
    if of(live) not in CHILDREN or live["kind"] in KEEPS_DATA or is_generated(live):
        return False
    return "deletionTimestamp" not in live["metadata"] and is_own(live, owned, stack)


def origin(live: Object) -> str:
    """Say where an object without a controller comes from, as far as its metadata tells."""
    metadata = live["metadata"]
    if (tool := metadata.get("labels", {}).get("app.kubernetes.io/managed-by", FIELD_MANAGER)) != FIELD_MANAGER:
        return f"is managed by {printable(tool[:_LONGEST_NAME])}"
    others = [
        entry
        for entry in metadata.get("managedFields", ())
        if entry.get("manager") not in {None, FIELD_MANAGER} and not entry.get("subresource")
    ]
    if others:
        first = min(others, key=lambda entry: str(entry.get("time", "")))
        return f"was written by the field manager {printable(first['manager'][:_LONGEST_NAME])}"
    return "was not made for this stack"


def _controller(live: Object) -> Object | None:
    return next((owner for owner in live["metadata"].get("ownerReferences", ()) if owner.get("controller")), None)
