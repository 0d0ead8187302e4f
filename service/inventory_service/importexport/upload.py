"""The body of an import while it arrives: how long it may be, whether it is all there, and what tells it from others.

It never keeps what it handed on.
"""

from __future__ import annotations

import hashlib
import io
from typing import TYPE_CHECKING

from werkzeug.exceptions import RequestEntityTooLarge

from inventory_service.http.errors import BadRequest

if TYPE_CHECKING:
    from flask import Request
    from typing_extensions import Buffer


class Upload(io.RawIOBase):
    """The body of `request` as a stream of at most `limit` bytes.

    Reading raises RequestEntityTooLarge past the limit, and BadRequest where the body ends before its Content-Length:
    of a file of which the end is missing nothing may be imported.
    """

    def __init__(self, request: Request, limit: int) -> None:
        # One more than the limit: werkzeug's stream refuses to be read at its own, be it the end of the body or not.
        request.max_content_length = limit + 1
        self._stream = request.stream
        self._announced = request.content_length
        self._limit = limit
        self._read = 0
        self._digest = hashlib.sha256()

    def readable(self) -> bool:
        """Tell that it can be read."""
        return True

    def readinto(self, buffer: Buffer) -> int:
        """Read some bytes into `buffer`, and return how many; 0 at the end."""
        view = memoryview(buffer).cast("B")
        data = self._stream.read(len(view))
        if not data and self._announced is not None and self._read != self._announced:
            raise BadRequest(f"The body ended after {self._read} of {self._announced} bytes; send it again.")
        self._read += len(data)
        if self._read > self._limit:
            raise RequestEntityTooLarge(f"The file is larger than {self._limit} bytes; split it.")
        self._digest.update(data)
        view[: len(data)] = data
        return len(data)

    def digest(self) -> bytes:
        """Return the SHA-256 of what was read."""
        return self._digest.digest()
