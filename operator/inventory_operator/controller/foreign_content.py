"""What of an object is another's and stands in the way of its adoption, told from three states of it.

Pure. The API server makes two of the states, so that its defaults and its rules of merging are nobody's guess here: the
object as it would be once our manifest was applied to it, and as it would be if it had the content of our manifest
alone. What the first has beyond the second would survive the adoption; what the live object has beyond the first would
be lost, and is somebody's unless our own field manager put it there.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from inventory_operator.kube.field_managers import printable
from inventory_operator.kube.field_ownership import covers, items_of, owned_fields, owned_trees

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

Object = dict[str, Any]
_IDENTITY = frozenset({"apiVersion", "kind", "metadata", "status"})
#: Annotations of Kubernetes' own controllers and tools, of Velero and of CloudNativePG. Never a whole domain of
#: Kubernetes': an Ingress' nginx.ingress.kubernetes.io/... is anybody's.
_HARMLESS = (
    "deployment.kubernetes.io/revision",
    "kubectl.kubernetes.io/last-applied-configuration",
    "kubectl.kubernetes.io/restartedAt",
    "pv.kubernetes.io/",
    "volume.kubernetes.io/",
    "volume.beta.kubernetes.io/",
    "velero.io/",
    "cnpg.io/",
)
_HARMLESS_FINALIZERS = ("kubernetes.io/", "cnpg.io/")
_LONGEST_KEY = 80


def replacement(adopted: Object, manifest: Object, data: Mapping[str, Any] | None) -> list[Object]:
    """Return the JSON patch that leaves an object the content of `manifest` alone.

    `data` is not None for a generated Secret: of its values those under these keys stay. Of a volume the spec stays:
    the API server keeps anybody from changing it, and whoever labels a volume wants what is in it.
    """
    metadata = adopted["metadata"]
    operations = [_put("/metadata/annotations", manifest["metadata"]["annotations"])]
    for field in ("ownerReferences", "finalizers"):
        if wanted := manifest["metadata"].get(field):
            operations.append(_put(f"/metadata/{field}", wanted))
        elif field in metadata:
            operations.append({"op": "remove", "path": f"/metadata/{field}"})
    wanted = {key: value for key, value in manifest.items() if key not in _IDENTITY}
    if data is not None:
        wanted["data"] = {key: value for key, value in adopted.get("data", {}).items() if key in data}
    if adopted["kind"] == "PersistentVolumeClaim":
        wanted["spec"] = adopted["spec"]
    elif "replicas" in adopted.get("spec", {}):
        # Where it is not in the manifest it is an autoscaler's.
        wanted["spec"] = {"replicas": adopted["spec"]["replicas"], **manifest["spec"]}
    operations += [_put(f"/{key}", value) for key, value in wanted.items()]
    operations += [{"op": "remove", "path": f"/{key}"} for key in adopted.keys() - wanted.keys() - _IDENTITY]
    return operations


def foreign_fields(live: Object, adopted: Object, alone: Object) -> list[str]:
    """Return the paths of what would survive the adoption, and of what would be lost with it."""
    trees = owned_trees(owned_fields(live))
    content = _content(adopted)
    found = [*_beyond(content, _content(alone)), *_lost(_content(live), content, trees)]
    return list(dict.fromkeys(found))


def _put(path: str, value: Any) -> Object:
    return {"op": "add", "path": path, "value": value}


def _content(obj: Object) -> Object:
    """Return what counts as content; labels do not: Velero adds two, and they select nothing of a stack's."""
    metadata = obj["metadata"]
    annotations = metadata.get("annotations", {})
    kept = {
        "annotations": {key: value for key, value in annotations.items() if not key.startswith(_HARMLESS)},
        "finalizers": [one for one in metadata.get("finalizers", ()) if not one.startswith(_HARMLESS_FINALIZERS)],
        "ownerReferences": metadata.get("ownerReferences", []),
    }
    return {key: value for key, value in obj.items() if key not in _IDENTITY} | {"metadata": kept}


def _beyond(have: Any, base: Any, path: str = "") -> Iterator[str]:
    """Yield the paths of what `have` has and `base` has not, or has otherwise."""
    if isinstance(have, dict) and isinstance(base, dict):
        for key, value in have.items():
            if path.endswith(".template.metadata.annotations") and key.startswith(_HARMLESS):
                continue
            yield from _beyond(value, base.get(key), _join(path, key))
    elif isinstance(have, list) and isinstance(base, list):
        for index, item in enumerate(have):
            if item not in base:
                yield from _beyond(item, _counterpart(item, base), _item(path, item, index))
    elif have != base and have not in ({}, [], None):
        yield path


def _lost(live: Any, after: Any, trees: list[Any], path: str = "") -> Iterator[str]:
    """Yield the paths of keys and items of lists of `live` that are not in `after`, but for those in `trees`."""
    if isinstance(live, dict) and isinstance(after, dict):
        for key, value in live.items():
            own = [tree[f"f:{key}"] for tree in trees if f"f:{key}" in tree]
            if key in after:
                yield from _lost(value, after[key], own, _join(path, key))
            elif not covers(own, value):
                yield _join(path, key)
    elif isinstance(live, list) and isinstance(after, list) and not _is_atomic(trees):
        for index, item in enumerate(live):
            counterpart = _counterpart(item, after)
            if item in after or covers(own := [tree for _, tree in items_of(trees, item)], item):
                continue
            if counterpart is None:
                yield _item(path, item, index)
            else:
                yield from _lost(item, counterpart, own, _item(path, item, index))


def _is_atomic(trees: list[Any]) -> bool:
    """Tell whether our field manager owns a list as one value."""
    return bool(trees) and not any(key != "." for tree in trees for key in tree)


def _counterpart(item: Any, items: list[Any]) -> Any:
    """Return the item of the same name."""
    if not isinstance(item, dict) or "name" not in item:
        return None
    return next((one for one in items if isinstance(one, dict) and one.get("name") == item["name"]), None)


def _join(path: str, key: str) -> str:
    key = printable(key[:_LONGEST_KEY])
    if "." in key or "/" in key:
        return f"{path}[{key}]"
    return f"{path}.{key}" if path else key


def _item(path: str, item: Any, index: int) -> str:
    named = isinstance(item, dict) and isinstance(item.get("name"), str)
    return f"{path}[{item['name'][:_LONGEST_KEY]}]" if named else f"{path}[{index}]"
