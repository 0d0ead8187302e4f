"""What the kubelet asks, on a listener and a thread of its own: no client of the service can keep it waiting."""

from __future__ import annotations

import json
import threading
import time
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final

from inventory_service.server.connections import Connections
from inventory_service.server.server import Server

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable, Iterable

#: After so long without a turn of the loop, or with all threads at the same requests, only a restart helps. No wait for
#: the database is as long: each has a deadline.
STANDSTILL_SECONDS: Final = 60.0
_LOOP_SECONDS: Final = 20.0


def start(sock: socket.socket, server: Server, not_ready_reason: Callable[[], str | None]) -> None:
    """Answer /livez and /readyz at `sock` for as long as the process lives."""
    reasons: dict[str, Callable[[], str | None]] = {
        "/livez": lambda: _dead_reason(server),
        "/readyz": not_ready_reason,
    }

    def application(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        reason = reasons.get(environ["PATH_INFO"])
        if reason is None:
            status, content = HTTPStatus.NOT_FOUND, {"error": "There are /livez and /readyz here."}
        elif (found := reason()) is not None:
            status, content = HTTPStatus.SERVICE_UNAVAILABLE, {"error": found}
        else:
            status, content = HTTPStatus.OK, {"status": "ok"}
        body = json.dumps(content).encode()
        head = [("Content-Type", "application/json"), ("Content-Length", str(len(body)))]
        start_response(f"{status.value} {status.phrase}", head)
        return [body]

    probes = Server(application, [sock], 1, Connections(lambda _path: 0, lambda _peer, _port: False))
    threading.Thread(target=probes.run, name="probes", daemon=True).start()


def _dead_reason(server: Server) -> str | None:
    still = time.monotonic() - server.turned_at
    if still > _LOOP_SECONDS:
        return f"The server's loop has stood still for {still:.0f} s."
    busy = server.connections.standstill(server.threads)
    if busy > STANDSTILL_SECONDS:
        return f"All {server.threads} threads have been at the same requests for {busy:.0f} s."
    return None
