"""What was seen of the cluster: stacks, and their children and pods by stack.

Fed by watch events, lists and answers to writes through the same two verbs.
"""

from __future__ import annotations

from collections import Counter
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import orjson

from inventory_operator.api.metadata import KIND, STACK_LABEL, STACK_NAMESPACE_LABEL, USER_FILE
from inventory_operator.cache.limits import NamespaceLimits, Usage
from inventory_operator.kube.field_ownership import applied_before, file_digests, owned_fields
from inventory_operator.kube.kinds import of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from collections.abc import Set as AbstractSet

    from inventory_operator.api.metadata import Key
    from inventory_operator.kube.kinds import Resource

Object = dict[str, Any]
#: kind and name: inside one stack they name a child.
ChildId = tuple[str, str]
#: What a namespace may have in the store without a stack, and for each stack, which has about 40 objects and 100 kB,
#: besides up to 1.4 MB of users' files.
WITHOUT_STACKS = Usage(objects=1_000, bytes=4_000_000)
FOR_EACH_STACK = Usage(objects=200, bytes=2_000_000)


@dataclass(frozen=True, slots=True)
class Child:
    """A live object that carries a stack's label, without its managedFields; `owned` is our part of them."""

    obj: Object
    owned: bytes
    #: Digests of the files of a ConfigMap.
    files: Mapping[str, str]
    #: Bytes of it that count for its namespace.
    size: int = 0

    @classmethod
    def seen(cls, obj: Object) -> Child:
        """Return an object with all that it was seen with."""
        return cls(obj, owned_fields(obj), file_digests(obj))

    @property
    def version(self) -> int:
        """The resource version; comparable inside one kind (KEP-5504)."""
        return version(self.obj)


class Store:
    """All that was seen. `changed` is called with the key of the stack that a change concerns."""

    def __init__(self, changed: Callable[[Key], None]) -> None:
        self.changed = changed
        self.stacks: dict[Key, Object] = {}
        self.children: dict[Key, dict[ChildId, Child]] = {}
        self._stacks_in: Counter[str] = Counter()
        self._limits = NamespaceLimits("labelled objects", self._allowed)
        #: By kind the namespaces of which not all is kept.
        self._refused: dict[str, set[str]] = {}
        #: What is being written, by stack, kind and name.
        self._expected: dict[tuple[Key, ChildId], Object] = {}

    def observe(self, obj: Object, *, gone: bool = False) -> None:
        """Take in one object as a watch, a list or the answer to a write shows it; older news is dropped."""
        if obj["kind"] == KIND:
            self._observe_stack(obj, gone=gone)
        elif STACK_LABEL in obj["metadata"].get("labels", {}):
            self._observe_child(obj, gone=gone)

    def answered(self, obj: Object) -> Child:
        """Take in the answer to a write, and return it as it is kept."""
        self.observe(obj)
        kept = self.of(_key(obj)).get(_child_id(obj))
        return kept if kept and kept.version == version(obj) else Child.seen(obj)

    @contextmanager
    def expecting(self, obj: Object) -> Iterator[None]:
        """Do not call `changed` for exactly what the pass under way writes: a new child, or the status of its stack.

        It takes in the answer by itself, and the watch may show the same before. `obj` is what is sent, a child with
        its digest (with_applied_hash). Of all else that is seen meanwhile `changed` is told as always.
        """
        of_what = _key(obj), _child_id(obj)
        self._expected[of_what] = obj
        try:
            yield
        finally:
            del self._expected[of_what]

    def listed(self, resource: Resource, uids: AbstractSet[str], list_version: int) -> None:
        """Take in that a list of one kind is complete: known objects that it lacks are gone, unless they are newer."""
        known = [stack for stack in self.stacks.values() if resource.kind == KIND]
        known += [c.obj for box in self.children.values() for (kind, _), c in box.items() if kind == resource.kind]
        for obj in known:
            if obj["metadata"]["uid"] not in uids and version(obj) <= list_version:
                self.observe(obj, gone=True)

    def wants_list(self, resource: Resource) -> bool:
        """Return whether objects of this kind were refused that may fit now; asked again, only what is refused anew."""
        refused = self._refused.get(resource.kind, set())
        if wants := any(self._limits.has_room(namespace) for namespace in refused):
            refused.clear()
        return wants

    def of(self, key: Key) -> dict[ChildId, Child]:
        """Return the children and pods of one stack."""
        return self.children.get(key, {})

    def _observe_stack(self, obj: Object, *, gone: bool) -> None:
        key = _key(obj)
        known = self.stacks.get(key)
        if known and _stale(known, obj, gone=gone):
            return
        self._stacks_in[key[0]] += (not gone) - (known is not None)
        expected = self._expected.get((key, _child_id(obj)))
        if gone:
            self.stacks.pop(key, None)
        else:
            self.stacks[key] = _without_managed_fields(obj)
            if known and expected and _with_status(known, expected) == _with_status(self.stacks[key], obj):
                return
        self.changed(key)

    def _observe_child(self, obj: Object, *, gone: bool) -> None:
        key, child_id = _key(obj), _child_id(obj)
        box = self.children.setdefault(key, {})
        known = box.get(child_id)
        if known and _stale(known.obj, obj, gone=gone):
            return
        child = None if gone else self._sized(key[0], obj, known)
        if child:
            box[child_id] = child
        elif known:
            del box[child_id]
            if gone:
                self._limits.release(key[0], known.size)
        if not box:
            del self.children[key]
        expected = self._expected.get((key, child_id))
        if child and not known and expected and applied_before(obj, expected):
            return
        if child or gone or known:
            self.changed(key)

    def _sized(self, namespace: str, obj: Object, known: Child | None) -> Child | None:
        """Return what is kept of a child; None where its namespace may not put more in."""
        kept, owned = _kept(obj), owned_fields(obj)
        size = len(orjson.dumps(kept)) + len(owned)
        if self._limits.take(namespace, size, known.size if known else None):
            return Child(kept, owned, file_digests(obj), size)
        self._refused.setdefault(obj["kind"], set()).add(namespace)
        return None

    def _allowed(self, namespace: str) -> Usage:
        stacks = self._stacks_in[namespace]
        return Usage(
            WITHOUT_STACKS.objects + stacks * FOR_EACH_STACK.objects,
            WITHOUT_STACKS.bytes + stacks * FOR_EACH_STACK.bytes,
        )


