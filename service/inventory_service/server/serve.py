"""`inventory-service serve`: the application, its threads, its sockets, and what signals do."""

from __future__ import annotations

import resource
import signal
import sys
from typing import TYPE_CHECKING, Any

import structlog

from inventory_service.background import maintenance, readiness
from inventory_service.context import context_of
from inventory_service.http.client_address import is_trusted_proxy
from inventory_service.server import limits, probes
from inventory_service.server.connections import Connections
from inventory_service.server.listeners import listen
from inventory_service.server.server import Server

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FrameType

    from flask import Flask

_log = structlog.get_logger(__name__)


def serve(app: Flask, body_limit: Callable[[str], int]) -> None:
    """Serve the application until SIGTERM, then for DRAIN_SECONDS more; a second one, or SIGINT, ends it sooner."""
    context = context_of(app)
    settings = context.settings
    _allow_open_files(2 * limits.CONNECTIONS)
    try:
        sockets = [listen(settings.bind_address, port) for port in (settings.port, settings.ingress_port)]
        probe_socket = listen(settings.bind_address, settings.probe_port)
    except OSError as error:
        sys.exit(f"The service can't listen: {error.strerror or error}.")

    def is_exempt(peer: str, port: int) -> bool:
        return is_trusted_proxy(peer, settings, through_ingress=port == settings.ingress_port)

    server = Server(app, sockets, settings.threads, Connections(body_limit, is_exempt))

    def drain(_signal: int, _frame: FrameType | None) -> None:
        again, context.lifecycle.draining = context.lifecycle.draining, True
        server.end(0.0 if again else settings.drain_seconds)

    def stop(_signal: int, _frame: FrameType | None) -> Any:
        context.lifecycle.draining = True
        sys.exit(0)

    signal.signal(signal.SIGTERM, drain)
    signal.signal(signal.SIGINT, stop)
    readiness.start(context)
    probes.start(probe_socket, server, lambda: readiness.ready_reason(context))
    maintenance.start(context)
    _log.info("serving", port=settings.port, ingress_port=settings.ingress_port, probe_port=settings.probe_port)
    server.run()
    _log.info("ended")


def _allow_open_files(wanted: int) -> None:
    """Let the process open as many files as its connections need, where its limits allow it."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    if soft != resource.RLIM_INFINITY and soft < most:
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))
