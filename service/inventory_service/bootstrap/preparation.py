"""Prepare the database until it succeeds, so that a pod may start before its database.

Meanwhile the reason is in the log and in /readyz.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Final

import structlog

from inventory_service.bootstrap import schema
from inventory_service.db.faults import DatabaseUnavailable, describe

if TYPE_CHECKING:
    from inventory_service.context import Context

_log = structlog.get_logger(__name__)

_RETRY_SECONDS: Final = 2.0


def prepare(context: Context) -> None:
    """Return once the database was prepared, or the service drains; the life cycle then has no `not_ready_reason`."""
    pause = threading.Event()
    while not context.lifecycle.draining and not _try_once(context):
        pause.wait(_RETRY_SECONDS)


def _try_once(context: Context) -> bool:
    try:
        schema.prepare(context.database, context.settings)
    except schema.UnsuitableDatabase as error:
        context.lifecycle.not_ready_reason = str(error)
        _log.error("database unsuitable", reason=str(error))
        return False
    except (DatabaseUnavailable, OSError) as error:
        context.lifecycle.not_ready_reason = f"The database can't be reached: {describe(error)}"
        _log.warning("database not prepared yet", reason=describe(error))
        return False
    except Exception:  # noqa: BLE001 - whatever it is: said in full in the log, in one sentence to the probes, and tried again
        reason = "The schema of the database can't be brought up to date; the log tells why."
        context.lifecycle.not_ready_reason = reason
        _log.exception("database can't be prepared")
        return False
    context.lifecycle.not_ready_reason = None
    _log.info("database prepared", database=context.database.engine.dialect.name)
    return True
