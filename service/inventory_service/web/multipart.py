"""A multipart form, read piece by piece: what is large goes where it belongs, and never into memory as a whole.

werkzeug's `request.form` holds a field as bytes and as text, several times.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from flask import request
from werkzeug.exceptions import RequestEntityTooLarge
from werkzeug.sansio.multipart import Data, Epilogue, Field, File, MultipartDecoder, NeedData

from inventory_service.http.errors import BadRequest
from inventory_service.web import forms

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from werkzeug.sansio.multipart import Event

_PIECE: Final = 64 * 1024
#: A field that is text has no more bytes.
_MAX_TEXT: Final = 64 * 1024
_MAX_PARTS: Final = 10


def read(limit: int, sinks: Mapping[str, Callable[[bytes], object]]) -> dict[str, str]:
    """Give the parts that have a sink to it, and return the others as text, and for a file its name.

    Raise RequestEntityTooLarge past `limit` bytes, and BadRequest where the form is none or has no end.
    """
    if request.mimetype != "multipart/form-data":
        raise BadRequest(forms.INCOMPLETE)
    request.max_content_length = limit
    boundary = request.mimetype_params.get("boundary", "").encode()
    decoder = MultipartDecoder(boundary, 2 * _PIECE, max_parts=_MAX_PARTS)
    form = _Form(sinks)
    try:
        while not isinstance(event := decoder.next_event(), Epilogue):
            if isinstance(event, NeedData):
                decoder.receive_data(request.stream.read(_PIECE) or None)
            else:
                form.take(event)
    except ValueError:
        raise BadRequest(forms.INCOMPLETE) from None
    return {name: bytes(text).decode(errors="replace") for name, text in form.texts.items()}


class _Form:
    """The parts of a form that came so far."""

    def __init__(self, sinks: Mapping[str, Callable[[bytes], object]]) -> None:
        self.texts: dict[str, bytearray] = {}
        self._sinks = sinks
        self._sink: Callable[[bytes], object] = self._ignore

    def take(self, event: Event) -> None:
        """Take the head of a part, or a piece of it."""
        if isinstance(event, Data):
            self._sink(event.data)
        elif isinstance(event, File):
            self.texts[event.name] = bytearray(event.filename, "utf-8")
            self._sink = self._sinks.get(event.name, self._ignore)
        elif isinstance(event, Field):
            self._sink = self._sinks.get(event.name) or self._collect(event.name)

    def _collect(self, name: str) -> Callable[[bytes], object]:
        text = self.texts[name] = bytearray()

        def collect(data: bytes) -> None:
            text.extend(data)
            if len(text) > _MAX_TEXT:
                raise RequestEntityTooLarge

        return collect

    def _ignore(self, _data: bytes) -> None:
        """Take nothing of a file that nobody asked for."""
