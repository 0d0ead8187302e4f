"""A webhook receiver: what Alertmanager really delivered, by stack and by time.

It never answers anything but 200, and forgets nothing until it is closed.
"""

from __future__ import annotations

import json
import threading
import time
from collections import defaultdict
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self


@dataclass(frozen=True, slots=True)
class Delivery:
    """One alert in one notification; `status` is firing or resolved, `at` is our clock when it was received."""

    at: float
    status: str
    alert: str
    severity: str
    labels: dict[str, str] = field(default_factory=dict)


def read(body: bytes, at: float) -> list[Delivery]:
    """Return the alerts of a notification as Alertmanager's webhook sends it.

    The format: https://prometheus.io/docs/alerting/latest/configuration/#webhook_config
    """
    alerts: list[dict[str, Any]] = json.loads(body)["alerts"]
    return [
        Delivery(at, it["status"], it["labels"]["alertname"], it["labels"].get("severity", ""), it["labels"])
        for it in alerts
    ]


class Receiver:
    """A context manager around one server; each stack has a path of its own."""

    def __init__(self, address: str) -> None:
        self._lock = threading.Lock()
        self._received: dict[str, list[Delivery]] = defaultdict(list)
        self._server = ThreadingHTTPServer((address, 0), self._handler())
        self._thread = threading.Thread(target=self._server.serve_forever, name="receiver", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def url(self, path: str) -> str:
        """Return the address for one stack."""
        host, port = self._server.server_address[:2]
        return f"http://{host!s}:{port}/{path}"

    def deliveries(self, path: str) -> list[Delivery]:
        """Return what was delivered there so far, in order."""
        with self._lock:
            return list(self._received[path])

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                now = time.time()
                body = self.rfile.read(int(self.headers["Content-Length"]))
                receiver.keep(self.path.strip("/"), read(body, now))
                self.send_response(200)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_: object) -> None:
                """The table is the log."""

        return Handler

    def keep(self, path: str, deliveries: list[Delivery]) -> None:
        """Remember what was delivered."""
        with self._lock:
            self._received[path].extend(deliveries)
