"""Says what to do where the API server refuses to change a volume claim."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from inventory_operator.api.quantities import quantity_bytes

if TYPE_CHECKING:
    from collections.abc import Mapping

#: From ValidatePersistentVolumeClaimUpdate (k8s.io/kubernetes/pkg/apis/core/validation) and admission of resizing.
_REFUSED = re.compile("spec is immutable|can not be less than|must support resize")
#: How the API server's own sentence begins; what precedes it is ours, and stays.
_SENTENCE = re.compile('persistentvolumeclaims? "', re.IGNORECASE)


def with_way_out(message: str, wanted: Mapping[str, Any], live: Mapping[str, Any], field: str) -> str:
    """Return what is to be said of a refused change of the claim `live` to `wanted`: the message, or what to do.

    `field` is where the spec says how the volume should be.
    """
    refused, begins = _REFUSED.search(message), _SENTENCE.search(message)
    way_out = _way_out(wanted, live, field) if refused and begins else None
    return message[: begins.start()] + way_out if begins and way_out else message


def _way_out(wanted: Mapping[str, Any], live: Mapping[str, Any], field: str) -> str | None:
    old, new = live["spec"], wanted["spec"]
    size, asked = (spec["resources"]["requests"]["storage"] for spec in (old, new))
    storage_class, wanted_class = old.get("storageClassName"), new.get("storageClassName")
    if live.get("status", {}).get("phase") == "Pending":
        delete = f"kubectl -n {live['metadata']['namespace']} delete pvc {live['metadata']['name']}"
        return f"it can't change before it has a volume: delete it ({delete}), and it is created as the spec says"
    if wanted_class not in {None, storage_class}:
        words = f'or move to "{wanted_class}" as docs/storage.md says'
        return f'its storage class "{storage_class}" can\'t change: set {field}.storageClassName back to that, {words}'
    if quantity_bytes(asked) < quantity_bytes(size):
        return f"its {size} can't shrink to {asked}: set {field}.size to {size} or more"
    if quantity_bytes(asked) > quantity_bytes(size):
        words = f'set {field}.size back to {size}, or let storage class "{storage_class}" grow volumes'
        return f"its {size} can't grow to {asked}: {words} (allowVolumeExpansion: true)"
    return None
