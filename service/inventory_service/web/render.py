"""Pages out of templates, with the headers that every page has.

The headers forbid scripts in our pages, and other sites to frame them.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from flask import Response, g, render_template, request, stream_template
from markupsafe import Markup, escape

from inventory_service.context import context
from inventory_service.inventory.tokens import WRITE
from inventory_service.web import messages
from inventory_service.web.forms import LABELS

if TYPE_CHECKING:
    from datetime import datetime
    from decimal import Decimal

    from flask import Flask

_POLICY: Final = (
    "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
_CODE: Final = re.compile("`([^`]+)`")
_HEADERS: Final = {
    "Content-Security-Policy": _POLICY,
    "Referrer-Policy": "same-origin",
    # Going back must show the stock of now, and a form with a new key.
    "Cache-Control": "no-store",
}


def page(template: str, status: int = 200, **values: Any) -> Response:
    """Return the page that `web/<template>.html` makes of the values."""
    text = render_template(f"web/{template}.html", **values)
    return Response(text, status, headers=_HEADERS, content_type="text/html; charset=utf-8")


def streamed_page(template: str, **values: Any) -> Response:
    """Return the same, piece by piece: for a page that holds what is large."""
    pieces = stream_template(f"web/{template}.html", **values)
    return Response(pieces, headers=_HEADERS, content_type="text/html; charset=utf-8")


def register(app: Flask) -> None:
    """Give the templates what all of them need."""
    app.jinja_env.globals["labels"] = LABELS
    filters = {"money": _money, "moment": _moment, "signed": _signed, "marked": _marked}
    app.jinja_env.filters.update(filters)
    app.context_processor(_values)


def _values() -> dict[str, Any]:
    token = g.get("token")
    return {
        "message": messages.message(request.args),
        "actor": g.get("actor"),
        "may_write": token is None or token.allows(WRITE),
        "tokens": context().settings.require_tokens,
    }


def _money(price: Decimal) -> str:
    """Return a price with two decimals, or more where it has more."""
    text = f"{price:,.4f}"
    return text[:-2] if text.endswith("00") else text.rstrip("0")


def _moment(at: datetime) -> str:
    return f"{at.day} {at:%b %Y, %H:%M} UTC"


def _signed(delta: int) -> str:
    """Return +5, or the other sign with a real minus."""
    return f"{delta:+,}".replace("-", "\N{MINUS SIGN}")


def _marked(text: str) -> Markup:
    """Return a text with what stands between backquotes as code."""
    return Markup(_CODE.sub(r"<code>\1</code>", str(escape(text))))  # noqa: S704 - it was escaped before
