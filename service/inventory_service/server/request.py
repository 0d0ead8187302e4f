"""A request as it arrives: waitress's parser, stricter where clients and proxies could read a request differently."""

from __future__ import annotations

import re
import time
from typing import TYPE_CHECKING, Any, Final, Protocol

from waitress.parser import HTTPRequestParser, ParsingError  # type: ignore[import-untyped]
from waitress.utilities import BadRequest, Error  # type: ignore[import-untyped]

from inventory_service.server import limits

if TYPE_CHECKING:
    from waitress.adjustments import Adjustments  # type: ignore[import-untyped]


_TRANSFER_ENCODINGS: Final = re.compile(rb"\r\ntransfer-encoding:([^\r]*)", re.IGNORECASE)


class AddressTooLong(BadRequest):  # type: ignore[misc]
    """The request's first line."""

    code = 414


class UnknownExpectation(BadRequest):  # type: ignore[misc]
    """Another Expect than 100-continue."""

    code = 417


class NoRoomForBody(Error):  # type: ignore[misc]  # noqa: N818 - waitress's errors are answers, not exceptions
    """Other large bodies are on their way, and together they would be more than the server keeps."""

    code = 503


class Bodies(Protocol):
    """Who decides which bodies are read."""

    def limit(self, path: str) -> int:
        """Return how many bytes the application takes at `path`."""

    def reserve(self, request: Request, size: int) -> bool:
        """Tell whether there is room for a large body of at most `size` bytes, and keep it."""


class Request(HTTPRequestParser):  # type: ignore[misc]
    """One request. `refused` tells that its body is longer than the application takes, and was not read."""

    def __init__(self, bodies: Bodies, adj: Adjustments) -> None:
        super().__init__(adj)
        self.begun = time.monotonic()
        self.refused = False
        #: Bytes of LARGE_BODIES_BYTES that it holds.
        self.reserved = 0
        self._bodies = bodies
        self._limit: int | None = None

    def received(self, data: bytes) -> int:
        """Take some bytes; return how many of them belong to this request."""
        taken: int = super().received(data)
        if self.headers_finished and not self.error and not self.empty:
            if self._limit is None:
                self._judge()
            elif self.chunked and not self.refused and self._length() > self._limit:
                self._refuse(self._length())
        return taken

    def parse_header(self, header_plus: bytes) -> None:
        """Parse the head. Raise ParsingError where its meaning would be a matter of opinion (RFC 9112, 6.1 and 6.3)."""
        codings = _TRANSFER_ENCODINGS.findall(header_plus)
        if len(codings) > 1 or b"," in b"".join(codings):
            raise ParsingError("more than one Transfer-Encoding")
        if b"\r\n " in header_plus or b"\r\n\t" in header_plus:
            raise ParsingError("a header goes on in the next line")
        super().parse_header(header_plus)
        if self.version not in {"1.0", "1.1"}:
            raise ParsingError("HTTP version is not supported")
        if self.chunked and "CONTENT_LENGTH" in self.headers:
            raise ParsingError("Content-Length beside Transfer-Encoding")
        if "TRANSFER_ENCODING" in self.headers:  # waitress takes it away where it understands it
            raise ParsingError("Transfer-Encoding needs HTTP/1.1")

    def waited(self, now: float) -> float:
        """Return for how many seconds the client has kept us waiting for the rest."""
        return now - self.begun

    def is_overdue(self, now: float) -> bool:
        """Tell whether its client is too slow."""
        allowed = limits.HEAD_SECONDS
        if self.headers_finished:
            allowed += limits.GRACE_SECONDS + self.body_bytes_received / limits.LEAST_RATE
        return self.waited(now) > allowed

    def _judge(self) -> None:
        """Decide by the head whether the body is read."""
        self._limit = self._bodies.limit(self.path)
        if len(self.first_line) > limits.ADDRESS_BYTES:
            self._fail(AddressTooLong("address"))
        elif self.headers.get("EXPECT", "100-continue").lower() != "100-continue":
            self._fail(UnknownExpectation("Expect"))
        elif self.content_length > self._limit:
            self._refuse(self.content_length)
        else:
            most = self._limit if self.chunked else self.content_length
            if most > limits.SMALL_BODY_BYTES and not self._bodies.reserve(self, most):
                self._fail(NoRoomForBody("body"))

    def _length(self) -> int:
        # Small chunks have more framing than content: it is bounded, too.
        framed: int = self.body_bytes_received // 8
        return max(len(self.body_rcv or ()), framed)

    def _refuse(self, length: int) -> None:
        """Give the request to the application without its body: it knows how to say that it is too long."""
        self.refused = True
        self.headers["CONTENT_LENGTH"] = str(length)
        self._end()

    def _fail(self, error: Any) -> None:
        self.error = error
        self._end()

    def _end(self) -> None:
        self.close()
        self.body_rcv = None
        self.expect_continue = False
        self.completed = True

    def close(self) -> None:
        """Let go of the body, and of the room that was kept for it."""
        super().close()
        self.reserved = 0
