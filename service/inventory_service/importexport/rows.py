"""The rows of an import, from CSV or JSON alike: what one may hold, and what is wrong with it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from pydantic import BaseModel, ConfigDict, ValidationError

from inventory_service.inventory.staging import Staged
from inventory_service.schemas import fields  # noqa: TC001 - pydantic reads the annotations

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

#: So many errors are listed; all are counted.
MAX_ERRORS: Final = 100
#: So many rows one import may have: they are written in one transaction, and others wait for its locks meanwhile.
MAX_ROWS: Final = 20_000


class ImportRow(BaseModel):
    """One product of an import; what isn't given stays as it is, or is the default of a new product."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True, hide_input_in_errors=True)

    sku: fields.Sku
    name: fields.Name = ""
    description: fields.Description = ""
    stock_level: fields.Stock = 0
    min_stock_threshold: fields.Stock = 0
    price: fields.PriceNumber = 0


FIELDS: Final = tuple(ImportRow.model_fields)


@dataclass(frozen=True, slots=True)
class RowError:
    """Why a row can't be used; without a field it is the row or the file as a whole."""

    line: int
    field: str | None
    error: str


class UnreadableError(Exception):
    """The file can't be read on from a line; its text says why."""

    def __init__(self, line: int, sentence: str, column: str | None = None) -> None:
        super().__init__(sentence)
        self.line, self.column = line, column


@dataclass(slots=True)
class Parsed:
    """The good rows of a file; the first MAX_ERRORS errors, and how many there are."""

    staged: Staged = field(default_factory=Staged)
    errors: list[RowError] = field(default_factory=list)
    total_errors: int = 0

    def add(self, line: int, fields: Mapping[str, Any]) -> None:
        """Take a checked row; the second one of a SKU is an error."""
        rows, sku = self.staged.rows, fields["sku"]
        if sku in rows:
            self.refuse(line, "sku", f"sku {sku} is in line {rows[sku].line} already; a product may be there once.")
        elif len(rows) == MAX_ROWS:
            raise UnreadableError(line, f"There are more than {MAX_ROWS} rows; split the file.")
        else:
            self.staged.add(line, fields)

    def refuse(self, line: int, column: str | None, sentence: str) -> None:
        """Note an error."""
        self.total_errors += 1
        if len(self.errors) < MAX_ERRORS:
            self.errors.append(RowError(line, column, sentence))

    def without_names(self, skus: Iterable[str]) -> Parsed:
        """Return the same file with an error for the row of each of these new products: it has no name."""
        refused = Parsed(self.staged)
        for sku in skus:
            refused.refuse(self.staged.rows[sku].line, "name", required("name"))
        return refused

    def refuse_fields(self, line: int, error: ValidationError) -> None:
        """Note what is wrong with the fields of a row, in the words of the API."""
        problems = error.errors(include_url=False, include_input=False)
        for column, sentence in dict.fromkeys(map(_sentence, problems)):
            self.refuse(line, column, sentence)


def required(name: str) -> str:
    """Return the sentence about a field that has to be there."""
    return f"{name} is required: {ImportRow.model_fields[name].description}."


def unknown(name: str) -> str:
    """Return the sentence about a field that no product has."""
    return f"{name[:80]!r} is not a field of a product; expected one of {', '.join(FIELDS)}."


def _sentence(problem: Any) -> tuple[str | None, str]:
    kind, place = problem["type"], problem["loc"]
    if not place:
        why = f": {problem['ctx']['error']}" if kind == "json_invalid" else ""
        return None, f"The line must be a JSON object{why.replace(' at line 1 column', ' at column')}."
    name = str(place[0])
    if kind == "extra_forbidden":
        return name[:80], unknown(name)
    if kind == "missing":
        return name, required(name)
    return name, f"{name} must be {ImportRow.model_fields[name].description}."
