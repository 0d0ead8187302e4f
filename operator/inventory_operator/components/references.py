"""An object that a spec refers to by name: what it must hold, and who uses it how."""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from inventory_operator.api.references import SecretKeyRef


@dataclass(frozen=True, slots=True)
class Reference:
    """Keys of a Secret in the stack's namespace, and where the spec names it."""

    component: str
    name: str
    #: Empty where it is for its owner to say which there are: then all of them are used.
    keys: tuple[str, ...]
    path: str
    #: What every key looks like, where `keys` is empty: a pattern, and the words for it.
    shape: tuple[str, str] = ("", "")
    #: Whether it comes of what the stack itself applies, so that nothing but its component waits for it.
    created_by_stack: bool = False
    #: Whether pods read it as files again and again: they start without it, and a change restarts nothing.
    mounted: bool = False

    @property
    def wanted(self) -> tuple[str, str]:
        """Kind and name, as the ReferenceWatcher wants them."""
        return ("Secret", self.name)

    def used(self, data: Mapping[str, str]) -> dict[str, str]:
        """Return the part of the Secret's `data` that the component starts with."""
        return {key: data[key] for key in (self.keys or data) if key in data}

    def missing_reason(self, data: Mapping[str, str] | None) -> str | None:
        """Return what is missing, in words; None when it is complete. `data` is None where there is no Secret."""
        if data is None:
            return f'Secret "{self.name}" not found'
        if empty := [key for key in self.keys if _is_blank(data.get(key, ""))]:
            return f"Secret {self.name} has no value under key {empty[0]}"
        # Which key is not said where the spec does not name it: somebody may have pasted a token as the name.
        if not self.keys and any(_is_blank(value) for value in data.values()):
            return f"Secret {self.name} has a key without a value: put one there, or remove the key"
        pattern, words = self.shape
        if pattern and not data:
            return f"Secret {self.name} is empty: expected at least one {words}"
        if not all(re.fullmatch(pattern, key) for key in data if pattern):
            return f"Secret {self.name} has a key of another kind: expected only {words}"
        return None


def _is_blank(value: str) -> bool:
    """Tell whether a value, in base64, is nothing to its readers: all of them take white space at its ends away."""
    return not base64.b64decode(value).strip()


def mounted(component: str, ref: SecretKeyRef, path: str) -> Reference:
    """Return the reference to one key that pods read as a file."""
    return Reference(component, ref.name, (ref.key,), path, mounted=True)


def digest(key: bytes, values: Mapping[str, str]) -> str:
    """Return a keyed digest of secret values: it tells that they changed, and can't be searched for what they are."""
    message = "\0".join(f"{name}\0{value}" for name, value in sorted(values.items()))
    return hmac.new(key, message.encode(), hashlib.sha256).hexdigest()[:24]
