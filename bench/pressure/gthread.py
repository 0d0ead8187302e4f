"""gunicorn's configuration for the comparison, as a module: the application in gthread, without our own server."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from gunicorn.workers import gthread  # type: ignore[import-untyped]

from inventory_service.background import readiness
from inventory_service.context import context_of

if TYPE_CHECKING:
    import socket

#: Seconds that a read from, or a write to, a client may take; 0 for no deadline.
_SOCKET_SECONDS = float(os.environ.get("GTHREAD_SOCKET_SECONDS", "0"))


class Worker(gthread.ThreadWorker):  # type: ignore[misc]
    """A worker whose sockets have a deadline, if there is one."""

    def handle(self, conn: Any) -> Any:
        """Answer one request."""
        if _SOCKET_SECONDS:
            sock: socket.socket = conn.sock
            conn.init()
            sock.settimeout(_SOCKET_SECONDS)
        return super().handle(conn)


def post_worker_init(worker: Any) -> None:
    """Prepare the database, as the service does."""
    readiness.start(context_of(worker.wsgi))


bind = [f"127.0.0.1:{os.environ['PORT']}", f"127.0.0.1:{os.environ['INGRESS_PORT']}"]
wsgi_app = "inventory_service.wsgi:application()"
workers = 1
threads = int(os.environ.get("GTHREAD_THREADS", "8"))
worker_class = Worker
keepalive = 75
control_socket_disable = True
