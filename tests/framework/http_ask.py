"""Asks over HTTP on this machine, whatever the pod and the port."""

from __future__ import annotations

from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import aiohttp

from inventory_operator.verification.ask import Reply

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


@dataclass(frozen=True)
class HttpAsk:
    """See verification.ask.Ask."""

    session: aiohttp.ClientSession
    url: str

    async def __call__(self, _pod: Any, _port: int, path: str, *, authorization: str | None = None, **_: Any) -> Reply:
        headers = {"Authorization": authorization} if authorization else {}
        async with self.session.get(f"{self.url}{path}", headers=headers) as response:
            return Reply(response.status, await response.read())


@asynccontextmanager
async def asking(url: str) -> AsyncIterator[HttpAsk]:
    """Ask one server, with or without a slash at the end of its URL."""
    async with aiohttp.ClientSession() as session:
        yield HttpAsk(session, url.removesuffix("/"))
