"""An import, carried out: one at a time for each database, whatever the number of pods."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

from sqlalchemy import func, select

from inventory_service.context import context
from inventory_service.db.advisory_locks import AdvisoryLock
from inventory_service.http.turns import PATIENCE_SECONDS, Busy
from inventory_service.inventory import imports
from inventory_service.inventory.import_statements import Terms

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

    from inventory_service.importexport.rows import Parsed
    from inventory_service.inventory.imports import Outcome
    from inventory_service.inventory.ledger import Origin

#: What an import or a preview is told that waited in vain.
BUSY: Final = "Another file is being imported or previewed; nothing was done. Retry in a few seconds."

_POLL_SECONDS: Final = 0.1


def apply(session: Session, parsed: Parsed, file_name: str | None, origin: Origin) -> Outcome:
    """Do what the file says, or nothing where it holds new products without a name. Raise Busy or ImportConflict."""
    _wait_for_other_pods(session)
    return imports.apply(session, parsed.staged, Terms(context().settings.low_stock_threshold, file_name), origin)


def _wait_for_other_pods(session: Session) -> None:
    """Let no other pod import until the end of the transaction. Raise Busy.

    SQLite has one pod, and there the turn that the request has taken is enough.
    """
    if session.get_bind().dialect.name == "sqlite":
        return
    until = time.monotonic() + PATIENCE_SECONDS
    while not session.scalar(select(func.pg_try_advisory_xact_lock(AdvisoryLock.IMPORT))):
        if time.monotonic() > until:
            raise Busy(BUSY)
        time.sleep(_POLL_SECONDS)
