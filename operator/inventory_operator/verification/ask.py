"""How a check asks a pod: the operator connects to it, the command line goes through the API server."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

import orjson

Object = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Reply:
    """The answer of a pod: a tenant's words."""

    status: int
    body: bytes
    #: Whether it went on, beyond what is read of an answer.
    cut: bool = False

    def json(self) -> Any:
        """Return what the body holds as JSON; None where it is none."""
        try:
            return orjson.loads(self.body)
        except ValueError:
            return None

    def json_object(self) -> Object:
        """Return the JSON object in the body; an empty one where it holds something else."""
        found = self.json()
        return found if isinstance(found, dict) else {}


class UnansweredError(Exception):
    """A pod gave no usable answer; the message says why in words of ours: "can't be connected to"."""


class Ask(Protocol):
    """Sends one request to a pod and returns its answer, bounded in bytes and seconds."""

    async def __call__(  # noqa: PLR0913 - what a request can have
        self,
        pod: Object,
        port: int,
        path: str,
        *,
        authorization: str | None = None,
        method: str = "GET",
        body: bytes | None = None,
    ) -> Reply:
        """Return the answer of a pod, whatever its status; UnansweredError where there is none.

        `path` begins with `/` and has the query, encoded. `authorization` is the header, which nobody logs; `body` is
        JSON.
        """
