"""Which fields of an object others took from us, told from `managedFields`: their paths, and who writes them now.

Pure. Paths are written as `kubectl explain` writes them, with the item of a list in brackets:
`spec.template.spec.containers[agent].image`. They hold names only, never a value.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import orjson

from inventory_operator.api.metadata import FIELD_MANAGER, HANDOVER_FIELD_MANAGER
from inventory_operator.kube.field_ownership import items_of, owned_trees, without_identity

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

Object = dict[str, Any]
#: Keys of FieldsV1 trees from the root on.
Path = tuple[str, ...]
_LONGEST_PATH = 120
_LONGEST_MANAGER = 60
_OURS = frozenset({FIELD_MANAGER, HANDOVER_FIELD_MANAGER})


def lost_paths(live: Object, owned: bytes, manifest: Object) -> list[Path]:
    """Return the fields of `manifest` that are no longer ours; `owned` has those that are (`owned_fields`)."""
    lost = _lost(owned_trees(owned), without_identity(manifest), ())
    return [inner for path, value in lost for inner in _inside(live, path, value)]


def added_paths(patch: Object) -> list[Path]:
    """Return the fields that a patch of `unmanaged_fields_patch` takes out."""
    if pod := patch.get("spec", {}).get("template", {}).get("spec"):
        keys = [(field, orjson.dumps({"name": one["name"]}).decode()) for field in pod for one in pod[field]]
        return [("f:spec", "f:template", "f:spec", f"f:{field}", f"k:{key}") for field, key in keys]
    return [(f"f:{field}", f"f:{key}") for field in patch for key in patch[field]]


def manager_of(live: Object, path: Path) -> str | None:
    """Return who wrote the field at `path` last; None where `managedFields` do not tell, as of a field that is gone."""
    found = [
        entry
        for entry in live["metadata"].get("managedFields", ())
        if entry.get("subresource") != "status" and _at(entry.get("fieldsV1", {}), path) is not None
    ]
    if theirs := [entry for entry in found if entry.get("manager") not in _OURS]:
        return _clean(max(theirs, key=lambda entry: entry.get("time", "")).get("manager", ""), _LONGEST_MANAGER)
    # What a mutating webhook makes of our own request counts as ours.
    return "a mutating admission webhook" if found else None


def other_manager(live: Object) -> str | None:
    """Return who of others wrote the object last, whatever the field; None where nobody did."""
    entries = [one for one in live["metadata"].get("managedFields", ()) if one.get("subresource") != "status"]
    theirs = [one for one in entries if one.get("manager") not in _OURS]
    newest = max(theirs, key=lambda entry: entry.get("time", ""), default=None)
    return _clean(newest.get("manager", ""), _LONGEST_MANAGER) if newest else None


def printable(text: str) -> str:
    """Return a text that others chose, fit for a message: what is not printable ASCII is a question mark."""
    return "".join(character if " " <= character <= "~" else "?" for character in text)


def written(path: Path) -> str:
    """Return a path as people read it."""
    text = ""
    for key in path:
        notation, _, name = key.partition(":")
        if notation == "k":
            text += f"[{','.join(str(value) for value in orjson.loads(name).values())}]"
        elif notation == "f":
            # A name with a dot is a key: of a label, an annotation or a file.
            text += f"[{name}]" if "." in name or "/" in name else f".{name}"
    return _clean(text.removeprefix("."), _LONGEST_PATH)


def _lost(trees: list[Any], value: Any, path: Path) -> Iterator[tuple[Path, Any]]:
    nested = [tree for tree in trees if any(key != "." for key in tree)]
    if not nested:
        if not trees:
            yield path, value
        return
    if isinstance(value, dict):
        for key, item in value.items():
            yield from _lost([tree[f"f:{key}"] for tree in nested if f"f:{key}" in tree], item, (*path, f"f:{key}"))
    elif isinstance(value, list):
        for item in value:
            found = items_of(nested, item)
            key = found[0][0] if found else _key_of(item)
            # The name of a value in a set is that value.
            inner = (*path, key) if key and key.startswith("k:") else path
            yield from _lost([tree for _, tree in found], item, inner)


def _inside(live: Object, path: Path, value: Any) -> list[Path]:
    """Return what others hold inside of a field that is wholly lost; the field itself where they hold it as a whole."""
    entries = live["metadata"].get("managedFields", ())
    trees = [tree for one in entries if (tree := _at(one.get("fieldsV1", {}), path)) is not None]
    held = [key for key in value if any(f"f:{key}" in tree for tree in trees)] if isinstance(value, dict) else []
    return [inner for key in held for inner in _inside(live, (*path, f"f:{key}"), value[key])] or [path]


def _key_of(item: Any) -> str | None:
    """Return how FieldsV1 most likely names an item of a list that nobody has: lists of pods are keyed by name."""
    named = isinstance(item, dict) and item.get("name")
    return f"k:{orjson.dumps({'name': item['name']}).decode()}" if named else None


def _at(tree: Mapping[str, Any], path: Path) -> Mapping[str, Any] | None:
    for key in path:
        if key not in tree:
            return None
        tree = tree[key]
    return tree


def _clean(text: str, longest: int) -> str:
    plain = printable(text)
    return plain if len(plain) <= longest else f"{plain[: longest - 3]}..."
