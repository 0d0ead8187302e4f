"""Importing a file: choose it, preview the changes, confirm.

The preview page carries the file, so that any pod can take the confirmation.
"""

from __future__ import annotations

import hashlib
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any, Final

from apiflask import APIBlueprint
from flask import request, url_for

from inventory_service.context import context
from inventory_service.http.authentication import require_scope
from inventory_service.importexport import applying, memory
from inventory_service.importexport.writing import plain
from inventory_service.inventory import imports
from inventory_service.inventory.tokens import ADMIN
from inventory_service.web import forms, multipart
from inventory_service.web.carried_file import CarriedFile
from inventory_service.web.forms import InvalidForm, State
from inventory_service.web.render import page, streamed_page
from inventory_service.web.submission import origin, submit

if TYPE_CHECKING:
    from sqlalchemy.orm import Session
    from werkzeug.wrappers import Response

    from inventory_service.settings import Settings

blueprint = APIBlueprint("import_forms", __name__, enable_openapi=False)

#: What a form has beside its file, at most, in bytes.
_BESIDE: Final = 64 * 1024


def largest_bodies(settings: Settings) -> dict[str, int]:
    """Return how many bytes a body may have at each path that takes more than others do.

    The form that confirms an import holds the file in Base64, which is a third longer.
    """
    return {
        "/import": settings.import_max_bytes + _BESIDE,
        "/import/confirm": settings.import_max_bytes * 3 // 2 + _BESIDE,
    }


@blueprint.get("/import")
@require_scope(ADMIN)
def choose_file() -> Response:
    """Show the form for a file."""
    return _choose()


@blueprint.post("/import")
@require_scope(ADMIN)
def preview_file() -> Response:
    """Show what the import of a file would do, or what is wrong with it."""
    file = CarriedFile(context().settings.import_max_bytes)
    memory.give_back_afterwards()
    # The page is as large as the file, and in memory until it was sent: it is a download like others.
    with ExitStack() as turn:
        turn.enter_context(context().downloads.turn())
        with context().imports.turn():
            file_name = _short(multipart.read(_largest_body(), {"file": file.write}).get("file", ""))
            if not file.size:
                return _choose("Choose a file; the one that was sent is empty, or none was.", 400)
            parsed = file.parse(file_name)
            if not parsed.errors:
                with context().database.reading() as session:
                    outcome = imports.preview(session, parsed.staged)
                parsed = parsed.without_names(outcome.nameless)
        if parsed.errors:
            return page("import_refused", 400, file_name=file_name, parsed=parsed)
        response = streamed_page(
            "import_preview", file_name=file_name, outcome=outcome, packed=file.pieces(), state=State(), shown=_shown
        )
        response.call_on_close(turn.pop_all().close)
    return response


@blueprint.post("/import/confirm")
@require_scope(ADMIN)
def import_file() -> Response:
    """Import the file that the preview carried."""
    file = CarriedFile(context().settings.import_max_bytes)
    memory.give_back_afterwards()
    with context().imports.turn():
        form = multipart.read(_largest_body(), {"packed": file.write_carried})
        file_name = _short(form.get("file_name", ""))
        parsed = file.parse(file_name)
        if parsed.errors:
            return page("import_refused", 400, file_name=file_name, parsed=parsed)

        def act(session: Session) -> str:
            outcome = applying.apply(session, parsed, file_name or None, origin())
            if outcome.nameless:
                raise _Changed
            counts: Any = {"created": outcome.created, "updated": outcome.updated, "unchanged": outcome.unchanged}
            return url_for("pages.show_products", done="imported", **counts)

        def digest() -> bytes:
            return hashlib.sha256(file_name.encode() + b"\n" + file.digest()).digest()

        try:
            return submit(act, digest, forms.key(form))
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


def _largest_body() -> int:
    return largest_bodies(context().settings)[request.path]


def _short(file_name: str) -> str:
    """Return the name without a folder, as long as the ledger takes it."""
    return file_name.replace("\\", "/").rpartition("/")[2].replace("\0", "")[:255]


def _shown(name: str, value: Any) -> str:
    """Return the value of a field as the preview shows it."""
    if name == "price":
        return plain(value)
    return f"{value:,}" if isinstance(value, int) else value or "(empty)"
