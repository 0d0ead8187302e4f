"""How the checks of `verify` ask pods: through the API server, with the user's own rights (get on pods/proxy)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import aiohttp

from inventory_cli.failure import FORBIDDEN, NO_ACCESS, Failure
from inventory_cli.raw import LARGEST_ANSWER, pod_path
from inventory_operator.verification.ask import Reply, UnansweredError

if TYPE_CHECKING:
    from inventory_cli.raw import Raw

Object = dict[str, Any]
#: Seconds for one answer; the way through the API server is longer than the operator's.
_SECONDS = 10.0
#: How the API server's own refusals begin: a Status object.
_OF_API_SERVER = b'{"kind":"Status"'


@dataclass(slots=True)
class ProxyAsk:
    """See inventory_operator.verification.ask.Ask."""

    raw: Raw

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
        """Return the answer of a pod; Failure where the user may not ask it."""
        if authorization:
            # The API server keeps that header for itself.
            raise UnansweredError("can't be asked with a password through the API server")
        metadata, parts = pod["metadata"], urlsplit(path)
        where = pod_path(metadata["namespace"], metadata["name"], port, parts.path)
        where += f"?{parts.query}" if parts.query else ""
        try:
            answer = await self.raw.ask(where, method=method, body=body, seconds=_SECONDS)
        except TimeoutError:
            raise UnansweredError(f"did not answer completely within {_SECONDS:.0f} s") from None
        except aiohttp.ClientError as error:
            raise UnansweredError(f"can't be asked through the API server: {type(error).__name__}") from None
        if answer.status == FORBIDDEN and answer.body.startswith(_OF_API_SERVER):
            words = f"your rights do not suffice: {method.lower()} on pods/proxy in namespace {metadata['namespace']}"
            raise Failure(f"can't ask pod {metadata['name']}: {words}", NO_ACCESS)
        if answer.status >= 500 and answer.body.startswith(_OF_API_SERVER):  # noqa: PLR2004
            raise UnansweredError("can't be connected to")
        return Reply(answer.status, answer.body, len(answer.body) >= LARGEST_ANSWER)
