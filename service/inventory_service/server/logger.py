"""gunicorn's own messages, in the one log of the service.

It never writes an access line: the application does, with what it knows and gunicorn doesn't.
"""

from __future__ import annotations

from typing import Any

from gunicorn.glogging import Logger  # type: ignore[import-untyped]

from inventory_service.telemetry import logging


class JsonLogger(Logger):  # type: ignore[misc]
    """Hands everything on to the root logger."""

    def setup(self, cfg: Any) -> None:
        """Configure our log instead of gunicorn's handlers."""
        self.cfg = cfg
        logging.configure(cfg.loglevel)
        self.error_log.handlers.clear()
        self.error_log.propagate = True

    def access(self, resp: Any, req: Any, environ: Any, request_time: Any) -> None:
        """Write nothing."""
