"""What a stack's Prometheus scrapes beside the service, where there is no cluster: a kubelet's containers, an operator.

The names and labels are the real ones; the numbers are not, and nothing is concluded from them.
"""

from __future__ import annotations

import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any, Final

from prometheus_client import REGISTRY, generate_latest

from inventory_operator import metrics
from inventory_operator.status.conditions import CONDITIONS

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

SERVICE_POD: Final = "shop-inventory-7d9c5b6f4-{:05}"
#: container -> pod, as the parts of the stack `shop` are called.
PODS: Final = {
    "service": SERVICE_POD.format(0),
    "prometheus": "shop-prometheus-5c8d7f9b6-00000",
    "alertmanager": "shop-alertmanager-6f7d8c9b5-00000",
    "grafana": "shop-grafana-7b6c5d4f9-00000",
}
_CONTAINER: Final = (
    "container_cpu_usage_seconds_total",
    "container_cpu_cfs_periods_total",
    "container_cpu_cfs_throttled_periods_total",
    "container_memory_working_set_bytes",
    "container_memory_rss",
)


def containers() -> bytes:
    """Return what a kubelet would show of the containers of one stack, after the filter."""
    lines = [
        f'{name}{{namespace="shop",pod="{pod}",container="{container}",image="x"}} {number}'
        for number, name in enumerate(_CONTAINER, start=1)
        for container, pod in PODS.items()
    ]
    return ("\n".join(lines) + "\n").encode()


def operator() -> bytes:
    """Return the metrics that the operator declares, each with a value."""
    for result in ("success", "error"):
        metrics.RECONCILES.labels(result).inc()
    metrics.WRITES.labels("PATCH", "Service").inc()
    said = {"status": "True", "reason": "Available", "lastTransitionTime": "2026-01-01T00:00:00Z"}
    metrics.STACK_CONDITIONS.report(("shop", "shop"), [{"type": name, **said} for name in CONDITIONS])
    metrics.LEADER.set(1)
    return generate_latest(REGISTRY) + generate_latest(metrics.STACK_CONDITIONS)


@contextmanager
def serving(pages: Mapping[str, bytes]) -> Iterator[str]:
    """Serve the pages by their paths and yield host:port."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = pages.get(self.path.partition("?")[0], b"")
            self.send_response(200 if body else 404)
            self.send_header("Content-Type", "text/plain; version=0.0.4; charset=utf-8")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield f"127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
