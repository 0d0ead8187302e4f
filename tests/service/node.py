"""A node with other addresses than this machine: a network namespace, and what is seen of the service within it.

`python -m tests.service.node` is what runs in the namespace; it prints what it found as JSON.
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import shutil
import socket
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any, Final

import requests
from tests.framework.rendered import ROOT
from tests.framework.server import DEADLINE, serving
from tests.service.rate_windows import within_one_hour

from inventory_service.server import limits
from inventory_service.server.listeners import listen

#: What is done to the loopback device, which has an address of each kind once it is up.
NODES: Final = {
    "both": ":",
    "IPv6 switched off": "echo 1 >/proc/sys/net/ipv6/conf/all/disable_ipv6",
    "IPv6 only": "ip address delete 127.0.0.1/8 dev lo",
}
#: Connections of one address, some more than it may have.
TRIED: Final = limits.CONNECTIONS_OF_A_PEER + 5


def on_node(node: str, *arguments: str | Path) -> Any:
    """Return what this module finds on a node.

    Who may not make a network namespace may do so as root of a user namespace.
    """
    assert shutil.which("unshare"), "a network namespace needs unshare, of util-linux"
    root = [] if os.geteuid() == 0 else ["--map-root-user"]
    up = f'ip link set lo up && {NODES[node]} && exec "$@"'
    command = ["unshare", "--net", *root, "sh", "-ec", up, "sh", sys.executable, "-m", __name__, *map(str, arguments)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=DEADLINE)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def peers(address: str) -> dict[str, str]:
    """Return the local addresses at which a listener is reached, and whom it sees there."""
    found = {}
    with listen(address or None, 0) as listener:
        for host in ("127.0.0.1", "::1"):
            try:
                client = socket.create_connection((host, listener.getsockname()[1]))
            except OSError:
                continue
            connection, peer = listener.accept()
            client.close()
            connection.close()
            found[host] = peer[0]
    return found


def answers(folder: str) -> dict[str, Any]:
    """Return the statuses that each local address gets from a service at all addresses, and its clients in the log."""
    return within_one_hour(lambda: _answers(tempfile.mkdtemp(dir=folder)))


def _answers(folder: str) -> dict[str, Any]:
    with serving(Path(folder) / "log", BIND_ADDRESS="", DATABASE_URL=f"{folder}/i.db", RATE_LIMIT="2/hour") as server:

        def ask(host: str, port: int, path: str) -> int:
            return requests.get(f"http://{host}:{port}{path}", timeout=DEADLINE).status_code

        found: dict[str, Any] = {
            host: [
                ask(host, server.probe_port, "/livez"),
                ask(host, server.port, "/metrics"),
                ask(host, server.ingress_port, "/metrics"),
                *(ask(host, server.port, "/api/products") for _ in range(3)),
            ]
            for host in ("127.0.0.1", "[::1]")
        }
        found["clients"] = [line["client"] for line in server.lines() if line["event"] == "request"]
    return found


def held(folder: str, proxies: str) -> dict[str, int]:
    """Return how many of TRIED connections of each local address stay open, at each port."""
    found = {}
    with serving(
        Path(folder) / "log", BIND_ADDRESS="", DATABASE_URL=f"{folder}/i.db", TRUSTED_PROXIES=proxies
    ) as server:
        for host in ("127.0.0.1", "::1"):
            for name, port in (("PORT", server.port), ("INGRESS_PORT", server.ingress_port)):
                with contextlib.ExitStack() as stack:
                    clients = [stack.enter_context(socket.create_connection((host, port))) for _ in range(TRIED)]
                    # Its answer comes after whatever its connection led to.
                    clients[-1].sendall(b"GET /livez HTTP/1.1\r\nHost: x\r\n\r\n")
                    assert clients[-1].recv(4096)
                    poll = select.poll()
                    for client in clients:
                        poll.register(client, select.POLLRDHUP)
                    found[f"{host} {name}"] = TRIED - len(poll.poll(0))
    return found


if __name__ == "__main__":
    sys.stdout.write(json.dumps({"peers": peers, "answers": answers, "held": held}[sys.argv[1]](*sys.argv[2:])))
