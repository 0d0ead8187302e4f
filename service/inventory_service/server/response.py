"""Answers: when the connection ends with one, and what those say that the application never sees."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from waitress.task import ErrorTask, WSGITask  # type: ignore[import-untyped]

from inventory_service.server import protocol_errors

if TYPE_CHECKING:
    from inventory_service.server.connection import Connection
    from inventory_service.server.request import Request


class Answer(WSGITask):  # type: ignore[misc]
    """The application's answer to a request.

    waitress ends each connection whose answer has no Content-Length (a 304, a stream in chunks); here it goes on. It
    ends where the client or a refused body wants it, and while the service drains: a client that reconnects reaches
    another pod.
    """

    channel: Connection
    request: Request

    def build_response_header(self) -> bytes:
        """Return the head."""
        if self.request.refused or self.channel.server.draining:
            super().set_close_on_finish()
        head: bytes = super().build_response_header()
        if self.request.command == "HEAD":
            self.chunked_response = False  # no body, so no end of one
        return head

    def set_close_on_finish(self) -> None:
        """End the connection with this answer, where its end is not told otherwise."""
        asked = self.request.headers.get("CONNECTION", "").lower() == "close"
        if asked or self.wrote_header or self.version == "1.0":
            super().set_close_on_finish()


class Refusal(ErrorTask):  # type: ignore[misc]
    """The answer to what is no request; the connection ends with it."""

    def execute(self) -> None:
        """Write it."""
        status, headers, body = protocol_errors.answer_to(self.request.error)
        self.status = f"{status.value} {status.phrase}"
        self.response_headers: list[Any] = list(headers.items())
        self.set_close_on_finish()
        self.content_length = len(body)
        self.write(body)
