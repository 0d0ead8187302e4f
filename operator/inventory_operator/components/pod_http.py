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
        base = base_url(pod, port)
        async with self._connections, in_time(self.seconds), new_session() as session:
            yield Conversation(session, base)


@dataclass(frozen=True, slots=True)
class Conversation:
    """Several requests to one pod, one after the other on one connection."""

    session: aiohttp.ClientSession
    base: str

    async def ask(self, method: str, path: str) -> bytes:
        """Return the body of the answer; PodRequestError unless it is a plain 200 of at most LARGEST_ANSWER bytes."""
        answer = await send(self.session, method, self.base, path)
        if answer.status != OK:
            raise PodRequestError(f"answered {method} {path} with {answer.status}, expected {OK}")
        if answer.cut:
            raise PodRequestError(f"answered {method} {path} with more than {LARGEST_ANSWER:,} bytes")
        return answer.body


@dataclass(frozen=True, slots=True)
class PodAnswer:
    """What a pod answered: LARGEST_ANSWER bytes of it at most."""

    status: int
    body: bytes
    #: Whether it went on.
    cut: bool


async def send(session: aiohttp.ClientSession, method: str, base: str, path: str, **more: Any) -> PodAnswer:
    """Send one request of `aiohttp`; PodRequestError where the answer is a redirect, or compressed.

    `path` has the query, encoded; messages leave it out.
    """
    request = f"answered {method} {path.partition('?')[0]}"
    async with session.request(method, f"{base}{path}", allow_redirects=False, **more) as response:
        if response.status in REDIRECTS:
            raise PodRequestError(f"{request} with a redirect ({response.status}), which is not followed")
        if response.headers.get("Content-Encoding", "identity").lower() != "identity":
            raise PodRequestError(f"{request} compressed, which was not asked for")
        body = bytearray()
        async for chunk in response.content.iter_any():
            body += chunk
            if len(body) > LARGEST_ANSWER:
                response.close()
                return PodAnswer(response.status, bytes(body[:LARGEST_ANSWER]), cut=True)
        return PodAnswer(response.status, bytes(body), cut=False)


@contextlib.asynccontextmanager
async def in_time(seconds: float) -> AsyncIterator[None]:
    """Have what takes longer, and what goes wrong in it, be a PodRequestError."""
    try:
        async with asyncio.timeout(seconds):
            yield
    except TimeoutError as error:
        raise PodRequestError(f"did not answer completely within {seconds:g} s") from error
    except aiohttp.ClientConnectorError as error:
        raise PodRequestError("can't be connected to") from error
    except aiohttp.ClientResponseError as error:
        raise PodRequestError("did not answer in HTTP") from error
    except aiohttp.ClientError as error:
        raise PodRequestError("closed the connection before its answer was complete") from error


def base_url(pod: dict[str, Any], port: int) -> str:
    """Return the URL of a port of a pod, without a path; PodRequestError where the pod has no valid address."""
    address = pod["status"].get("podIP", "")
    try:
        ip = ipaddress.ip_address(address)
    except ValueError as error:
        raise PodRequestError("has no valid IP address") from error
    return f"http://[{ip}]:{port}" if ip.version == 6 else f"http://{ip}:{port}"  # noqa: PLR2004


def new_session(connections: int = 1) -> aiohttp.ClientSession:
    """Return a session with at most so many connections at the same time."""
    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=connections),
        headers={"Accept-Encoding": "identity"},
        cookie_jar=aiohttp.DummyCookieJar(),
        auto_decompress=False,
        trust_env=False,
    )
