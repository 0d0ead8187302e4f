"""Secrets whose values are made once, at random, and never changed by us."""

from __future__ import annotations

import base64
import secrets
from typing import TYPE_CHECKING, Any

from inventory_operator.api.metadata import GENERATE_ANNOTATION

if TYPE_CHECKING:
    from collections.abc import Mapping

Object = dict[str, Any]
#: 24 random bytes: 192 bits, beyond any search.
PASSWORD_BYTES = 24


def is_generated(manifest: Object) -> bool:
    """Tell whether the values of a Secret are made once and never changed."""
    return GENERATE_ANNOTATION in manifest["metadata"].get("annotations", {})


def with_values(manifest: Object) -> Object:
    """Return a generated Secret with new random values beside those that it has."""
    values = dict(manifest.get("data", {}))
    for key in manifest["metadata"]["annotations"][GENERATE_ANNOTATION].split(","):
        values[key] = base64.b64encode(secrets.token_urlsafe(PASSWORD_BYTES).encode()).decode()
    return manifest | {"data": values}


def missing_key(manifest: Object, data: Mapping[str, str]) -> str | None:
    """Return the first key of a generated Secret that `data` has no value for; None where it is complete."""
    return next((key for key in _keys(manifest) if not data.get(key)), None)


def own_values(manifest: Object, data: Mapping[str, str]) -> dict[str, str]:
    """Return what of `data` is under a key of a generated Secret; what people added to it is nothing of ours."""
    return {key: data[key] for key in _keys(manifest) if key in data}


def _keys(manifest: Object) -> tuple[str, ...]:
    return (*manifest.get("data", {}), *manifest["metadata"]["annotations"][GENERATE_ANNOTATION].split(","))


def split_values(manifest: Object) -> tuple[Object | None, Object]:
    """Return (data to create it with, manifest without data) for a generated Secret, (None, manifest) for the rest.

    Applied without `data` it keeps whatever data it has: an edit by a person is a rotation, not drift.
    """
    if not is_generated(manifest):
        return None, manifest
    return manifest.get("data", {}), {key: value for key, value in manifest.items() if key != "data"}
