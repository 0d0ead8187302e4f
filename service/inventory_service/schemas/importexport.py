"""The query and the answers of imports and exports. `importexport.rows` describes the files themselves."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from pydantic import Field

from inventory_service.schemas.answers import Problem, Success
from inventory_service.schemas.fields import ProductId, Time  # noqa: TC001 - pydantic reads the annotations
from inventory_service.schemas.records import Answer
from inventory_service.schemas.requests import Flag, Query

if TYPE_CHECKING:
    from inventory_service.inventory.imports import Outcome

_FORMAT = "csv or jsonl"


class ImportQuery(Query):
    """How a file is imported."""

    dry_run: Flag = False
    file_name: str | None = Field(
        None,
        min_length=1,
        max_length=255,
        pattern=r"^[^\x00]*$",
        description="a text of 1 to 255 characters",
        examples=["autumn.csv"],
    )


class ExportQuery(Query):
    """In which format, and whether with the byte order mark by which spreadsheets know that a CSV file is UTF-8."""

    format: Literal["csv", "jsonl"] = Field("csv", description=_FORMAT)
    bom: Flag = False


class MovementExportQuery(ExportQuery):
    """Which movements."""

    product_id: ProductId | None = Field(None, description="the id of a product, a whole number from 1 on")
    since: Time | None = Field(None, description="a time like 2026-01-31T12:00:00Z")


class RowProblem(Answer):
    """Why a row of a file can't be used; without a field it is the row or the file as a whole."""

    line: int = Field(examples=[7])
    field: str | None = Field(examples=["price"])
    error: str = Field(examples=["price must be a number from 0 to 1000000000."])


class ImportAnswer(Success):
    """What an import did, or, in a dry run, would do."""

    dry_run: bool
    created: int = Field(examples=[3])
    updated: int = Field(examples=[12])
    unchanged: int = Field(examples=[85])
    errors: list[RowProblem] = Field(examples=[[]], description="always empty here")

    @classmethod
    def of(cls, outcome: Outcome, *, dry_run: bool) -> ImportAnswer:
        """Return what is said of an outcome."""
        return cls(
            dry_run=dry_run,
            created=outcome.created,
            updated=outcome.updated,
            unchanged=outcome.unchanged,
            errors=[],
        )


class ImportProblem(Problem):
    """A file that can't be imported: nothing of it was; the first 100 errors, and how many there are."""

    dry_run: bool
    created: int = Field(examples=[0])
    updated: int = Field(examples=[0])
    unchanged: int = Field(examples=[0])
    errors: list[RowProblem]
    total_errors: int = Field(examples=[1])
