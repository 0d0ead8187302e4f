"""A webhook receiver: what Alertmanager really delivered, by stack and by time. It answers 200."""

from __future__ import annotations

import json
import threading
import time
from collections import defaultdict
from dataclasses import dataclass, field
from typing import Any

from tests.framework.webserver import Request, Response, WebServer


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


class Receiver(WebServer):
    """A context manager around one server; each stack has a path of its own."""

    def __init__(self, address: str) -> None:
        super().__init__(address, self._keep)
        self._lock = threading.Lock()
        self._received: dict[str, list[Delivery]] = defaultdict(list)

    def _keep(self, request: Request) -> Response:
        found = read(request.get_data(), time.time())
        with self._lock:
            self._received[request.path.strip("/")].extend(found)
        return Response()

    def deliveries(self, path: str) -> list[Delivery]:
        """Return what was delivered there so far, in order."""
        with self._lock:
            return list(self._received[path])
