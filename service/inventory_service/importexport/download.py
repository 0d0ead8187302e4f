"""A file as a streamed response: one batch of rows in memory at a time, and few files at a time."""

from __future__ import annotations

from contextlib import ExitStack
from datetime import UTC, datetime
from itertools import chain, islice
from typing import TYPE_CHECKING, Any, Final

from flask import Response

from inventory_service.context import context
from inventory_service.importexport import writing

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from inventory_service.inventory.exports import Batch
    from inventory_service.schemas.importexport import ExportQuery


#: What a download is told that waited in vain.
BUSY: Final = "Other files are being downloaded; retry in a few seconds."


def download(name: str, columns: Sequence[str], batches: Iterator[Batch], query: ExportQuery) -> Response:
    """Stream a file; the first batch is read at once, so that a database that is down is a 503 and not half a file.

    Its turn lasts until it was sent: the thread that sends it is busy as long as the client takes. Raise Busy.
    """
    with ExitStack() as turn:
        turn.enter_context(context().downloads.turn())
        response = _stream(name, columns, batches, query)
        response.call_on_close(turn.pop_all().close)
    return response


def _stream(name: str, columns: Sequence[str], batches: Iterator[Batch], query: ExportQuery) -> Response:
    options: dict[str, Any] = {"mark": query.bom} if query.format == "csv" else {}
    first = list(islice(batches, 1))
    pieces = writing.WRITERS[query.format](columns, chain(first, batches), **options)
    file_name = f"{name}-{datetime.now(UTC):%Y-%m-%d}.{query.format}"
    headers = {"Content-Disposition": f'attachment; filename="{file_name}"', "Cache-Control": "no-store"}
    return Response(pieces, headers=headers, content_type=writing.CONTENT_TYPES[query.format])
