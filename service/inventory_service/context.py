"""What the views share: one frozen bundle for each application, and the state of its process.

`app.create_app` builds it. What it holds of packages above this one is described here by protocols.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, cast

from flask import Flask, current_app, request

if TYPE_CHECKING:
    from contextlib import AbstractContextManager
    from datetime import datetime

    from prometheus_client import Counter

    from inventory_service.db.database import Database
    from inventory_service.settings import RateLimit, Settings

_KEY = "inventory_service"


@dataclass(slots=True)
class Lifecycle:
    """Where this process is in its life: preparing the database, serving, or draining.

    Moved by the server and `background.readiness`, read by readiness and the request gate. Plain attributes on purpose:
    a signal handler writes `draining`, and must not take a lock.
    """

    #: Why the database can't be used: it was not migrated yet, or is out of reach.
    not_ready_reason: str | None = "The database is being prepared."
    #: Why nothing can be written while the database can be read.
    not_writable_reason: str | None = None
    #: When that was found out last, by time.monotonic().
    checked_at: float | None = None
    draining: bool = False


@dataclass(slots=True)
class LastAudit:
    """What the last finished audit of this process found; plain attributes, read by the metrics at each scrape."""

    #: Products whose stock and ledger disagree; None until an audit finished (for ever, with AUDIT_SECONDS=0).
    drift: int | None = None
    finished_at: datetime | None = None


class Exposition(Protocol):
    """The text of /metrics (`telemetry.exposition`)."""

    def render(self, accept: str) -> tuple[bytes, str]:
        """Return the exposition in the format that the Accept header asks for, and its content type."""


class RateLimiter(Protocol):
    """The rate limit (`http.rate_limit`)."""

    rate: RateLimit

    def wait(self, client: str) -> int:
        """Count one request; return 0, or after how many seconds the client may come again (not counted then)."""


class Turns(Protocol):
    """Work of which little is done at a time (`http.turns`)."""

    def turn(self) -> AbstractContextManager[None]:
        """Return what waits for a turn and ends it."""


@dataclass(frozen=True, slots=True)
class Context:
    """Settings, database, metrics and life cycle of one application."""

    settings: Settings
    database: Database
    exposition: Exposition
    lifecycle: Lifecycle
    limiter: RateLimiter | None
    audit: LastAudit
    authentication_failures: Counter
    #: One file is read, previewed or imported at a time.
    imports: Turns
    #: Few threads send files, for as long as their clients take.
    downloads: Turns

    def attach(self, app: Flask) -> None:
        """Make this the context of `app`."""
        app.extensions[_KEY] = self


def context_of(app: Flask) -> Context:
    """Return the context of `app`."""
    return cast("Context", app.extensions[_KEY])


def context() -> Context:
    """Return the context of the application that handles the current request."""
    return context_of(current_app)


def came_through_ingress() -> bool:
    """Tell whether the current request came in at the port that the ingress points at.

    The server takes SERVER_PORT from the socket: no header and no spelling of a path gets around it.
    """
    return request.environ.get("SERVER_PORT") == str(context().settings.ingress_port)