def version(obj: Object) -> int:
    """Return the resource version as a number."""
    return int(obj["metadata"]["resourceVersion"])


def _key(obj: Object) -> Key:
    """Return namespace and name of the stack that an object is, or carries the label of."""
    metadata = obj["metadata"]
    if obj["kind"] == KIND:
        return metadata["namespace"], metadata["name"]
    labels = metadata["labels"]
    return metadata.get("namespace") or labels.get(STACK_NAMESPACE_LABEL, ""), labels[STACK_LABEL]


def _child_id(obj: Object) -> ChildId:
    return obj["kind"], obj["metadata"]["name"]


def _stale(known: Object, seen: Object, *, gone: bool) -> bool:
    """Return whether `seen` is no news beside `known`: known already, a late event, the deletion of a predecessor."""
    if gone:
        return version(known) > version(seen) or known["metadata"]["uid"] != seen["metadata"]["uid"]
    return version(known) >= version(seen)


def _without_managed_fields(obj: Object) -> Object:
    return {**obj, "metadata": {key: value for key, value in obj["metadata"].items() if key != "managedFields"}}


def _with_status(stack: Object, of: Object) -> Object:
    """Return a stack with the status of another one, and without what every write changes."""
    metadata = {name: value for name, value in stack["metadata"].items() if name != "resourceVersion"}
    return {**stack, "metadata": metadata, "status": of.get("status")}


def _kept(obj: Object) -> Object:
    """Return what is kept of a child: of some kinds only the metadata, of ours files in a ConfigMap only the names.

    What is in our files is known, and is 200 kB for each stack.
    """
    kept = _without_managed_fields(obj)
    if of(obj).metadata_only:
        return {key: kept[key] for key in ("apiVersion", "kind", "metadata") if key in kept}
    if obj["kind"] == "ConfigMap":
        kept["data"] = {key: text if key.startswith(USER_FILE) else "" for key, text in obj.get("data", {}).items()}
    return kept
