"""A registry of one image on this machine, which takes more than an hour to hand out each part of it."""

from __future__ import annotations

import hashlib
import json
import threading
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

#: How a client begins that wants TLS: at an address of its own machine it then tries without.
_TLS = b"\x16"
_OCI = "application/vnd.oci.image"
#: Bytes of each part, and seconds for each byte.
_SIZE, _SECONDS = 1000, 5.0
_PARTS = {
    "config": {"mediaType": f"{_OCI}.config.v1+json", "digest": f"sha256:{1:064x}", "size": _SIZE},
    "layers": [{"mediaType": f"{_OCI}.layer.v1.tar+gzip", "digest": f"sha256:{2:064x}", "size": _SIZE}],
}
_MANIFEST = json.dumps({"schemaVersion": 2, "mediaType": f"{_OCI}.manifest.v1+json", **_PARTS}).encode()


class _Handler(BaseHTTPRequestHandler):
    """Answers as registries do, as far as a pull gets."""

    over: threading.Event

    def handle(self) -> None:
        if self.rfile.peek(1).startswith(_TLS):  # type: ignore[attr-defined] # of a BufferedReader
            self.wfile.write(b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n")
        else:
            super().handle()

    def do_HEAD(self) -> None:
        self.send_response(200)
        if "/manifests/" in self.path:
            self.send_header("Content-Type", f"{_OCI}.manifest.v1+json")
            self.send_header("Docker-Content-Digest", f"sha256:{hashlib.sha256(_MANIFEST).hexdigest()}")
        self.send_header("Content-Length", str(len(_MANIFEST) if "/manifests/" in self.path else _SIZE))
        self.end_headers()

    def do_GET(self) -> None:
        self.do_HEAD()
        if "/manifests/" in self.path:
            self.wfile.write(_MANIFEST)
        elif "/blobs/" in self.path:
            self._dribble()

    def _dribble(self) -> None:
        """Send a byte now and then: a pull without any progress is given up after five minutes."""
        with suppress(OSError):
            while not self.over.wait(_SECONDS):
                self.wfile.write(b"0")

    def log_message(self, *_: object) -> None:
        """What was asked is of no interest."""


@contextmanager
def running() -> Iterator[str]:
    """Run it; yields its address as the node, which is this machine, reaches it."""
    over = threading.Event()
    handler = type("Handler", (_Handler,), {"over": over})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        serving = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        serving.start()
        try:
            yield f"localhost:{server.server_port}"
        finally:
            over.set()
            server.shutdown()
            serving.join()
