"""How the operator asks pods: directly, over connections that last for one round of checks.

What an answer can cost is bounded by components.pod_http.
"""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from inventory_operator.components.pod_http import SECONDS, PodRequestError, base_url, in_time, new_session, send
from inventory_operator.verification.ask import Reply, UnansweredError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    import aiohttp

Object = dict[str, Any]
#: Of one round: its checks ask a few pods, one after the other.
CONNECTIONS = 4


@dataclass(slots=True)
class PodAsk:
    """The operator's way to ask; see verification.ask.Ask."""

    session: aiohttp.ClientSession
    #: For one answer, connecting included.
    seconds: float = SECONDS
    #: Bytes of all answers so far.
    received: int = 0

    async def __call__(  # noqa: PLR0913 - as Ask says
        self,
        pod: Object,
        port: int,
        path: str,
        *,
        authorization: str | None = None,
        method: str = "GET",
        body: bytes | None = None,
    ) -> Reply:
        """Return the answer of a pod."""
        headers = {"Authorization": authorization} if authorization else {}
        if body is not None:
            headers["Content-Type"] = "application/json"
        try:
            base = base_url(pod, port)
            async with in_time(self.seconds):
                answer = await send(self.session, method, base, path, headers=headers, data=body)
        except PodRequestError as error:
            raise UnansweredError(str(error)) from None
        self.received += len(answer.body)
        return Reply(answer.status, answer.body, answer.cut)


@contextlib.asynccontextmanager
async def asking(seconds: float = SECONDS) -> AsyncIterator[PodAsk]:
    """Let one round of checks ask pods; its connections are closed behind it."""
    async with new_session(CONNECTIONS) as session:
        yield PodAsk(session, seconds)
