"""An uploaded file as the preview page carries it to the confirmation: compressed, as text."""

from __future__ import annotations

import base64
import gzip
import io
import zlib
from typing import TYPE_CHECKING, Final

from werkzeug.exceptions import RequestEntityTooLarge

from inventory_service.http.errors import BadRequest
from inventory_service.importexport import reading
from inventory_service.importexport.upload import Upload
from inventory_service.web.forms import INCOMPLETE

if TYPE_CHECKING:
    from collections.abc import Iterator

    from inventory_service.importexport.rows import Parsed

_JSON_ENDS: Final = (".jsonl", ".ndjson")
#: Bytes that are whole groups of base64, 3 bytes as 4 characters.
_PIECE: Final = 3 * 16 * 1024


class CarriedFile:
    """The file, of at most `limit` bytes, compressed in memory."""

    def __init__(self, limit: int) -> None:
        self.size = 0
        self._limit = limit
        self._packed = io.BytesIO()
        self._packing: gzip.GzipFile | None = None
        self._rest = b""
        self._digest = b""

    def write(self, data: bytes) -> None:
        """Append some bytes of the file. Raise RequestEntityTooLarge."""
        self.size += len(data)
        if self.size > self._limit:
            raise RequestEntityTooLarge
        if self._packing is None:
            self._packing = gzip.GzipFile(fileobj=self._packed, mode="wb", mtime=0)
        self._packing.write(data)

    def write_carried(self, data: bytes) -> None:
        """Append some of the `pieces`. Raise ValueError."""
        data = self._rest + data
        whole = len(data) // 4 * 4
        self._packed.write(base64.b64decode(data[:whole], b"-_", validate=True))
        self._rest = data[whole:]

    def pieces(self) -> Iterator[str]:
        """Yield what the page carries."""
        packed = self._packed.getbuffer()
        for start in range(0, len(packed), _PIECE):
            yield base64.urlsafe_b64encode(packed[start : start + _PIECE]).decode()

    def parse(self, name: str) -> Parsed:
        """Return the rows of the file, once all of it was written. Raise BadRequest or RequestEntityTooLarge."""
        if self._packing is not None:
            self._packing.close()
        if self._rest or not self._packed.tell():
            raise BadRequest(INCOMPLETE)
        self._packed.seek(0)
        content_type = "application/x-ndjson" if name.lower().endswith(_JSON_ENDS) else "text/csv"
        try:
            with gzip.GzipFile(fileobj=self._packed, mode="rb") as content:
                upload = Upload(content, self._limit)
                parsed = reading.read(upload, content_type)
        except (OSError, EOFError, zlib.error):
            raise BadRequest(INCOMPLETE) from None
        self._digest = upload.digest()
        return parsed

    def digest(self) -> bytes:
        """Return the SHA-256 of what was parsed."""
        return self._digest
