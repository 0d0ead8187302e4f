"""The log: one JSON object a line on standard output, for our own events and for those of the libraries.

A traceback has no values of local variables: they may be secret.
"""

from __future__ import annotations

import logging
import sys
from typing import TYPE_CHECKING

import structlog
from flask import g, has_app_context

if TYPE_CHECKING:
    from structlog.typing import EventDict, Processor, WrappedLogger


def configure(level: str) -> None:
    """Send every log of the process to standard output, from `level` (debug, info, warning, error) on."""
    shared: list[Processor] = [
        _add_request,
        structlog.stdlib.add_logger_name,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
    ]
    # Our own events don't go through `logging`: it looks for the caller in the stack and makes a record of each line,
    # and took three quarters of the time that an access line takes.
    structlog.configure(
        processors=[*shared, structlog.processors.JSONRenderer()],
        logger_factory=_Output,
        wrapper_class=structlog.make_filtering_bound_logger(level.lower()),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[structlog.stdlib.PositionalArgumentsFormatter(), *shared],
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.processors.JSONRenderer(),
            ],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    # Their statements and steps are of no use to who runs the shop, and may hold data.
    for library in ("sqlalchemy", "alembic"):
        logging.getLogger(library).setLevel(logging.WARNING)
    # waitress writes a line for each request that waits for a thread.
    logging.getLogger("waitress.queue").setLevel(logging.ERROR)


class _Output(structlog.WriteLogger):
    """Standard output, for the logger of one module."""

    def __init__(self, name: str) -> None:
        super().__init__(sys.stdout)
        self.name = name


def _add_request(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """Add which request a line is about, and who asks; looked up here, for most requests write a line or none."""
    if has_app_context():
        for name in ("request_id", "actor"):
            value = g.get(name)
            if value is not None:
                event[name] = value
    return event
