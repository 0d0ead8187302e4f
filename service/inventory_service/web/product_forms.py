"""Forms that create, change and delete a product. The stock has forms of its own, with a reason."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from apiflask import APIBlueprint
from flask import url_for

from inventory_service.context import context
from inventory_service.http.authentication import require_scope
from inventory_service.importexport.writing import plain
from inventory_service.inventory import products, stock
from inventory_service.inventory.tokens import WRITE
from inventory_service.schemas.requests import NewProduct, ProductChange
from inventory_service.web import forms
from inventory_service.web.forms import InvalidForm, State
from inventory_service.web.render import page
from inventory_service.web.submission import StaleForm, origin, submit

if TYPE_CHECKING:
    from sqlalchemy.orm import Session
    from werkzeug.wrappers import Response

    from inventory_service.db.models import Product

blueprint = APIBlueprint("product_forms", __name__, enable_openapi=False)


@blueprint.get("/products/new")
@require_scope(WRITE)
def new_product() -> Response:
    """Show the form for a new product."""
    threshold = str(context().settings.low_stock_threshold)
    return page("new_product", state=State({"stock_level": "0", "min_stock_threshold": threshold, "price": "0"}))


@blueprint.post("/products/new")
def create_product() -> Response:
    """Create a product."""
    try:
        form = forms.read(NewProduct)

        def act(session: Session) -> str:
            product = products.create(session, dict(form), origin())
            return url_for("pages.show_product", product_id=product.id, done="created")

        return submit(act)
    except InvalidForm as invalid:
        return page("new_product", 400, state=invalid.state)


@blueprint.get("/products/<int:product_id>/edit")
@require_scope(WRITE)
def edit_product(product_id: int) -> Response:
    """Show the form for a change."""
    product = _get(product_id)
    return page("edit_product", product=product, state=State(_values(product)))


@blueprint.post("/products/<int:product_id>/edit")
def change_product(product_id: int) -> Response:
    """Change a product."""
    try:
        form, seen = forms.read(ProductChange), forms.version()
        given = {name: value for name, value in form.given().items() if name != "stock_level"}

        def act(session: Session) -> str:
            products.change(session, product_id, given, origin(seen))
            return url_for("pages.show_product", product_id=product_id, done="changed")

        return submit(act)
    except InvalidForm as invalid:
        return page("edit_product", 400, product=_get(product_id), state=invalid.state)
    except StaleForm:
        product = _get(product_id)
        state = State(forms.typed())
        return page("stale_product", 409, product=product, now=_values(product), state=state)


@blueprint.get("/products/<int:product_id>/delete")
@require_scope(WRITE)
def confirm_deletion(product_id: int) -> Response:
    """Ask whether the product is to be deleted."""
    return page("delete_product", product=_get(product_id), state=State())


@blueprint.post("/products/<int:product_id>/delete")
def delete_product(product_id: int) -> Response:
    """Archive a product."""
    seen = forms.version()

    def act(session: Session) -> str:
        products.archive(session, product_id, origin(seen))
        return url_for("pages.show_products", done="deleted")

    try:
        return submit(act)
    except InvalidForm as invalid:
        return page("delete_product", 400, product=_get(product_id), state=invalid.state)
    except StaleForm:
        sentence = "Somebody changed this product meanwhile; look at it as it is now before you delete it."
        return page("delete_product", 409, product=_get(product_id), state=State(errors={"": sentence}))


def _get(product_id: int) -> Product:
    with context().database.reading() as session:
        return stock.get(session, product_id)


def _values(product: Product) -> dict[str, Any]:
    """Return what the form shows of a product."""
    return {
        "name": product.name,
        "description": product.description,
        "min_stock_threshold": str(product.min_stock_threshold),
        "price": plain(product.price),
    }
