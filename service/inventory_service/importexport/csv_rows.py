"""Rows out of CSV: a header row that names the columns, then a product a row (RFC 4180).

A row with more or fewer cells than there are columns is refused, and so is an unknown column.
"""

from __future__ import annotations

import csv
from typing import TYPE_CHECKING, Any, Final

from pydantic import ValidationError

from inventory_service.importexport import formulas, lines, numbers
from inventory_service.importexport.rows import FIELDS, ImportRow, Parsed, UnreadableError, required, unknown

if TYPE_CHECKING:
    import io
    from collections.abc import Iterator, Sequence

_INTEGERS: Final = frozenset({"stock_level", "min_stock_threshold"})
#: What the csv module says, and what it means to who has the file before them.
_BAD_QUOTES: Final = {
    "unexpected end of data": 'The quote (") that opens a cell of this row is never closed.',
    "',' expected after '\"'": 'After the quote (") that closes a cell a comma must follow; within it a quote is "".',
    "field larger than field limit": 'A cell is longer than any field can be; perhaps its quote (") is never closed.',
}


def read(stream: io.RawIOBase | io.BytesIO, parsed: Parsed) -> None:
    """Read all rows. Raise UnreadableError where nothing that follows could be trusted."""
    rows = _rows(stream)
    line, header = next(rows, (1, []))
    columns = _columns(line, header)
    for line, cells in rows:
        if not any(cell.strip() for cell in cells):
            continue  # spreadsheets leave empty rows at the end
        if len(cells) != len(columns):
            parsed.refuse(line, None, f"The row has {len(cells)} cells, the header row has {len(columns)}.")
            continue
        given = {name: _value(name, cell) for name, cell in zip(columns, cells, strict=True) if not _blank(name, cell)}
        try:
            checked = ImportRow.model_validate(given)
        except ValidationError as error:
            parsed.refuse_fields(line, error)
        else:
            parsed.add(line, {name: getattr(checked, name) for name in given})


def _rows(stream: io.RawIOBase | io.BytesIO) -> Iterator[tuple[int, Sequence[str]]]:
    """Yield the line on which each row starts, and its cells."""
    reader = csv.reader(lines.of(stream), strict=True)
    while True:
        line = reader.line_num + 1
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            sentence = next((text for start, text in _BAD_QUOTES.items() if str(error).startswith(start)), None)
            raise UnreadableError(line, sentence or f"The row is not valid CSV: {error}.") from None
        yield line, cells


def _columns(line: int, header: Sequence[str]) -> Sequence[str]:
    names = [cell.strip().lower() for cell in header]
    for separator in (";", "\t"):
        if len(names) == 1 and separator in names[0]:
            word = "semicolons" if separator == ";" else "tabs"
            raise UnreadableError(line, f"Cells must be separated by commas; those of the header row are by {word}.")
    for position, name in enumerate(names):
        if name not in FIELDS:
            raise UnreadableError(line, unknown(name), name[:80])
        if name in names[:position]:
            raise UnreadableError(line, f"The column {name} is there twice.", name)
    if "sku" not in names:
        found = f"the header row has {', '.join(names)}" if names else "the file is empty"
        raise UnreadableError(line, f"{required('sku')} Add a column of that name: {found}.", "sku")
    return names


def _blank(name: str, cell: str) -> bool:
    # White space is a description like any other; in all other fields it can't be a value.
    return not (cell if name == "description" else cell.strip())


def _value(name: str, cell: str) -> Any:
    """Return what the cell stands for; a number that is none stays text, and the row's schema refuses it."""
    if name in {"name", "description"}:
        return formulas.unescape(cell)
    text = formulas.unescape(cell.strip())
    if name in _INTEGERS:
        return numbers.whole(text)
    return numbers.number(text) if name == "price" else text
