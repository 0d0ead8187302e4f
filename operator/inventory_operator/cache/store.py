"""What was seen of the cluster: stacks, their children and pods by stack, and the objects that specs refer to.

Fed by watch events and by lists through the same two verbs; it never makes a request and never decides anything.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from inventory_operator import metrics
from inventory_operator.api.metadata import KIND, STACK_LABEL, STACK_NAMESPACE_LABEL, USER_FILE
from inventory_operator.kube.field_ownership import owned_fields

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from inventory_operator.api.metadata import Key
    from inventory_operator.kube.kinds import Resource

Object = dict[str, Any]
#: kind and name: inside one stack they name a child.
ChildId = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Child:
    """A live object that carries a stack's label, without its managedFields; `owned` is our part of them."""

    obj: Object
    owned: bytes

    @property
    def version(self) -> int:
        """The resource version; comparable inside one kind (KEP-5504)."""
        return version(self.obj)


@dataclass(slots=True)
class Store:
    """All that was seen. `changed` is called with the key of the stack that a change concerns."""

    changed: Callable[[Key], None]
    stacks: dict[Key, Object] = field(default_factory=dict)
    children: dict[Key, dict[ChildId, Child]] = field(default_factory=dict)

    def observe(self, obj: Object, *, gone: bool = False) -> None:
        """Take in one object as a watch, a list or the answer to a write shows it; older news is dropped."""
        if obj["kind"] == KIND:
            self._observe_stack(obj, gone=gone)
        elif STACK_LABEL in obj["metadata"].get("labels", {}):
            self._observe_child(obj, gone=gone)

    def synced(self, resource: Resource, objects: Iterable[Object], list_version: int) -> None:
        """Take in a complete list of one kind: known objects that it lacks are gone, unless they are newer."""
        uids = set()
        for obj in objects:
            uids.add(obj["metadata"]["uid"])
            self.observe(obj)
        known = [stack for stack in self.stacks.values() if resource.kind == KIND]
        known += [c.obj for box in self.children.values() for (kind, _), c in box.items() if kind == resource.kind]
        for obj in known:
            if obj["metadata"]["uid"] not in uids and version(obj) <= list_version:
                self.observe(obj, gone=True)

    def of(self, key: Key) -> dict[ChildId, Child]:
        """Return the children and pods of one stack."""
        return self.children.get(key, {})

    def _observe_stack(self, obj: Object, *, gone: bool) -> None:
        key = (obj["metadata"]["namespace"], obj["metadata"]["name"])
        known = self.stacks.get(key)
        if known and _stale(known, obj, gone=gone):
            return
        if gone:
            self.stacks.pop(key, None)
        else:
            self.stacks[key] = _without_managed_fields(obj)
        self._count()
        self.changed(key)

    def _observe_child(self, obj: Object, *, gone: bool) -> None:
        metadata = obj["metadata"]
        labels = metadata["labels"]
        key = (metadata.get("namespace") or labels.get(STACK_NAMESPACE_LABEL, ""), labels[STACK_LABEL])
        box = self.children.setdefault(key, {})
        child_id = (obj["kind"], metadata["name"])
        known = box.get(child_id)
        if known and _stale(known.obj, obj, gone=gone):
            return
        if gone:
            box.pop(child_id, None)
            if not box:
                del self.children[key]
        else:
            box[child_id] = Child(_without_our_files(_without_managed_fields(obj)), owned_fields(obj))
        self.changed(key)

    def _count(self) -> None:
        counts: dict[tuple[str, str], int] = {}
        for stack in self.stacks.values():
            for condition in stack.get("status", {}).get("conditions", ()):
                of = (condition["type"], condition["status"])
                counts[of] = counts.get(of, 0) + 1
        metrics.STACKS.clear()
        for (condition_type, status), count in counts.items():
            metrics.STACKS.labels(condition_type, status).set(count)


def version(obj: Object) -> int:
    """Return the resource version as a number."""
    return int(obj["metadata"]["resourceVersion"])


def _stale(known: Object, seen: Object, *, gone: bool) -> bool:
    """Return whether `seen` is no news beside `known`: known already, a late event, the deletion of a predecessor."""
    if gone:
        return version(known) > version(seen) or known["metadata"]["uid"] != seen["metadata"]["uid"]
    return version(known) >= version(seen)


def _without_managed_fields(obj: Object) -> Object:
    return {**obj, "metadata": {key: value for key, value in obj["metadata"].items() if key != "managedFields"}}


def _without_our_files(obj: Object) -> Object:
    """Return a ConfigMap with the names of our files only: what is in them is known, and is 200 kB for each stack."""
    if obj["kind"] != "ConfigMap":
        return obj
    data = {key: text if key.startswith(USER_FILE) else "" for key, text in obj.get("data", {}).items()}
    return {**obj, "data": data}
