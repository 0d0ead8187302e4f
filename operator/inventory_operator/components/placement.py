"""Names the field of a spec's placement that the API server refused in a pod template."""

from __future__ import annotations

import re

from inventory_operator.api.placement import Placement

#: Where the fields of a placement are in a Deployment, and what they are called in the spec.
_FIELDS = {
    "labels": "podLabels",
    "annotations": "podAnnotations",
    **{f"spec.{field.alias}": str(field.alias) for field in Placement.model_fields.values()},
}
_REFUSED = re.compile(rf"\.?\bspec\.template\.({'|'.join(map(re.escape, _FIELDS))})\b")


def with_spec_paths(message: str, section: str) -> str:
    """Return the API server's message with paths of the spec in place of those of the pod template.

    `section` is where the component's part of the spec is, like spec.service.
    """
    if not _REFUSED.search(message):
        return message
    placement = f"{section}.placement"
    named = _REFUSED.sub(lambda found: f"{placement}.{_FIELDS[found[1]]}", message)
    return f"{named} ({placement} takes what it leaves out from spec.placement)"
