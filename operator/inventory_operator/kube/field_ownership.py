"""Whether a live object is what we last applied, told from the object alone: no memory, no request.

Pure. Two facts together prove it, before and after a restart of the operator: the annotation with the digest of the
manifest, and our entry in `managedFields` still covering every field of that manifest. The API server takes a field
out of our entry as soon as anybody else changes or removes it (server-side apply, "Field management").
"""

from __future__ import annotations

import hashlib
import zlib
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import orjson

from inventory_operator.api.metadata import APPLIED_ANNOTATION, FIELD_MANAGER, UID_LABEL

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

Object = dict[str, Any]
#: By kind the fields in `spec` that a template leaves out under conditions, and that are not to change then: the number
#: of pods belongs to whoever scales, and the class of a volume can't change.
KEPT = {"Deployment": ("replicas",), "PersistentVolumeClaim": ("storageClassName",)}
#: How managedFields are compressed: the fastest level, and tables of 32 KiB. zlib's own take 256 KiB, which the C
#: library maps anew for each object (runtime/memory.py): that cost nine times as much as the compression.
_LEVEL, _WINDOW_BITS, _MEMORY_LEVEL = 1, 12, 5
#: What names the object, and what the API server never records as managed.
_IDENTITY = frozenset({"apiVersion", "kind"})
_METADATA_IDENTITY = frozenset({"name", "namespace", "uid"})
_NOTHING_BELOW = {"."}


def digest(manifest: Mapping[str, Any]) -> str:
    """Return a short digest of a manifest: equal for equal content in any order of keys."""
    return hashlib.blake2b(orjson.dumps(manifest, option=orjson.OPT_SORT_KEYS), digest_size=12).hexdigest()


def with_applied_hash(manifest: Object) -> Object:
    """Return `manifest` with the annotation that holds its own digest."""
    metadata = manifest["metadata"]
    annotations = metadata.get("annotations", {}) | {APPLIED_ANNOTATION: digest(manifest)}
    return manifest | {"metadata": metadata | {"annotations": annotations}}


def applied_hash(manifest: Object) -> str:
    """Return the digest that `with_applied_hash` wrote into `manifest`."""
    return str(manifest["metadata"]["annotations"][APPLIED_ANNOTATION])


def owned_fields(obj: Object) -> bytes:
    """Return our entries of `metadata.managedFields` (FieldsV1 trees) as compressed JSON: kept long, read rarely."""
    trees = [
        entry.get("fieldsV1", {})
        for entry in obj["metadata"].get("managedFields", ())
        if entry.get("manager") == FIELD_MANAGER and not entry.get("subresource")
    ]
    # 5 KB become 0.6 in 20 us; of all that is kept of a child they would be half.
    packer = zlib.compressobj(_LEVEL, zlib.DEFLATED, _WINDOW_BITS, _MEMORY_LEVEL)
    return packer.compress(orjson.dumps(trees)) + packer.flush()


@lru_cache(maxsize=4)
def owned_trees(owned: bytes) -> list[Any]:
    """Return the trees that `owned_fields` returned, not to be changed: of one object they are asked for repeatedly."""
    trees: list[Any] = orjson.loads(zlib.decompress(owned))
    return trees


def without_identity(manifest: Object) -> Object:
    """Return what of `manifest` the API server records as managed."""
    body = {key: value for key, value in manifest.items() if key not in _IDENTITY}
    metadata = {key: value for key, value in manifest["metadata"].items() if key not in _METADATA_IDENTITY}
    return body | {"metadata": metadata}


def applied_before(live: Object, manifest: Object) -> bool:
    """Return whether `manifest` (with_applied_hash) is what was applied to `live` last, whatever became of it."""
    return bool(live["metadata"].get("annotations", {}).get(APPLIED_ANNOTATION) == applied_hash(manifest))


def in_sync(live: Object, owned: bytes, manifest: Object) -> bool:
    """Return whether `live` still is what applying `manifest` (with_applied_hash) made it."""
    if not applied_before(live, manifest):
        return False
    return covers(owned_trees(owned), without_identity(manifest))


def owns(owned: bytes, path: Sequence[str]) -> bool:
    """Return whether our fields have the one at `path`, which is in the notation of FieldsV1."""
    trees = owned_trees(owned)
    for name in path:
        trees = [tree[name] for tree in trees if name in tree]
    return bool(trees)


