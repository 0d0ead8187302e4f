"""Somebody with a password who takes samples and gives metrics, for tests: a real web server that keeps what it saw.

It never reads the samples: that they came, and by whom, is what tests ask.
"""

from __future__ import annotations

import base64
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Self

METRICS = b"# TYPE warehouse_pallets gauge\nwarehouse_pallets 7\n"


class Storage:
    """A context manager around the server; GET gives metrics and POST takes samples, both to who has the password."""

    def __init__(self, address: str, user: str, password: str) -> None:
        self.password = password
        #: The status of each answer to a POST, the oldest first.
        self.answers: list[int] = []
        storage = self

        class Guarded(BaseHTTPRequestHandler):
            def _lets_in(self) -> bool:
                expected = base64.b64encode(f"{user}:{storage.password}".encode()).decode()
                return self.headers.get("Authorization") == f"Basic {expected}"

            def _answer(self, status: int, body: bytes = b"") -> None:
                self.send_response(status)
                self.send_header("Content-Type", "text/plain; version=0.0.4")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def do_GET(self) -> None:
                self._answer(200, METRICS) if self._lets_in() else self._answer(401)

            def do_POST(self) -> None:
                self.rfile.read(int(self.headers["Content-Length"]))
                # 429 is what Prometheus sends again; what is refused with 401 it drops.
                status = 204 if self._lets_in() else 429
                storage.answers.append(status)
                self._answer(status)

            def log_message(self, *_: object) -> None:
                """Say nothing."""

        self._server = ThreadingHTTPServer((address, 0), Guarded)
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05})
        self.target = f"{address}:{self._server.server_port}"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
