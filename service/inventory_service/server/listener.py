"""One listening socket of the server."""

from __future__ import annotations

import select
import socket
from typing import TYPE_CHECKING, Any

from waitress.adjustments import Adjustments  # type: ignore[import-untyped]
from waitress.server import TcpWSGIServer  # type: ignore[import-untyped]

from inventory_service.server import limits
from inventory_service.server.connection import Connection
from inventory_service.server.listeners import BACKLOG

if TYPE_CHECKING:
    from collections.abc import Callable

    from inventory_service.server.connections import Connections


class Listener(TcpWSGIServer):  # type: ignore[misc]
    """Accepts connections for an application; all listeners of a server share its loop, threads and `connections`."""

    channel_class = Connection

    def __init__(
        self,
        application: Any,
        sock: socket.socket,
        connections: Connections,
        is_draining: Callable[[], bool],
        **shared: Any,
    ) -> None:
        self.connections = connections
        self._is_draining = is_draining
        place = (sock.family, sock.type, sock.proto, sock.getsockname())
        super().__init__(application, _sock=sock, bind_socket=False, sockinfo=place, **shared)

    @property
    def draining(self) -> bool:
        """Whether each answer ends its connection."""
        return self._is_draining()

    def readable(self) -> bool:
        """Tell whether to accept; the limits of `connections` make room for each new one."""
        return bool(self.accepting)

    def stop_accepting(self) -> None:
        """Accept what has connected already, and close the socket; what was accepted goes on.

        Whatever still waits in the kernel then would lose its request.
        """
        waiting = select.poll()
        waiting.register(self.socket, select.POLLIN)
        for _ in range(BACKLOG):
            if not waiting.poll(0):
                break
            self.handle_accept()
        self.accepting = False
        self.del_channel()
        self.socket.close()


def adjustments() -> Adjustments:
    """Return waitress's settings: what it would bound by itself, `limits` and `request` bound in another way."""
    adjusted = Adjustments(
        ident="",
        clear_untrusted_proxy_headers=False,
        max_request_header_size=limits.HEAD_BYTES,
        inbuf_overflow=limits.SMALL_BODY_BYTES,
        # Answers are never put into files: there may be no folder for them.
        outbuf_overflow=2**40,
        outbuf_high_watermark=limits.STREAM_BYTES,
        log_socket_errors=False,
    )
    adjusted.socket_options = [
        (socket.IPPROTO_TCP, socket.TCP_NODELAY, 1),
        (socket.SOL_SOCKET, socket.SO_SNDBUF, limits.SOCKET_BYTES),
        (socket.SOL_SOCKET, socket.SO_RCVBUF, limits.SOCKET_BYTES),
    ]
    # The head of an answer and its beginning in one packet.
    adjusted.send_bytes = 16 * limits.KIB
    return adjusted
