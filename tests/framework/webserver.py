"""A real web server of a test: it answers as a function says, for as long as it is entered."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Self

from werkzeug import Request, Response
from werkzeug.serving import WSGIRequestHandler, make_server

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Request", "Response", "WebServer"]


class _Quiet(WSGIRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_request(self, *_: object) -> None:
        """What was asked is kept by who answers."""


class WebServer:
    """A context manager around a server on an address; each request has a thread of its own. Port 0 is a free one."""

    def __init__(self, address: str, answer: Callable[[Request], Response], port: int = 0) -> None:
        app = Request.application(answer)
        self._server = make_server(address, port, app, threaded=True, request_handler=_Quiet)
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05})
        self.target = f"{address}:{self._server.server_port}"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def url(self, path: str) -> str:
        """The URL of a path, with or without its first slash."""
        return f"http://{self.target}/{path.removeprefix('/')}"
