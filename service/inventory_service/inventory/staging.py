"""The rows of an import until they are applied: each as JSON text, which both databases read as a table.

The text of 20,000 rows takes little more memory than their file, and nothing is written before it is applied: no
temporary table, which PostgreSQL may forbid and a pooled connection would have to forget.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import BigInteger, Integer, String, Text, bindparam, cast, column, func, literal_column, select
from sqlalchemy import type_coerce as as_type
from sqlalchemy.dialects.postgresql import JSONB

from inventory_service.db.models import PRICE_SCALE, Price

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from typing import TypeVar

    from sqlalchemy import Subquery
    from sqlalchemy.orm import Session

    _T = TypeVar("_T")

#: What an import can say of a product beside its SKU.
FIELDS: Final = ("name", "description", "stock_level", "min_stock_threshold", "price")

#: So many rows are one statement: its text is small, and so is what it costs to send it.
BATCH: Final = 1000

_ROWS: Final = "staged_rows"


@dataclass(frozen=True, slots=True)
class Row:
    """One row: its line in the file, whether it has a name, and its values as JSON."""

    line: int
    named: bool
    values: bytes


@dataclass(slots=True)
class Staged:
    """The rows of one import by SKU, in the order of the file."""

    rows: dict[str, Row] = field(default_factory=dict, repr=False)

    def add(self, line: int, fields: Mapping[str, Any]) -> None:
        """Take a row, whose fields are valid; one that is not given stays as it is in the database."""
        sku, price = fields["sku"], fields.get("price")
        units = None if price is None else int(price * PRICE_SCALE)
        values = [sku, *(fields.get(name) for name in FIELDS[:-1]), units]
        text = json.dumps(values, ensure_ascii=False, separators=(",", ":"))
        self.rows[sku] = Row(line, "name" in fields, text.encode())

    def text(self, skus: Sequence[str], ids: Sequence[int] | None = None) -> dict[str, str]:
        """Return the parameter of `table` for some rows; the ids, where they are known, are those of their products."""
        known = [b"%d" % each for each in ids] if ids else [b"null"] * len(skus)
        rows = b",".join(b"[%s,%s" % (each, self.rows[sku].values[1:]) for each, sku in zip(known, skus, strict=True))
        return {_ROWS: f"[{rows.decode()}]"}


def keys(skus: Sequence[str]) -> dict[str, str]:
    """Return the parameter of `table` for rows of which the SKU is all that matters."""
    return {_ROWS: json.dumps([[None, sku] for sku in skus])}


def table(session: Session) -> Subquery:
    """Return the rows that the statement's parameter holds: `id` (or NULL), `sku` and the FIELDS, NULL if not given."""
    text = bindparam(_ROWS, type_=Text)
    if session.get_bind().dialect.name == "sqlite":
        source = func.json_each(text).table_valued("value")
    else:
        source = func.jsonb_array_elements(cast(text, JSONB)).table_valued(column("value", JSONB))
    values = [source.c.value.op("->>")(literal_column(str(place))) for place in range(len(FIELDS) + 2)]
    staged = select(
        cast(values[0], BigInteger).label("id"),
        as_type(values[1], String).label("sku"),
        as_type(values[2], String).label("name"),
        as_type(values[3], String).label("description"),
        cast(values[4], Integer).label("stock_level"),
        cast(values[5], Integer).label("min_stock_threshold"),
        as_type(cast(values[6], BigInteger), Price).label("price"),
    )
    # The offset keeps what reads this from looking into the text again for each use of a column.
    return staged.offset(0).subquery("staged")


def batches(items: Sequence[_T]) -> Iterator[Sequence[_T]]:
    """Yield what goes into one statement after another."""
    return (items[start : start + BATCH] for start in range(0, len(items), BATCH))
