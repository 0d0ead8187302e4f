"""An uploaded file as a stream: limits its length and computes its digest. The server gives whole bodies only."""

from __future__ import annotations

import hashlib
import io
from typing import IO, TYPE_CHECKING

from werkzeug.exceptions import RequestEntityTooLarge

if TYPE_CHECKING:
    from flask import Request
    from typing_extensions import Buffer


class Upload(io.RawIOBase):
    """A file of at most `limit` bytes; reading raises RequestEntityTooLarge past the limit."""

    def __init__(self, stream: IO[bytes] | io.BufferedIOBase, limit: int) -> None:
        self._stream, self._limit = stream, limit
        self._read = 0
        self._digest = hashlib.sha256()

    @classmethod
    def body(cls, request: Request, limit: int) -> Upload:
        """Return the body of a request."""
        # One more than the limit: werkzeug's stream refuses to be read at its own, be it the end of the body or not.
        request.max_content_length = limit + 1
        return cls(request.stream, limit)

    def readable(self) -> bool:
        """Tell that it can be read."""
        return True

    def readinto(self, buffer: Buffer) -> int:
        """Read some bytes into `buffer`, and return how many; 0 at the end."""
        view = memoryview(buffer).cast("B")
        data = self._stream.read(len(view))
        self._read += len(data)
        if self._read > self._limit:
            raise RequestEntityTooLarge(f"The file is larger than {self._limit} bytes; split it.")
        self._digest.update(data)
        view[: len(data)] = data
        return len(data)

    def digest(self) -> bytes:
        """Return the SHA-256 of what was read."""
        return self._digest.digest()
