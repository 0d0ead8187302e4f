"""Takes secrets out of text that leaves the cluster: their values where these are known, and what looks like one."""

from __future__ import annotations

import base64
import re
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

if TYPE_CHECKING:
    from collections.abc import Iterable

Object = dict[str, Any]
HIDDEN = "REDACTED"
#: Shorter values are parts of other words.
_SHORTEST = 6
#: A word for a secret, and what it is set to: between quotes, or up to white space or the next punctuation.
_NAMED = r"(?:password|passwd|secret|token|api[_-]?key|routing[_-]?key)"
_SET = r"[\"']?[ \t]*[=:][ \t]*"
_VALUE = r"(?![{\[]|true\b|false\b|null\b)(?:\"[^\"\n]*\"|'[^'\n]*'|[^\s,;}\]]+)"
_PATTERNS = (
    # Credentials in a URL.
    (re.compile(r"([a-z][a-z0-9+.-]*://[^\s:/@\"']*):[^\s@/\"']+@", re.IGNORECASE), rf"\1:{HIDDEN}@"),
    (re.compile(r"\b(bearer|basic)\s+[A-Za-z0-9._~+/=-]{6,}", re.IGNORECASE), rf"\1 {HIDDEN}"),
    (re.compile(f"({_NAMED}{_SET}){_VALUE}", re.IGNORECASE), rf"\1{HIDDEN}"),
)


def values(secrets: Iterable[Object]) -> list[str]:
    """Return what of some Secrets is to be taken out, longest first.

    That is each value in base64, and where it is text that text, each line of it, and the password in a URL.
    """
    found: set[str] = set()
    for secret in secrets:
        for encoded in (secret.get("data") or {}).values():
            found.add(encoded)
            try:
                text = base64.b64decode(encoded).decode()
            except ValueError:
                continue
            found |= {text.strip(), *(line.strip() for line in text.splitlines()), *_passwords(text)}
    return sorted((one for one in found if len(one) >= _SHORTEST), key=len, reverse=True)


def _passwords(text: str) -> set[str]:
    """Return the password in a URL, as it is there and as it is meant."""
    try:
        password = urlsplit(text.strip()).password
    except ValueError:
        return set()
    return {password, unquote(password)} if password else set()


def redacted(text: str, known: Iterable[str]) -> str:
    """Return a text without the `known` values, and without what looks like a credential."""
    for value in known:
        text = text.replace(value, HIDDEN)
    for pattern, instead in _PATTERNS:
        text = pattern.sub(instead, text)
    return text
