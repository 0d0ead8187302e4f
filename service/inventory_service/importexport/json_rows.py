"""Rows out of JSON lines: one object a line, one product an object.

Types are strict, as in the API: "5" is not a number.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import ValidationError

from inventory_service.importexport import lines
from inventory_service.importexport.rows import ImportRow

if TYPE_CHECKING:
    import io

    from inventory_service.importexport.rows import Parsed


def read(stream: io.RawIOBase | io.BytesIO, parsed: Parsed) -> None:
    """Read all rows. Raise UnreadableError where nothing that follows could be trusted."""
    for number, line in enumerate(lines.of(stream), start=1):
        if not line.strip():
            continue
        try:
            checked = ImportRow.model_validate_json(line)
        except ValidationError as error:
            parsed.refuse_fields(number, error)
        else:
            parsed.add(number, {name: getattr(checked, name) for name in checked.model_fields_set})
