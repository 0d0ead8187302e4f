"""Forms that change a stock: a delivery, an adjustment, a stock-take, and undoing a movement."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

from apiflask import APIBlueprint
from flask import url_for
from pydantic import Field

from inventory_service.http.errors import BadRequest
from inventory_service.inventory import stock
from inventory_service.inventory.ledger import ADJUSTMENT, COUNT, RESTOCK, Change
from inventory_service.schemas.fields import Quantity, Reason, Reference  # noqa: TC001 - pydantic reads the annotations
from inventory_service.schemas.requests import NewBody, Restock, StockTake
from inventory_service.web import forms
from inventory_service.web.forms import InvalidForm
from inventory_service.web.pages import product_page
from inventory_service.web.submission import StaleForm, origin, submit

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlalchemy.orm import Session
    from werkzeug.wrappers import Response

blueprint = APIBlueprint("stock_forms", __name__, enable_openapi=False)


class AdjustForm(NewBody):
    """An adjustment as a person types it: whether something was taken or added, and how much."""

    direction: Annotated[Literal["take", "add"], Field(description="take or add")]
    quantity: Quantity
    reason: Reason
    reference: Reference | None = Field(None, description="a text of 1 to 255 characters, not blank")


@blueprint.post("/products/<int:product_id>/restock")
def restock(product_id: int) -> Response:
    """Take in a delivery."""

    def read() -> Callable[[Session], str]:
        form = forms.read(Restock)

        def act(session: Session) -> str:
            stock.restock(session, product_id, form.quantity, Change(RESTOCK, form.notes), origin())
            return _done(product_id, "restocked")

        return act

    return _change(product_id, "restock", read)


@blueprint.post("/products/<int:product_id>/adjust")
def adjust(product_id: int) -> Response:
    """Take something out, or put it in, for a reason."""

    def read() -> Callable[[Session], str]:
        form = forms.read(AdjustForm)

        def act(session: Session) -> str:
            delta = form.quantity if form.direction == "add" else -form.quantity
            stock.move(session, {product_id: delta}, Change(ADJUSTMENT, form.reason, form.reference), origin())
            return _done(product_id, "adjusted")

        return act

    return _change(product_id, "adjust", read)


@blueprint.post("/products/<int:product_id>/count")
def count(product_id: int) -> Response:
    """Set the stock to what was counted."""

    def read() -> Callable[[Session], str]:
        form, seen = forms.read(StockTake), forms.version()

        def act(session: Session) -> str:
            stock.count(session, product_id, form.quantity, Change(COUNT, form.reason), origin(seen))
            return _done(product_id, "counted")

        return act

    return _change(product_id, "count", read)


@blueprint.post("/movements/<int:movement_id>/undo")
def undo(movement_id: int) -> Response:
    """Compensate a movement; `product` is the page that the button is on."""
    text = forms.typed().get("product", "")
    if not text.isdecimal() or len(text) > forms.MAX_DIGITS:
        raise BadRequest(forms.INCOMPLETE)

    def act(session: Session) -> str:
        return _done(stock.undo(session, movement_id, "", origin()).product_id, "undone")

    return _change(int(text), "undo", lambda: act)


def _change(product_id: int, name: str, read: Callable[[], Callable[[Session], str]]) -> Response:
    """Do what a form on the page of a product asks for, or show the page again with what is wrong."""
    try:
        return submit(read())
    except InvalidForm as invalid:
        return product_page(product_id, name, invalid.state, 400)
    except StaleForm:
        sentence = (
            "Somebody changed this product since you opened its page. Look at the stock, then send the form again."
        )
        return product_page(product_id, name, forms.State(forms.typed(), {"": sentence}), 409)


def _done(product_id: int, what: str) -> str:
    return url_for("pages.show_product", product_id=product_id, done=what)
