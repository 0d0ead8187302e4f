"""The self-audit: tells whether the stock still equals the sum of its ledger.

It never mends anything: which of the two is wrong is for a person to find out.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from sqlalchemy import text

from inventory_service.inventory import audit

if TYPE_CHECKING:
    from inventory_service.db.database import Database
    from inventory_service.inventory.audit import Findings

#: Any number, the same for ever: where the replicas meet to do such work one after the other.
_ADVISORY_LOCK: Final = 5_180_924_714


class BusyError(Exception):
    """Another replica is at it."""


def run(database: Database, *, alone: bool = False) -> Findings:
    """Audit what is in the database. Raise BusyError if it is to be done alone and another replica is at it."""
    with database.reading() as session:
        audit.see_one_moment(session)
        if alone and not database.on_sqlite:
            lock = text("SELECT pg_try_advisory_xact_lock(:key)")
            if not session.execute(lock, {"key": _ADVISORY_LOCK}).scalar_one():
                raise BusyError
        return audit.examine(session)
