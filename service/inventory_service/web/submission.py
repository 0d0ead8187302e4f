"""A form that was sent: done once however often it was sent, then a redirect, or the form again with its errors.

After a change the answer is a redirect: reloading a page would ask to send the form again.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from flask import Response, g, redirect

from inventory_service.http import errors, idempotency
from inventory_service.inventory.ledger import Origin
from inventory_service.web import forms
from inventory_service.web.forms import InvalidForm

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlalchemy.orm import Session
    from werkzeug.wrappers import Response as AnyResponse

_SEE_OTHER: Final = 303
_STALE: Final = "stale-version"
#: Problems of one field of a form.
_FIELDS: Final = {"duplicate-sku": "sku", "insufficient-stock": "quantity", "stock-limit": "quantity"}
#: What the API's words don't explain to a person with a browser.
_WORDS: Final = {
    "request-in-flight": "This form is being worked on already; look at the stock before you send it again.",
    "idempotency-key-reused": "This form was sent before with other values; look at the stock, then send it again.",
}


class StaleForm(Exception):  # noqa: N818 - it is an answer, not a fault
    """The product was changed by somebody else since the form was shown."""


def origin(version: int | None = None) -> Origin:
    """Return who asks, and which version they saw, where that matters."""
    if_match = None if version is None else version.__eq__
    return Origin(g.request_id, g.get("actor"), if_match)


def submit(
    act: Callable[[Session], str], content: Callable[[], bytes] = forms.digest, key: str | None = None
) -> AnyResponse:
    """Do what the form asks for and go where `act` says; a form that was read already comes with its digest and key.

    Raise InvalidForm or StaleForm.
    """

    def change(session: Session) -> Response:
        return Response(act(session), _SEE_OTHER, content_type="text/plain; charset=utf-8")

    answer = idempotency.once(change, content, key or forms.key())
    if answer.status_code == _SEE_OTHER:
        return redirect(answer.get_data(as_text=True), _SEE_OTHER)
    problem = answer.get_json()
    code = problem["type"].removeprefix(errors.PROBLEM_TYPE)
    if code == _STALE:
        raise StaleForm
    raise InvalidForm({_FIELDS.get(code, ""): _WORDS.get(code, problem["error"])})
