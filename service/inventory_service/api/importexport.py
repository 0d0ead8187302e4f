"""/api/import and /api/export: products as files, in and out, and the ledger as a file.

Files are read and written as streams. An import changes the database after the whole file was checked.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from apiflask import APIBlueprint
from flask import Response, request

from inventory_service.context import context
from inventory_service.http import errors, idempotency
from inventory_service.http.authentication import require_scope
from inventory_service.http.conditional import answer, origin
from inventory_service.importexport import applying, memory, reading
from inventory_service.importexport.download import download
from inventory_service.importexport.upload import Upload
from inventory_service.inventory import exports, imports
from inventory_service.inventory.lists import MovementFilter
from inventory_service.schemas import importexport as schemas

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

    from inventory_service.importexport.rows import Parsed
    from inventory_service.settings import Settings

    _Answers = dict[int | str, dict[str, str | dict[str, dict[str, Any]]]]

blueprint = APIBlueprint("transfer", __name__, url_prefix="/api", tag="Import and export")

_CSV_FILE: Final = {
    "schema": {"type": "string"},
    "example": "sku,name,stock_level,price\r\nLAMP-1,Desk lamp,20,19.99\r\n",
}
_JSON_FILE: Final = {
    "schema": {"type": "string"},
    "example": '{"sku": "LAMP-1", "name": "Desk lamp", "price": 19.99}\n',
}
_UPLOAD: Final = {"required": True, "content": {"text/csv": _CSV_FILE, "application/x-ndjson": _JSON_FILE}}
_TEXT: Final = {"schema": {"type": "string"}}
_DOWNLOADED: Final[_Answers] = {
    200: {"description": "The file.", "content": {"text/csv": _TEXT, "application/x-ndjson": _TEXT}}
}
_REFUSED: Final[_Answers] = {
    400: {
        "description": "The file can't be imported as it is, and nothing of it was; `errors` says why.",
        "content": {
            "application/problem+json": {
                "schema": {"anyOf": [{"$ref": f"#/components/schemas/{name}"} for name in ("ImportProblem", "Problem")]}
            }
        },
    }
}


def largest_bodies(settings: Settings) -> dict[str, int]:
    """Return how many bytes a body may have at each path that takes more than others do."""
    return {f"{blueprint.url_prefix}/import/products": settings.import_max_bytes}


@blueprint.post("/import/products")
@require_scope("admin")
@blueprint.input(schemas.ImportQuery, location="query", arg_name="query")
@blueprint.output(schemas.ImportAnswer)
@blueprint.doc(responses=_REFUSED, extensions={"requestBody": _UPLOAD})
def import_products(query: schemas.ImportQuery) -> Response:
    """Create and change many products by their SKU: all that the file holds, or nothing.

    A field that isn't given, or a blank cell of CSV, stays as it is. `dry_run` tells what would happen.
    """
    idempotency.key_of_request()  # a bad one is refused in a dry run, too
    upload = _upload()
    memory.give_back_afterwards()
    with context().imports.turn():
        parsed = reading.read(upload, request.mimetype)
        if parsed.errors:
            return _refuse(parsed, dry_run=query.dry_run)

        def change(session: Session) -> Response:
            return _answer(applying.apply(session, parsed, query.file_name, origin()), parsed, dry_run=False)

        if not query.dry_run:
            return idempotency.once(change, upload.digest)
        with context().database.reading() as session:
            return _answer(imports.preview(session, parsed.staged), parsed, dry_run=True)


@blueprint.get("/export/products")
@blueprint.input(schemas.ExportQuery, location="query", arg_name="query")
@blueprint.doc(responses=_DOWNLOADED)
def export_products(query: schemas.ExportQuery) -> Response:
    """Download all products, in the form that the import takes."""
    return download("products", exports.PRODUCT_COLUMNS, exports.products(context().database), query)


@blueprint.get("/export/movements")
@blueprint.input(schemas.MovementExportQuery, location="query", arg_name="query")
@blueprint.doc(responses=_DOWNLOADED)
def export_movements(query: schemas.MovementExportQuery) -> Response:
    """Download the ledger, the newest line first."""
    wanted = MovementFilter(product_id=query.product_id, since=query.since)
    return download("movements", exports.MOVEMENT_COLUMNS, exports.movements(context().database, wanted), query)


def _upload() -> Upload:
    if request.headers.get("Content-Encoding", "identity").lower() != "identity":
        raise errors.UnsupportedEncoding("The file must be plain, without Content-Encoding.")
    charset = request.mimetype_params.get("charset", "utf-8").lower()
    if request.mimetype not in reading.READERS or charset not in {"utf-8", "utf8"}:
        raise errors.UnsupportedType("The file must be text/csv or application/x-ndjson in UTF-8, by its Content-Type.")
    return Upload.body(request, context().settings.import_max_bytes)


def _answer(outcome: imports.Outcome, parsed: Parsed, *, dry_run: bool) -> Response:
    if outcome.nameless:
        return _refuse(parsed.without_names(outcome.nameless), dry_run=dry_run)
    return answer(schemas.ImportAnswer.of(outcome, dry_run=dry_run))


def _refuse(parsed: Parsed, *, dry_run: bool) -> Response:
    first, more = parsed.errors[0], parsed.total_errors - 1
    others = f" There {'is 1 other error' if more == 1 else f'are {more} other errors'}." if more else ""
    return errors.problem(
        400,
        f"Nothing was imported. Line {first.line}: {first.error}{others}",
        "import-refused",
        dry_run=dry_run,
        created=0,
        updated=0,
        unchanged=0,
        errors=[{"line": each.line, "field": each.field, "error": each.error} for each in parsed.errors],
        total_errors=parsed.total_errors,
    )
