"""What others set that excludes what we apply: two ports of one name, two handlers of a probe, two kinds of a volume.

Pure. A server-side apply leaves theirs beside ours, and the API server refuses both together.
"""

from __future__ import annotations

from typing import Any

Object = dict[str, Any]
#: How a strategic merge patch names the items of a list; `port` and `containerPort` by what has them.
#: https://kubernetes.io/docs/reference/kubernetes-api/ ("Patch strategy: merge on key")
_KEYS = {"containers": "name", "initContainers": "name", "volumes": "name", "env": "name", "volumeMounts": "mountPath"}


#: What must have one of several fields: when theirs is taken out, ours has to come with the same patch.
_ONE_OF = frozenset({"volumes", "livenessProbe", "readinessProbe", "startupProbe"})


def excluded_fields_patch(live: Object, manifest: Object) -> Object | None:
    """Return the strategic merge patch that takes out all that others set where it may exclude ours; None if nothing.

    The API server sets its defaults anew. What a patch sets, other than an apply, would stay when it is applied no
    longer: so it sets as little as it can.
    """
    ours, theirs = manifest.get("spec", {}), live.get("spec", {})
    match manifest["kind"]:
        case "Deployment":
            pod = _extras(theirs["template"]["spec"], ours["template"]["spec"], "")
            return {"spec": {"template": {"spec": pod}}} if pod else None
        case "Service":
            gone = _items(theirs.get("ports", []), ours["ports"], "ports", "port")
            # One without any port would be refused.
            return {"spec": {"ports": [*gone, *ours["ports"]]}} if gone else None
        case "PodDisruptionBudget" if "minAvailable" in theirs:
            return {"spec": {"minAvailable": None}}
    return None


def _extras(live: Object, ours: Object, field: str) -> Object:
    """Return the patch that takes out of `live`, the value of a field, what `ours` does not have."""
    patch: Object = {key: None for key in live if key not in ours}
    if patch and field in _ONE_OF:
        patch |= {key: value for key, value in ours.items() if key not in live}
    for key in ours.keys() & live.keys():
        inner: Any = None
        if isinstance(ours[key], dict):
            inner = _extras(live[key], ours[key], key)
        elif isinstance(ours[key], list):
            name = "containerPort" if key == "ports" else _KEYS.get(key)
            inner = _items(live[key], ours[key], key, name) if name else None
        if inner:
            patch[key] = inner
    return patch


def _items(live: list[Object], ours: list[Object], field: str, name: str) -> list[Object]:
    """Return the patches of the items of a list, which are named by one of their fields."""
    wanted = {one[name]: one for one in ours}
    gone = [{name: one[name], "$patch": "delete"} for one in live if one[name] not in wanted]
    kept = [(one[name], _extras(one, wanted[one[name]], field)) for one in live if one[name] in wanted]
    return gone + [{name: value, **extras} for value, extras in kept if extras]
