"""Forms are accepted from our own pages only: no other site can let a person's browser change the stock.

It needs no cookie: browsers say where a request comes from. The rules are those of Go's `http.CrossOriginProtection`
(go.dev/src/net/http/csrf.go, since Go 1.25; by Filippo Valsorda, words.filippo.io/csrf).
"""

from __future__ import annotations

from typing import Final
from urllib.parse import urlsplit

from flask import request
from werkzeug.exceptions import Forbidden

_SAFE: Final = frozenset({"GET", "HEAD", "OPTIONS"})
_OURS: Final = frozenset({"same-origin", "none"})
_REFUSAL: Final = (
    "The form was sent by a page of another site, and nothing was done. Open the page here and send its form again."
)


def refuse_other_origins() -> None:
    """Refuse a change that another site's page asks for. Raise Forbidden."""
    if request.method not in _SAFE and not _from_here():
        raise Forbidden(_REFUSAL)


def _from_here() -> bool:
    site = request.headers.get("Sec-Fetch-Site")
    if site:
        return site in _OURS
    # Older browsers, and all of them over plain HTTP, tell only the origin; what tells neither is no browser.
    origin = request.headers.get("Origin")
    if not origin:
        return True
    try:
        return urlsplit(origin).netloc == request.host
    except ValueError:
        return False
