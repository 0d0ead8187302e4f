"""Memory that a file took, given back to the system.

glibc keeps what a thread has freed for that thread: after one file in each thread it would look as if all of them were
still there.
"""

from __future__ import annotations

import ctypes
from typing import TYPE_CHECKING, Final

from flask import after_this_request

if TYPE_CHECKING:
    from flask import Response

#: malloc_trim(3); other C libraries have none.
_trim: Final = getattr(ctypes.CDLL(None), "malloc_trim", None)


def give_back_afterwards() -> None:
    """Give back what is free when the answer of this request was sent."""

    @after_this_request
    def when_sent(response: Response) -> Response:
        response.call_on_close(_give_back)
        return response


def _give_back() -> None:
    if _trim is not None:
        _trim(0)
