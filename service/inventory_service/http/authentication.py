"""API tokens: who sends a request, and what that token may do. Off unless REQUIRE_TOKENS is set.

The text of a token is read only where tokens are on, and is in no answer and no log.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final, TypeVar
from urllib.parse import quote

import structlog
from flask import current_app, g, redirect, request
from prometheus_client import Counter
from sqlalchemy.exc import SQLAlchemyError
from werkzeug import exceptions

from inventory_service.context import context
from inventory_service.db.faults import describe
from inventory_service.http.errors import NOT_NOW, RETRY_SECONDS, Unavailable
from inventory_service.inventory import tokens

if TYPE_CHECKING:
    from collections.abc import Callable

    from prometheus_client import CollectorRegistry
    from werkzeug.wrappers import Response

    from inventory_service.inventory.tokens import Token

_log = structlog.get_logger(__name__)

#: The web pages' cookie with the token, and the page that sets it.
COOKIE: Final = "inventory_token"
LOGIN_PATH: Final = "/login"

MISSING: Final = "missing"
INVALID: Final = "invalid"
INSUFFICIENT: Final = "insufficient-scope"
_REASONS: Final = (MISSING, INVALID, tokens.EXPIRED, tokens.REVOKED, INSUFFICIENT)

#: Probes, metrics and the description of the API: no data of the inventory. (`/metrics` isn't served at the ingress.)
_OPEN_BLUEPRINTS: Final = frozenset({"health", "metrics", "openapi"})
_READING: Final = frozenset({"GET", "HEAD", "OPTIONS"})
_REALM: Final = 'Bearer realm="inventory"'
_SCOPE: Final = "inventory_scope"
_OPEN: Final = "open"

View = TypeVar("View", bound="Callable[..., Any]")


class Unauthenticated(exceptions.Unauthorized):
    """The request has no token, or none that is valid."""

    def __init__(self, reason: str) -> None:
        super().__init__(_SENTENCES[reason])
        self.problem_code = "missing-token" if reason == MISSING else "invalid-token"

    def get_headers(self, *arguments: Any, **named: Any) -> list[tuple[str, str]]:
        """Return the headers with the challenge; no error code where nothing was tried (RFC 6750, 3.1)."""
        challenge = _REALM if self.problem_code == "missing-token" else f'{_REALM}, error="invalid_token"'
        return [*super().get_headers(*arguments, **named), ("WWW-Authenticate", challenge)]


class InsufficientScope(exceptions.Forbidden):
    """The token is valid, and not for this."""

    problem_code = "insufficient-scope"

    def __init__(self, token: Token, needed: str) -> None:
        super().__init__(f"This needs a token with scope {needed}; that of {token.name} is {token.scope}.")
        self._needed = needed

    def get_headers(self, *arguments: Any, **named: Any) -> list[tuple[str, str]]:
        """Return the headers with what would be needed (RFC 6750, 3.1)."""
        challenge = f'{_REALM}, error="insufficient_scope", scope="{self._needed}"'
        return [*super().get_headers(*arguments, **named), ("WWW-Authenticate", challenge)]


_SENTENCES: Final = {
    MISSING: "This needs an API token: send the header `Authorization: Bearer <token>`.",
    INVALID: "The API token is none of this inventory's; check that it was copied as a whole.",
    tokens.EXPIRED: "The API token has expired; ask for a new one.",
    tokens.REVOKED: "The API token was revoked; ask for a new one.",
}


def failures_counter(registry: CollectorRegistry) -> Counter:
    """Return the counter of refused requests; every reason is there from the start."""
    name, words = "inventory_authentication_failures_total", "Requests refused for their API token, by reason."
    counter = Counter(name, words, ["reason"], registry=registry)
    for reason in _REASONS:
        counter.labels(reason)
    return counter


def require_scope(scope: str) -> Callable[[View], View]:
    """Mark a view that needs `scope`: without it reading needs "read", and everything else "write"."""

    def mark(view: View) -> View:
        setattr(view, _SCOPE, scope)
        return view

    return mark


#: Marks a view that needs no token, like the login page's.
open_to_all = require_scope(_OPEN)


def identify() -> None:
    """Identify the client, before every request: set `g.token` and `g.actor` (its name), both None without a token."""
    g.token = g.actor = g.denial = None
    if not context().settings.require_tokens or _scope_needed() == _OPEN:
        return
    if context().lifecycle.not_ready_reason:
        raise Unavailable(NOT_NOW, retry_after=RETRY_SECONDS)
    text = _presented()
    if text is None:
        g.denial = MISSING
        return
    g.token, g.denial = _look_up(text)
    if g.token is not None:
        g.actor = g.token.name


def require_token() -> Response | None:
    """Refuse a request without the token it needs; after the rate limit, which counts the refused ones, too."""
    if g.denial == MISSING and _wants_login_page():
        return redirect(f"{LOGIN_PATH}?next={quote(request.path, safe='')}", 303)
    if g.denial is None and (g.token is None or g.token.allows(_scope_needed())):
        return None
    context().authentication_failures.labels(g.denial or INSUFFICIENT).inc()
    if g.denial is None:
        raise InsufficientScope(g.token, _scope_needed())
    if _wants_login_page():
        return redirect(LOGIN_PATH, 303)
    raise Unauthenticated(g.denial)


def authenticate(text: str) -> Token | None:
    """Return the valid token with this text, for the login page; counts a failure where there is none."""
    token, denial = _look_up(text)
    if denial is not None:
        context().authentication_failures.labels(denial).inc()
    return token


def _scope_needed() -> str:
    """Return the scope that the request's route needs, or "open"; a path without a route is not open either."""
    if request.blueprint in _OPEN_BLUEPRINTS or (request.endpoint or "").endswith(".static"):
        return _OPEN
    view = current_app.view_functions.get(request.endpoint or "")
    by_method = tokens.READ if request.method in _READING else tokens.WRITE
    return str(getattr(view, _SCOPE, by_method))


def _presented() -> str | None:
    """Return the token that the request carries.

    The cookie counts for the web pages only: another site's page can't use the API with it.
    """
    scheme, _, text = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() == "bearer":
        return text.strip()
    return None if request.path.startswith("/api") else request.cookies.get(COOKIE)


def _look_up(text: str) -> tuple[Token | None, str | None]:
    """Return the valid token with this text, else why there is none."""
    # One indexed query for each request, and no cache: a revoked token is refused at once, by every replica.
    if not tokens.TEXT.fullmatch(text):
        return None, INVALID
    with context().database.reading() as session:
        token = tokens.find(session, text)
    now = datetime.now(UTC)
    if token is None:
        return None, INVALID
    state = token.state(now)
    if state != tokens.ACTIVE:
        return None, state
    _note_use(token, now)
    return token, None


def _note_use(token: Token, now: datetime) -> None:
    if token.last_used_at is not None and token.last_used_at > now - tokens.LAST_USE_GRAIN:
        return
    try:
        context().database.write(lambda session: tokens.note_use(session, token.id, now))
    except SQLAlchemyError as error:
        # A database that can be read and not written still answers who only reads.
        _log.warning("use of a token not noted", token=token.name, reason=describe(error))


def _wants_login_page() -> bool:
    """Tell whether a person with a browser asks for a web page."""
    path, accepted = request.path, request.headers.get("Accept", "")
    return "text/html" in accepted and path != LOGIN_PATH and not path.startswith("/api")
