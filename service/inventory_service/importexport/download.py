"""A file on its way to a client, piece by piece.

It never holds more than one batch of rows.
"""

from __future__ import annotations

from datetime import UTC, datetime
from itertools import chain, islice
from typing import TYPE_CHECKING, Any

from flask import Response

from inventory_service.importexport import writing

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from inventory_service.inventory.exports import Batch
    from inventory_service.schemas.importexport import ExportQuery


def download(name: str, columns: Sequence[str], batches: Iterator[Batch], query: ExportQuery) -> Response:
    """Stream a file; the first batch is read at once, so that a database that is down is a 503 and not half a file."""
    options: dict[str, Any] = {"mark": query.bom} if query.format == "csv" else {}
    first = list(islice(batches, 1))
    pieces = writing.WRITERS[query.format](columns, chain(first, batches), **options)
    file_name = f"{name}-{datetime.now(UTC):%Y-%m-%d}.{query.format}"
    headers = {"Content-Disposition": f'attachment; filename="{file_name}"', "Cache-Control": "no-store"}
    return Response(pieces, headers=headers, content_type=writing.CONTENT_TYPES[query.format])
