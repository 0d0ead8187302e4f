"""Prepare the database in the background until it succeeds, so that a pod may start before its database.

It never ends the process: what stands in the way is in the log and in /readyz, and goes away when it is mended.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Final

import structlog

from inventory_service.bootstrap import schema
from inventory_service.db.database import UNAVAILABLE, describe_unavailable

if TYPE_CHECKING:
    from inventory_service.context import Context

_log = structlog.get_logger(__name__)

_RETRY_SECONDS: Final = 2.0


def start(context: Context) -> None:
    """Start preparing; the life cycle's obstacle is gone once it is done."""
    threading.Thread(target=_until_prepared, args=[context], name="preparation", daemon=True).start()


def _until_prepared(context: Context) -> None:
    pause = threading.Event()
    while not context.lifecycle.draining and not _try_once(context):
        pause.wait(_RETRY_SECONDS)


def _try_once(context: Context) -> bool:
    try:
        schema.prepare(context.database, context.settings)
    except (*UNAVAILABLE, OSError) as error:
        context.lifecycle.obstacle = f"The database can't be reached: {describe_unavailable(error)}"
        _log.warning("database not prepared yet", reason=describe_unavailable(error))
        return False
    except Exception:  # noqa: BLE001 - whatever it is: said in full in the log, in one sentence to the probes, and tried again
        context.lifecycle.obstacle = "The schema of the database can't be brought up to date; the log tells why."
        _log.exception("database can't be prepared")
        return False
    context.lifecycle.obstacle = None
    _log.info("database prepared", database=context.database.engine.dialect.name)
    return True
