"""The log: one JSON object a line on standard output, for our own events and for those of the libraries.

It never adds the values of local variables to a traceback.
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
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
    ]
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *shared,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
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


def _add_request(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """Add which request a line is about, and who asks; looked up here, for most requests write a line or none."""
    if has_app_context():
        for name in ("request_id", "actor"):
            value = g.get(name)
            if value is not None:
                event[name] = value
    return event
