"""/api/movements: the whole ledger; several changes at once; undo.

Undoing a movement appends its opposite to the ledger.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from apiflask import APIBlueprint

from inventory_service.context import context
from inventory_service.http.conditional import answer, origin
from inventory_service.http.idempotency import changing
from inventory_service.inventory import ledger, lists, stock
from inventory_service.inventory.ledger import ADJUSTMENT, Change
from inventory_service.schemas import answers, records, requests
from inventory_service.schemas.records import MovementOut, ProductOut

if TYPE_CHECKING:
    from flask import Response
    from sqlalchemy.orm import Session

blueprint = APIBlueprint("movements", __name__, url_prefix="/api/movements", tag="Stock")


@blueprint.get("")
@blueprint.input(requests.MovementQuery, location="query", arg_name="query")
@blueprint.output(answers.MovementsPage)
def list_movements(query: requests.MovementQuery) -> Response:
    """List the movements of all products, the newest first; those of archived products too."""
    wanted = lists.MovementFilter(query.product_id, query.kind, query.since, query.until)
    with context().database.reading() as session:
        page = lists.movements(session, wanted, lists.Window(query.limit, query.cursor))
    return answer(answers.MovementsPage(movements=records.movements(page.rows), next_cursor=page.next_cursor))


@blueprint.get("/<int:movement_id>")
@blueprint.output(answers.MovementAnswer)
def get_movement(movement_id: int) -> Response:
    """Show a movement."""
    with context().database.reading() as session:
        movement = ledger.get(session, movement_id)
    return answer(answers.MovementAnswer(movement=MovementOut.of(movement)))


@blueprint.post("")
@blueprint.input(requests.Movements, arg_name="body")
@blueprint.output(answers.MovementsMessage)
@blueprint.doc(responses=[404, 412])
@changing
def move_stock(session: Session, body: requests.Movements) -> Response:
    """Change several stocks, all of them or none.

    The lines of one product are summed into one movement. `If-Match`, where it is sent, names all ETags.
    """
    deltas: Counter[int] = Counter()
    for line in body.lines:
        deltas[line.product_id] += line.delta
    moved = stock.move(session, deltas, Change(ADJUSTMENT, body.reason, body.reference), origin())
    message = f"Changed the stock of {len(moved)} product{'s' if len(moved) > 1 else ''}."
    return answer(answers.MovementsMessage(message=message, movements=records.movements(moved)))


@blueprint.post("/<int:movement_id>/undo")
@blueprint.input(requests.Undo, arg_name="body")
@blueprint.output(answers.MovementMessage)
@blueprint.doc(responses=[412])
@changing
def undo_movement(session: Session, movement_id: int, body: requests.Undo) -> Response:
    """Undo a movement by its opposite, once."""
    movement = stock.undo(session, movement_id, body.reason, origin())
    said = answers.MovementMessage(
        message=f"Movement {movement_id} was undone; the stock is now {movement.balance_after}.",
        product=ProductOut.of(movement.product),
        movement=MovementOut.of(movement),
    )
    return answer(said, version=movement.product.version)
