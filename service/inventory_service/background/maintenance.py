"""The maintenance thread: audits the ledger, and deletes the answers of expired idempotency keys.

It pauses while the pod drains. Of several replicas one audits at a time.
"""

from __future__ import annotations

import threading
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

import structlog
from sqlalchemy.exc import SQLAlchemyError

from inventory_service.background import audit
from inventory_service.background.audit import BusyError
from inventory_service.db.faults import describe
from inventory_service.inventory import expiry

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlalchemy.orm import Session

    from inventory_service.context import Context
    from inventory_service.inventory.audit import Findings

_log = structlog.get_logger(__name__)

#: How often the thread looks for what is due; it also bounds how long a replica waits for another's audit to end.
_TICK_SECONDS: Final = 2.0
_PURGE_SECONDS: Final = 60.0
_PURGED_AT_ONCE: Final = 200
#: So many ids of products are named in the log at most.
_NAMED: Final = 20


def start(context: Context) -> None:
    """Start to keep house, once the database was prepared."""
    threading.Thread(target=_until_draining, args=[context], name="maintenance", daemon=True).start()


def _until_draining(context: Context) -> None:
    pause = threading.Event()
    jobs = [_Job("purge", purge, _PURGE_SECONDS)]
    if context.settings.audit_seconds:
        jobs.append(_Job("audit", audit_once, context.settings.audit_seconds))
    while not context.lifecycle.draining:
        if context.lifecycle.not_ready_reason is None:
            for job in jobs:
                job.run_if_due(context)
        pause.wait(min(_TICK_SECONDS, *(job.seconds for job in jobs)))


class _Job:
    """Something to be done every so many seconds, for the first time at once."""

    def __init__(self, name: str, work: Callable[[Context], None], seconds: float) -> None:
        self.seconds = seconds
        self._name = name
        self._work = work
        self._due = time.monotonic()

    def run_if_due(self, context: Context) -> None:
        """Do it if it is time, and nothing is draining; what fails is said in the log and done again when due."""
        if time.monotonic() < self._due or context.lifecycle.draining:
            return
        try:
            self._work(context)
        except BusyError:
            return  # still due
        except SQLAlchemyError as error:
            _log.warning("maintenance failed", job=self._name, reason=describe(error))
        except Exception:  # noqa: BLE001 - a bug here must not end the thread, and with it every later audit
            _log.exception("maintenance failed", job=self._name)
        self._due = time.monotonic() + self.seconds


def audit_once(context: Context) -> None:
    """Audit the ledger, keep what was found for the metrics, and log what should not be. Raise BusyError."""
    findings = audit.run(context.database, exclusive=True)
    context.audit.drift = len(findings.products)
    context.audit.finished_at = datetime.now(UTC)
    _report(findings)


def purge(context: Context) -> None:
    """Delete the answers that are not to be given again, some at a time."""
    deleted = _PURGED_AT_ONCE
    while deleted == _PURGED_AT_ONCE and not context.lifecycle.draining:
        deleted = context.database.write(_purge_some)


def _purge_some(session: Session) -> int:
    return expiry.delete_expired_keys(session, datetime.now(UTC), _PURGED_AT_ONCE)


def _report(findings: Findings) -> None:
    if findings.products:
        named = [drift.product_id for drift in findings.products[:_NAMED]]
        _log.error("ledger drift", products=len(findings.products), product_ids=named)
    if findings.reservations:
        named = list(findings.reservations[:_NAMED])
        _log.error("inconsistent reservations", reservations=len(findings.reservations), reservation_ids=named)
    if not findings:
        _log.debug("audit found nothing")
