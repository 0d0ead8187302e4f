"""Importing a file: choose it, see what would happen, confirm.

It never keeps a file between the two steps: the preview carries it, so that any pod can take the confirmation.
"""

from __future__ import annotations

import base64
import binascii
import io
import zlib
from typing import TYPE_CHECKING, Any, Final

from apiflask import APIBlueprint
from flask import request, url_for
from werkzeug.exceptions import RequestEntityTooLarge
from werkzeug.formparser import FormDataParser

from inventory_service.context import context
from inventory_service.http.authentication import demand
from inventory_service.http.errors import BadRequest
from inventory_service.importexport import reading
from inventory_service.importexport.writing import plain
from inventory_service.inventory import imports
from inventory_service.inventory.tokens import ADMIN
from inventory_service.web import forms
from inventory_service.web.forms import InvalidForm, State
from inventory_service.web.render import page
from inventory_service.web.submission import origin, submit

if TYPE_CHECKING:
    from sqlalchemy.orm import Session
    from werkzeug.wrappers import Response

    from inventory_service.importexport.rows import Parsed

blueprint = APIBlueprint("import_forms", __name__, enable_openapi=False)

#: What a form has beside the file.
_BESIDE: Final = 64 * 1024
_JSON_ENDS: Final = (".jsonl", ".ndjson")


@blueprint.get("/import")
@demand(ADMIN)
def choose_file() -> Response:
    """Show the form for a file."""
    return _choose()


@blueprint.post("/import")
@demand(ADMIN)
def preview_file() -> Response:
    """Show what the import of a file would do, or what is wrong with it."""
    file_name, content = _uploaded()
    if not content:
        return _choose("Choose a file; the one that was sent is empty, or none was.", 400)
    parsed = _parse(file_name, content)
    if not parsed.errors:
        with context().database.reading() as session:
            outcome = imports.preview(session, parsed.wanted())
        parsed.refuse_nameless(outcome.nameless)
    if parsed.errors:
        return page("import_refused", 400, file_name=file_name, parsed=parsed)
    packed = base64.urlsafe_b64encode(zlib.compress(content)).decode()
    return page(
        "import_preview",
        file_name=file_name,
        outcome=outcome,
        packed=packed,
        state=State(),
        shown=_shown,
    )


@blueprint.post("/import/confirm")
@demand(ADMIN)
def import_file() -> Response:
    """Import the file that the preview carried."""
    request.max_content_length = request.max_form_memory_size = 2 * context().settings.import_max_bytes + _BESIDE
    file_name = _short(forms.typed().get("file_name", ""))
    parsed = _parse(file_name, _unpacked())
    terms = imports.Terms(context().settings.low_stock_threshold, file_name or None)

    def act(session: Session) -> str:
        outcome = imports.apply(session, parsed.wanted(), terms, origin())
        if outcome.nameless:
            raise _Changed
        counts: Any = {"created": outcome.created, "updated": outcome.updated, "unchanged": outcome.unchanged}
        return url_for("pages.show_products", done="imported", **counts)

    if parsed.errors:
        return page("import_refused", 400, file_name=file_name, parsed=parsed)
    try:
        return submit(act)
    except InvalidForm as invalid:
        return _choose(" ".join(invalid.state.errors.values()), 409)
    except _Changed:
        return _choose(
            "A product of the file was deleted meanwhile, and a new one needs a name. Send the file again.", 409
        )


class _Changed(Exception):  # noqa: N818 - it is an answer, not a fault
    """What the preview promised can't be done any more."""


def _choose(sentence: str = "", status: int = 200) -> Response:
    state = State(errors={"file": sentence} if sentence else {})
    return page("import", status, state=state, limit=context().settings.import_max_bytes)


def _uploaded() -> tuple[str, bytes]:
    """Return the name and the content of the file. Raise RequestEntityTooLarge or BadRequest."""
    limit = context().settings.import_max_bytes
    if request.mimetype != "multipart/form-data":
        raise BadRequest(forms.INCOMPLETE)
    request.max_content_length = limit + _BESIDE
    # In memory, within the limit: there may be no folder for temporary files.
    parser = FormDataParser(stream_factory=_in_memory, max_form_memory_size=_BESIDE, max_form_parts=10)
    _, _, files = parser.parse(request.stream, request.mimetype, request.content_length, request.mimetype_params)
    file = files.get("file")
    content = file.read() if file else b""
    if len(content) > limit:
        raise RequestEntityTooLarge
    return _short(file.filename or "") if file else "", content


def _in_memory(*_arguments: Any, **_named: Any) -> io.BytesIO:
    return io.BytesIO()


def _short(file_name: str) -> str:
    """Return the name without a folder, as long as the ledger takes it."""
    return file_name.replace("\\", "/").rpartition("/")[2].replace("\0", "")[:255]


def _unpacked() -> bytes:
    """Return the file that the form carries. Raise BadRequest."""
    limit = context().settings.import_max_bytes
    unpacking = zlib.decompressobj()
    try:
        content = unpacking.decompress(base64.urlsafe_b64decode(request.form.get("packed", "")), limit + 1)
    except (binascii.Error, ValueError, zlib.error):
        raise BadRequest(forms.INCOMPLETE) from None
    if len(content) > limit or not unpacking.eof:
        raise BadRequest(forms.INCOMPLETE)
    return content


def _shown(name: str, value: Any) -> str:
    """Return the value of a field as the preview shows it."""
    if name == "price":
        return plain(value)
    return f"{value:,}" if isinstance(value, int) else value or "(empty)"


def _parse(file_name: str, content: bytes) -> Parsed:
    content_type = "application/x-ndjson" if file_name.lower().endswith(_JSON_ENDS) else "text/csv"
    return reading.read(io.BytesIO(content), content_type)
