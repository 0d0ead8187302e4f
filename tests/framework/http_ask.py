"""Asks a server on this machine as the operator asks a pod, whatever the pod and the port."""

from __future__ import annotations

from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from inventory_operator.verification import pods

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from inventory_operator.verification.ask import Reply

#: Only what hangs takes so long.
_SECONDS = 60.0


@dataclass(frozen=True)
class HttpAsk:
    """See verification.ask.Ask."""

    ask: pods.PodAsk
    host: str
    port: int

    async def __call__(self, _pod: Any, _port: int, path: str, **more: Any) -> Reply:
        return await self.ask({"metadata": {}, "status": {"podIP": self.host}}, self.port, path, **more)


@asynccontextmanager
async def asking(url: str) -> AsyncIterator[HttpAsk]:
    """Ask the server at a URL, of which the path is left out."""
    at = urlsplit(url)
    assert at.hostname
    assert at.port
    async with pods.asking(_SECONDS) as ask:
        yield HttpAsk(ask, at.hostname, at.port)
