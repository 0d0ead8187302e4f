"""The sockets that the server listens at; it knows no HTTP."""

from __future__ import annotations

import socket
from typing import Final

#: Connections that wait to be accepted. The kernel takes at most net.core.somaxconn.
BACKLOG: Final = 2048


def listen(address: str | None, port: int) -> socket.socket:
    """Return a socket that listens at one address or, for None, at all that the node has: IPv6 and IPv4, or either.

    At all of them, an IPv4 client's address is `::ffff:192.0.2.1`. That works where net.ipv6.conf.all.disable_ipv6 is
    set and where there is no IPv4 address; a kernel without IPv6 gets a socket of IPv4. Raise OSError with the address.
    """
    everywhere = address is None and socket.has_dualstack_ipv6()
    host = address or ("::" if everywhere else "0.0.0.0")  # noqa: S104 - a pod serves all its addresses
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    return socket.create_server((host, port), family=family, backlog=BACKLOG, dualstack_ipv6=everywhere)
