"""Logging in with an API token, where tokens are required, and out again.

The token is kept in a cookie only, which scripts can't read and other sites can't send.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from apiflask import APIBlueprint
from flask import redirect, request, url_for

from inventory_service.http.authentication import COOKIE, authenticate, open_to_all
from inventory_service.http.client_address import came_from_proxy
from inventory_service.web import forms
from inventory_service.web.forms import State
from inventory_service.web.render import page

if TYPE_CHECKING:
    from werkzeug.wrappers import Response

blueprint = APIBlueprint("session", __name__, enable_openapi=False)


@blueprint.get("/login")
@open_to_all
def ask_for_token() -> Response:
    """Show the form for a token."""
    return page("login", state=State({"next": request.args.get("next", "")}))


@blueprint.post("/login")
@open_to_all
def log_in() -> Response:
    """Take a token into the cookie."""
    text = forms.typed().get("token", "").strip()
    target = _local(forms.typed().get("next", ""))
    token = authenticate(text)
    if token is None:
        sentence = "This is no valid token: check that it was copied as a whole, or ask for a new one."
        return page("login", 401, state=State({"next": target}, {"token": sentence}))
    response = redirect(target, 303)
    response.set_cookie(
        COOKIE, text, expires=token.expires_at, httponly=True, samesite="Strict", secure=_is_https(), path="/"
    )
    return response


@blueprint.post("/logout")
@open_to_all
def log_out() -> Response:
    """Forget the token."""
    response = redirect(url_for("session.ask_for_token"), 303)
    response.delete_cookie(COOKIE, httponly=True, samesite="Strict", secure=_is_https(), path="/")
    return response


def _local(target: str) -> str:
    """Return a path of ours: whatever else an address may hold leads to the list of products."""
    sane = (
        target.startswith("/") and not target.startswith(("//", "/\\")) and target.isprintable() and "\\" not in target
    )
    return target if sane else url_for("pages.show_products")


def _is_https() -> bool:
    """Tell whether the browser speaks TLS: to us, or to a proxy whose word counts."""
    forwarded = came_from_proxy() and request.headers.get("X-Forwarded-Proto", "").split(",")[0].strip() == "https"
    return request.is_secure or forwarded
