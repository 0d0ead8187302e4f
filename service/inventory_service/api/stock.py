"""/api/products/<id>/...: the stock of one product, its movements, and changes with their reason.

Each change of stock is recorded in the ledger.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from apiflask import APIBlueprint

from inventory_service.context import context
from inventory_service.http.conditional import answer, origin
from inventory_service.http.idempotency import changing
from inventory_service.inventory import lists, stock
from inventory_service.inventory.ledger import ADJUSTMENT, COUNT, Change
from inventory_service.schemas import answers, records, requests
from inventory_service.schemas.records import MovementOut, ProductOut

if TYPE_CHECKING:
    from flask import Response
    from sqlalchemy.orm import Session

    from inventory_service.db.models import StockMovement

blueprint = APIBlueprint("stock", __name__, url_prefix="/api/products/<int:product_id>", tag="Stock")


@blueprint.get("/stock")
@blueprint.output(answers.StockAnswer)
def get_stock(product_id: int) -> Response:
    """Show what there is of a product: on hand, reserved, available."""
    with context().database.reading() as session:
        product = stock.get(session, product_id)
        held = stock.reserved(session, [product_id]).get(product_id, 0)
    left = records.StockOut(on_hand=product.stock_level, reserved=held, available=product.stock_level - held)
    return answer(answers.StockAnswer(stock=left))


@blueprint.get("/movements")
@blueprint.input(requests.LedgerQuery, location="query", arg_name="query")
@blueprint.output(answers.MovementsPage)
def list_movements(product_id: int, query: requests.LedgerQuery) -> Response:
    """List the movements of a product, the newest first."""
    wanted = lists.MovementFilter(product_id, query.kind, query.since, query.until)
    with context().database.reading() as session:
        stock.get(session, product_id)
        page = lists.movements(session, wanted, lists.Window(query.limit, query.cursor))
    return answer(answers.MovementsPage(movements=records.movements(page.rows), next_cursor=page.next_cursor))


@blueprint.post("/adjust")
@blueprint.input(requests.Adjustment, arg_name="body")
@blueprint.output(answers.MovementMessage)
@blueprint.doc(responses=[412])
@changing
def adjust_stock(session: Session, product_id: int, body: requests.Adjustment) -> Response:
    """Change the stock of a product by a signed number of units.

    What is reserved can't be taken: 409 where less than that is available.
    """
    change = Change(ADJUSTMENT, body.reason, body.reference)
    return _moved(stock.move(session, {product_id: body.delta}, change, origin())[0])


@blueprint.post("/count")
@blueprint.input(requests.StockTake, arg_name="body")
@blueprint.output(answers.MovementMessage)
@blueprint.doc(responses=[412, 428])
@changing
def count_stock(session: Session, product_id: int, body: requests.StockTake) -> Response:
    """Set the stock of a product to what was counted."""
    change = Change(COUNT, body.reason, body.reference)
    return _moved(stock.count(session, product_id, body.quantity, change, origin(replaces=True)))


def _moved(movement: StockMovement) -> Response:
    product = movement.product
    said = answers.MovementMessage(
        message=f"The stock of {product.name} changed by {movement.delta:+d} and is now {movement.balance_after}.",
        product=ProductOut.of(product),
        movement=MovementOut.of(movement),
    )
    return answer(said, version=product.version)
