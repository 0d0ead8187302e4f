"""Secrets whose values are made once, at random, and never changed by us.

Pure but for the random source: it writes nothing.
"""

from __future__ import annotations

import base64
import secrets
from typing import Any

from inventory_operator.api.metadata import GENERATE_ANNOTATION

Object = dict[str, Any]
#: 24 random bytes: 192 bits, beyond any search.
PASSWORD_BYTES = 24


def is_generated(manifest: Object) -> bool:
    """Tell whether the values of a Secret are made once and never changed."""
    return GENERATE_ANNOTATION in manifest["metadata"].get("annotations", {})


def split_values(manifest: Object) -> tuple[Object | None, Object]:
    """Return (data to create it with, manifest without data) for a generated Secret, (None, manifest) for the rest.

    Applied without `data` it keeps whatever data it has: an edit by a person is a rotation, not drift.
    """
    if not is_generated(manifest):
        return None, manifest
    values = dict(manifest.get("data", {}))
    for key in manifest["metadata"]["annotations"][GENERATE_ANNOTATION].split(","):
        values[key] = base64.b64encode(secrets.token_urlsafe(PASSWORD_BYTES).encode()).decode()
    return values, {key: value for key, value in manifest.items() if key != "data"}
