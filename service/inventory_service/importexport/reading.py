"""A file of products, read and checked as a whole before anything is changed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from inventory_service.importexport import csv_rows, json_rows
from inventory_service.importexport.rows import Parsed, UnreadableError

if TYPE_CHECKING:
    import io
    from collections.abc import Callable, Mapping

#: Content type -> what reads it.
READERS: Final[Mapping[str, Callable[[io.RawIOBase | io.BytesIO, Parsed], None]]] = {
    "text/csv": csv_rows.read,
    "application/x-ndjson": json_rows.read,
    "application/jsonl": json_rows.read,
}


def read(stream: io.RawIOBase | io.BytesIO, content_type: str) -> Parsed:
    """Return the rows of a file of one of the READERS' types, and all that is wrong with it."""
    parsed = Parsed()
    try:
        READERS[content_type](stream, parsed)
    except UnreadableError as error:
        parsed.refuse(error.line, error.column, str(error))
    return parsed
