"""The self-audit: compares the stock with the sum of its ledger.

It only reports: which of the two is wrong is for a person to find out.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import text

from inventory_service.db.advisory_locks import AdvisoryLock
from inventory_service.inventory import audit

if TYPE_CHECKING:
    from inventory_service.db.database import Database
    from inventory_service.inventory.audit import Findings


class BusyError(Exception):
    """Another replica is auditing."""


def run(database: Database, *, exclusive: bool = False) -> Findings:
    """Audit what is in the database. Raise BusyError if it is exclusive and another replica audits."""
    with database.reading() as session:
        audit.use_snapshot(session)
        if exclusive and not database.on_sqlite:
            lock = text("SELECT pg_try_advisory_xact_lock(:key)")
            if not session.execute(lock, {"key": AdvisoryLock.AUDIT}).scalar_one():
                raise BusyError
        return audit.examine(session)
