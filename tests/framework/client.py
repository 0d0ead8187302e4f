"""A client that costs little, so that many of them at once burden the service and not the machine: `http.client`'s."""

from __future__ import annotations

import json
from http.client import HTTPConnection
from typing import TYPE_CHECKING, Any, NamedTuple, Self
from urllib.parse import urlsplit

from tests.framework.server import DEADLINE

if TYPE_CHECKING:
    from collections.abc import Mapping


class Answer(NamedTuple):
    """What the service answered."""

    status: int
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body)


class Client:
    """A client with one connection, which it keeps; for one thread."""

    def __init__(self, url: str) -> None:
        address = urlsplit(url)
        assert address.hostname
        self._connection = HTTPConnection(address.hostname, address.port, timeout=DEADLINE)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        self._connection.close()

    def send(self, method: str, path: str, body: Any = None, headers: Mapping[str, str] | None = None) -> Answer:
        """Send a request, `body` as JSON, and return the whole answer."""
        content = {} if body is None else {"Content-Type": "application/json"}
        data = None if body is None else json.dumps(body).encode()
        self._connection.request(method, path, data, {**content, **(headers or {})})
        with self._connection.getresponse() as response:
            return Answer(response.status, response.read())
