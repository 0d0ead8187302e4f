"""The gunicorn worker: prepares the database and keeps house beside the requests, and drains when it is told to stop.

It never closes a listener before the endpoints had time to forget this pod.
"""

from __future__ import annotations

import contextlib
import signal
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

import structlog
from flask import Flask
from gunicorn.workers.gthread import ThreadWorker  # type: ignore[import-untyped]

from inventory_service.background import maintenance
from inventory_service.bootstrap import preparation
from inventory_service.context import context_of
from inventory_service.server import protocol_errors

if TYPE_CHECKING:
    import socket
    from types import FrameType

_log = structlog.get_logger(__name__)


class DrainingWorker(ThreadWorker):  # type: ignore[misc]
    """A threaded worker that goes on serving for DRAIN_SECONDS after SIGTERM, with /readyz at 503.

    Each answer then ends its connection, so that clients which keep theirs have gone elsewhere before it is closed.

    gunicorn's arbiter closes its listeners at once, but the worker has its own copies of them.
    """

    wsgi: Any = None

    @property
    def draining(self) -> bool:
        """Whether the process was told to stop."""
        return isinstance(self.wsgi, Flask) and context_of(self.wsgi).lifecycle.draining

    def load_wsgi(self) -> None:
        """Load the application, start to prepare its database, and to keep house."""
        super().load_wsgi()
        if isinstance(self.wsgi, Flask):
            preparation.start(context_of(self.wsgi))
            maintenance.start(context_of(self.wsgi))

    def handle_error(self, req: Any, client: socket.socket, addr: Any, exc: Exception) -> None:  # noqa: ARG002 - gunicorn's names
        """Answer what gunicorn itself refuses."""
        status, answer = protocol_errors.answer_to(exc)
        if status == HTTPStatus.INTERNAL_SERVER_ERROR:
            _log.error("request failed in the server", exc_info=exc)
        else:
            _log.info("request refused by the server", status=status, reason=type(exc).__name__)
        with contextlib.suppress(OSError):
            client.sendall(answer)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Start to drain; a second SIGTERM, or no time to drain, stops at once (gracefully)."""
        context = context_of(self.wsgi) if isinstance(self.wsgi, Flask) else None
        if context is None or context.lifecycle.draining or not context.settings.drain_seconds:
            super().handle_exit(sig, frame)
            return
        context.lifecycle.draining = True
        signal.signal(signal.SIGALRM, super().handle_exit)
        signal.setitimer(signal.ITIMER_REAL, context.settings.drain_seconds)

    def handle_quit(self, sig: int, frame: FrameType | None) -> None:
        """Stop at once (SIGINT or SIGQUIT to the arbiter).

        ThreadWorker's own handler takes a lock of the thread pool that the code it interrupts may hold: it was seen to
        hang there. Ending the process ends the pool, too.
        """
        super(ThreadWorker, self).handle_quit(sig, frame)
