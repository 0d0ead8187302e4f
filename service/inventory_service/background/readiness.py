"""The readiness thread: prepares the database, then checks all the time whether it can be read and written.

It has a connection of its own. Who asks for readiness gets what it found last, and waits for no database.
"""

from __future__ import annotations

import os
import threading
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

import structlog
from sqlalchemy import delete, text

from inventory_service.bootstrap import preparation, schema
from inventory_service.db.database import Database, allow
from inventory_service.db.faults import DatabaseUnavailable, Fault
from inventory_service.db.models import IdempotencyKey

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

    from inventory_service.context import Context

_log = structlog.get_logger(__name__)

_EVERY_SECONDS: Final = 1.0
#: What one statement of the check may take.
_STATEMENT_SECONDS: Final = 3
#: After so long without news the check itself hangs: a few of them, or the longest that one may take.
_STALE_SECONDS: Final = 12.0
#: No token has such a name.
_PROBE: Final = "(readiness)"
#: Enough for the table to grow by some pages.
_PROBE_BYTES: Final = 64 * 1024


def start(context: Context) -> None:
    """Start to prepare the database, and to check it from then on."""
    threading.Thread(target=_until_draining, args=[context], name="readiness", daemon=True).start()


def ready_reason(context: Context) -> str | None:
    """Return why no requests should come here, None if they should; what is said is a few seconds old at most."""
    lifecycle = context.lifecycle
    if lifecycle.draining:
        return "The service is shutting down."
    reason = lifecycle.not_ready_reason or lifecycle.not_writable_reason
    if reason:
        return reason
    if lifecycle.checked_at is None or time.monotonic() - lifecycle.checked_at > _STALE_SECONDS:
        return "The database is being checked, and has not answered yet."
    return None


def _until_draining(context: Context) -> None:
    preparation.prepare(context)
    database = Database(context.settings.database_url, connections=1)
    pause = threading.Event()
    while not context.lifecycle.draining:
        check(context, database)
        pause.wait(_EVERY_SECONDS)
    database.close()


def check(context: Context, database: Database) -> None:
    """Find out what can be done with the database, by the connection of `database`, and let the life cycle know."""
    lifecycle = context.lifecycle
    before = lifecycle.not_ready_reason or lifecycle.not_writable_reason
    unusable = unwritable = None
    try:
        unusable, unwritable = _look(context, database)
    except DatabaseUnavailable as error:
        if error.fault is Fault.UNREACHABLE:
            unusable = f"The database can't be reached: {error}"
        else:
            # It answers, and so it may to others.
            unwritable = f"The database can't be used: {error}"
    except Exception:  # noqa: BLE001 - a defect must not end the thread: nothing would be checked any more
        unwritable = "The database can't be checked; the log tells why."
        _log.exception("database can't be checked")
    now = unusable or unwritable
    if now and now != before:
        _log.warning("not ready", reason=now)
    elif before and not now:
        context.database.renew()
        _log.info("ready again")
    lifecycle.not_ready_reason, lifecycle.not_writable_reason = unusable, unwritable
    lifecycle.checked_at = time.monotonic()


def _look(context: Context, database: Database) -> tuple[str | None, str | None]:
    """Return why the database can't be used, and why it can't be written. Raise DatabaseUnavailable."""
    with database.reading() as session:
        allow(session, _STATEMENT_SECONDS)
        if not schema.is_at_head(session):
            return "The schema of the database is behind this version of the service.", None
        read_only = _is_read_only(session)
    if read_only:
        database.renew()
        return None, "The database is read-only."
    if context.database.storage_failed:
        _store_something(context.database)
        context.database.storage_failed = False
    return None, None


def _is_read_only(session: Session) -> bool:
    engine = session.get_bind().engine
    if engine.dialect.name == "sqlite":
        return not os.access(str(engine.url.database), os.W_OK)
    return bool(session.scalar(text("SELECT current_setting('transaction_read_only')::boolean")))


def _store_something(database: Database) -> None:
    """Write as much as a full disk has no room for, and take it away. Raise DatabaseUnavailable."""
    now = datetime.now(UTC)
    probe = {"actor": _PROBE, "key": now.isoformat(), "fingerprint": "", "status": 0, "content_type": ""}
    body = os.urandom(_PROBE_BYTES)  # which can't be compressed
    database.write(
        lambda session: session.add(IdempotencyKey(**probe, body=body, created_at=now, expires_at=now)),
    )
    database.write(lambda session: session.execute(delete(IdempotencyKey).where(IdempotencyKey.actor == _PROBE)))
