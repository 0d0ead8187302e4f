"""HTTP requests to the pods of a stack, whose answers are a tenant's: all that they can cost is bounded here.

No redirect is followed, no proxy is used, no compressed answer is taken, no cookie is kept.
"""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import aiohttp

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

#: For a whole conversation, connecting included: a pod in the same cluster answers in milliseconds.
SECONDS = 2.0
#: Bytes of one answer: the metrics of an Alertmanager 0.31.1 take 44 kB.
LARGEST_ANSWER = 2**20
#: At the same time, to all pods together.
CONNECTIONS = 16
OK, REDIRECTS = 200, range(300, 400)


class PodRequestError(Exception):
    """A pod gave no usable answer; the message says why in words of ours, with nothing of what it sent."""


@dataclass(slots=True)
class PodClient:
    """Talks to pods; safe for many tasks at once."""

    seconds: float = SECONDS
    _connections: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(CONNECTIONS))

    @contextlib.asynccontextmanager
    async def conversation(self, pod: dict[str, Any], port: int) -> AsyncIterator[Conversation]:
        """Connect to a port of a pod; what is not answered in `seconds` altogether raises PodRequestError."""
        base = _base(pod["status"].get("podIP", ""), port)
        async with self._connections:
            try:
                async with asyncio.timeout(self.seconds), _session() as session:
                    yield Conversation(session, base)
            except TimeoutError as error:
                raise PodRequestError(f"did not answer completely within {self.seconds:g} s") from error
            except aiohttp.ClientConnectorError as error:
                raise PodRequestError("can't be connected to") from error
            except aiohttp.ClientResponseError as error:
                raise PodRequestError("did not answer in HTTP") from error
            except aiohttp.ClientError as error:
                raise PodRequestError("closed the connection before its answer was complete") from error


@dataclass(frozen=True, slots=True)
class Conversation:
    """Several requests to one pod, one after the other on one connection."""

    session: aiohttp.ClientSession
    base: str

    async def ask(self, method: str, path: str) -> bytes:
        """Return the body of the answer; PodRequestError unless it is a plain 200 of at most LARGEST_ANSWER bytes."""
        request = f"answered {method} {path}"
        async with self.session.request(method, f"{self.base}{path}", allow_redirects=False) as response:
            if response.status in REDIRECTS:
                raise PodRequestError(f"{request} with a redirect ({response.status}), which is not followed")
            if response.status != OK:
                raise PodRequestError(f"{request} with {response.status}, expected {OK}")
            if response.headers.get("Content-Encoding", "identity").lower() != "identity":
                raise PodRequestError(f"{request} compressed, which was not asked for")
            answer = bytearray()
            async for chunk in response.content.iter_any():
                answer += chunk
                if len(answer) > LARGEST_ANSWER:
                    raise PodRequestError(f"{request} with more than {LARGEST_ANSWER:,} bytes")
            return bytes(answer)


def _base(address: str, port: int) -> str:
    try:
        ip = ipaddress.ip_address(address)
    except ValueError as error:
        raise PodRequestError("has no valid IP address") from error
    return f"http://[{ip}]:{port}" if ip.version == 6 else f"http://{ip}:{port}"  # noqa: PLR2004


def _session() -> aiohttp.ClientSession:
    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=1),
        headers={"Accept-Encoding": "identity"},
        cookie_jar=aiohttp.DummyCookieJar(),
        auto_decompress=False,
        trust_env=False,
    )