def file_digests(obj: Object) -> dict[str, str]:
    """Return a digest of each file in a ConfigMap, by its key; nothing for other kinds.

    What a file holds is judged before it is written, and managedFields alone do not show that it still is that: whoever
    edits it may use our field manager's name.
    """
    if obj["kind"] != "ConfigMap":
        return {}
    return {
        key: hashlib.blake2b(text.encode(), digest_size=12).hexdigest() for key, text in obj.get("data", {}).items()
    }


def covers(trees: list[Any], value: Any) -> bool:
    """Return whether FieldsV1 trees (several: an admission webhook makes a second entry) cover all of `value`.

    The notation: `f:name` a field, `k:{...}` an item of a list by its keys, `v:...` a value of a set; an empty tree
    is an atomic value. https://kubernetes.io/docs/reference/using-api/server-side-apply/#field-management
    """
    nested = [tree for tree in trees if tree and tree.keys() != _NOTHING_BELOW]
    if not nested:
        return bool(trees)
    if isinstance(value, dict):
        for key, item in value.items():
            name = f"f:{key}"
            below = [tree[name] for tree in nested if name in tree]
            if not below or (isinstance(item, dict | list) and not covers(below, item)):
                return False
    elif isinstance(value, list):
        items = _items(nested)
        return all(covers([tree for _, tree in _matching(items, item)], item) for item in value)
    return True


def items_of(trees: list[Any], item: Any) -> list[tuple[str, Any]]:
    """Return what FieldsV1 trees of a list have for one of its items: the key, and the tree below it."""
    return _matching(_items(trees), item)


def _items(trees: list[Any]) -> list[tuple[str, Any, Any]]:
    """Return the items that FieldsV1 trees of a list have: key, what that says of the item, and the tree below it."""
    pairs = [(key, subtree) for tree in trees for key, subtree in tree.items() if key[:2] in {"k:", "v:"}]
    return [(key, orjson.loads(key[2:]), subtree) for key, subtree in pairs]


def _matching(items: list[tuple[str, Any, Any]], item: Any) -> list[tuple[str, Any]]:
    return [
        (key, subtree)
        for key, said, subtree in items
        if (said == item if key[0] == "v" else isinstance(item, dict) and said.items() <= item.items())
    ]


def unmanaged_fields_patch(live: Object, manifest: Object) -> Object | None:
    """Return the strategic merge patch that takes out what others added and we do not tolerate; None if nothing.

    Those are keys of our ConfigMaps (a rule file, a dashboard) and containers of our pods; any other addition stays.
    And the owner reference of a generated Secret that is to outlive its stack: the request that created it was no
    apply, so no apply takes it out.
    """
    if manifest["kind"] == "Secret" and "ownerReferences" not in manifest["metadata"]:
        uid = manifest["metadata"]["labels"][UID_LABEL]
        owned = any(owner["uid"] == uid for owner in live["metadata"].get("ownerReferences", ()))
        return {"metadata": {"ownerReferences": [{"$patch": "delete", "uid": uid}]}} if owned else None
    if manifest["kind"] == "ConfigMap":
        extra = [
            (field, key)
            for field in ("data", "binaryData")
            for key in live.get(field, {})
            if key not in manifest.get(field, {})
        ]
        return {field: {key: None for f, key in extra if f == field} for field, _ in extra} or None
    if manifest["kind"] != "Deployment":
        return None
    ours, theirs = manifest["spec"]["template"]["spec"], live["spec"]["template"]["spec"]
    patch = {}
    for field in ("containers", "initContainers"):
        known = {container["name"] for container in ours.get(field, ())}
        extra_names = [c["name"] for c in theirs.get(field, ()) if c["name"] not in known]
        if extra_names:
            patch[field] = [{"name": name, "$patch": "delete"} for name in extra_names]
    return {"spec": {"template": {"spec": patch}}} if patch else None


def blocking_default(live: Object, manifest: Object) -> Object | None:
    """Return the merge patch that has to precede the apply; None if none has.

    RollingUpdate -> Recreate is refused by server-side apply ("rollingUpdate: Forbidden"): the defaulted parameters
    belong to nobody, so no apply takes them away.
    """
    if manifest["kind"] != "Deployment" or manifest["spec"].get("strategy", {}).get("type") != "Recreate":
        return None
    if "rollingUpdate" not in live["spec"].get("strategy", {}):
        return None
    return {"spec": {"strategy": {"type": "Recreate", "rollingUpdate": None}}}
