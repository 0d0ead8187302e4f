"""What the views share: one frozen bundle for each application.

It never builds anything; `app.create_app` does.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

from flask import Flask, current_app, request

if TYPE_CHECKING:
    from prometheus_client import Counter

    from inventory_service.audit import LastAudit
    from inventory_service.database import Database
    from inventory_service.exposition import Exposition
    from inventory_service.lifecycle import Lifecycle
    from inventory_service.limits import RateLimiter
    from inventory_service.settings import Settings

_KEY = "inventory_service"


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
