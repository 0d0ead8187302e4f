"""Rows as text, batch by batch: CSV that a spreadsheet may open safely, or JSON lines."""

from __future__ import annotations

import csv
import io
import json
from datetime import datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final

from inventory_service.importexport import formulas

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    Batches = Iterable[Sequence[Mapping[str, Any]]]

_BYTE_ORDER_MARK: Final = "\ufeff"


def as_csv(columns: Sequence[str], batches: Batches, *, mark: bool = False) -> Iterator[str]:
    """Yield a header row and a piece for each batch, on request behind the mark by which spreadsheets know UTF-8."""
    yield (_BYTE_ORDER_MARK if mark else "") + _csv([columns])
    for rows in batches:
        yield _csv([_cell(row[column]) for column in columns] for row in rows)


def as_json_lines(columns: Sequence[str], batches: Batches) -> Iterator[str]:
    """Yield a piece for each batch; an object a line."""
    for rows in batches:
        yield "".join(
            f"{json.dumps({column: _json(row[column]) for column in columns}, ensure_ascii=False)}\n" for row in rows
        )


#: Format -> its content type and the end of a file's name.
CONTENT_TYPES: Final = {"csv": "text/csv; charset=utf-8", "jsonl": "application/x-ndjson"}
WRITERS: Final[Mapping[str, Callable[[Sequence[str], Batches], Iterator[str]]]] = {
    "csv": as_csv,
    "jsonl": as_json_lines,
}


def _csv(rows: Iterable[Iterable[object]]) -> str:
    text = io.StringIO(newline="")
    csv.writer(text).writerows(rows)
    return text.getvalue()


def _cell(value: object) -> str:
    """Return a cell; numbers stay numbers, and everything a person could have typed is escaped."""
    match value:
        case None:
            return ""
        case bool():
            return str(value).lower()
        case int():
            return str(value)
        case Decimal():
            return plain(value)
        case datetime():
            return value.isoformat()
    return formulas.escape(str(value))


def _json(value: object) -> Any:
    match value:
        case Decimal():
            return float(value)
        case datetime():
            return value.isoformat()
    return value


def plain(number: Decimal) -> str:
    """Return a number without needless zeros: 19.9900 is 19.99."""
    text = f"{number:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text
