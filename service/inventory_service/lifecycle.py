"""Where this process is in its life: preparing the database, serving, or draining.

It never decides anything; the gunicorn worker moves it, readiness and the request gate read it.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(slots=True)
class Lifecycle:
    """Plain attributes on purpose: a signal handler writes `draining`, and must not take a lock."""

    #: Why the database can't be used yet; None once it was migrated.
    obstacle: str | None = "The database is being prepared."
    draining: bool = False
