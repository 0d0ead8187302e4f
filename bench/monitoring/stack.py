"""A whole small stack as processes: the service on SQLite, Alertmanager, Prometheus, and stand-ins for the rest.

It never measures.
"""

from __future__ import annotations

from contextlib import ExitStack, contextmanager, suppress
from typing import TYPE_CHECKING, Any

import requests
from bench.monitoring import standins
from bench.monitoring.lab import Prometheus, Target, configure, rendered_for, running, wait_until
from bench.service.stock import fill
from tests.framework import processes
from tests.framework.server import Server, free_port

from devcluster.build.binaries import binary
from devcluster.node import servers

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@contextmanager
def running_stack(
    folder: Path, products: int, replicas: int, *, interval: str, filled: bool = True
) -> Iterator[tuple[Prometheus, Server]]:
    """Run a stack; its one process of the service is scraped as if there were `replicas` pods of it."""
    folder.mkdir(parents=True, exist_ok=True)
    url, port = f"sqlite:///{folder}/inventory.db", free_port()
    if filled:
        fill(url, products)
    pages = {"/metrics": standins.operator(), "/metrics/cadvisor": standins.containers()}
    with ExitStack() as stack:
        server = stack.enter_context(_service(folder / "service.log", url))
        others = stack.enter_context(standins.serving(pages))
        alertmanager = stack.enter_context(_alertmanager(folder))
        pods = [Target(f"127.0.0.1:{server.port}", standins.SERVICE_POD.format(number)) for number in range(replicas)]
        targets = {
            "service": pods,
            "prometheus": [Target(f"127.0.0.1:{port}")],
            "alertmanager": [Target(alertmanager, standins.PODS["alertmanager"])],
            "operator": [Target(others)],
            "cadvisor": [Target(others)],
        }
        configure(folder, targets, rendered_for("shop", "shop", prometheus={"scrapeInterval": interval}))
        yield stack.enter_context(running(folder, port)), server


@contextmanager
def _service(log: Path, url: str) -> Iterator[Server]:
    """Run the service, with the patience that a busy machine needs."""
    server = Server(log, DATABASE_URL=url, AUDIT_SECONDS="0")
    try:
        wait_until(lambda: _is_up(server), "the service to start")
        yield server
    finally:
        server.stop()


def _is_up(server: Server) -> bool:
    with suppress(requests.RequestException):
        return server.get("/readyz").ok
    return False


@contextmanager
def _alertmanager(folder: Path) -> Iterator[str]:
    """Run an Alertmanager that tells nobody and yield host:port."""
    file, port = folder / "alertmanager.yml", free_port()
    file.write_text("route: {receiver: nobody}\nreceivers: [{name: nobody}]\n", "utf-8")
    argv: list[Any] = [binary("alertmanager"), f"--config.file={file}", f"--storage.path={folder}/alertmanager"]
    argv += [f"--web.listen-address=127.0.0.1:{port}", "--cluster.listen-address="]
    process = servers.start_bound(argv, folder / "alertmanager.log")
    try:
        yield f"127.0.0.1:{port}"
    finally:
        processes.end(process)
