"""/api/low-stock: which products need attention, why, and since when.

The alerts of Prometheus are about the same state.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from apiflask import APIBlueprint

from inventory_service.context import context
from inventory_service.http.conditional import answer
from inventory_service.inventory import reports
from inventory_service.schemas import answers, records

if TYPE_CHECKING:
    from flask import Response

blueprint = APIBlueprint("low_stock", __name__, url_prefix="/api/low-stock", tag="Stock")


@blueprint.get("")
@blueprint.output(answers.LowStockStates)
def list_low_stock() -> Response:
    """List the products that are out of stock or low, the emptiest first."""
    with context().database.reading() as session:
        found = reports.low_stock(session)
    return answer(answers.LowStockStates(products=[records.LowStockState.of(product) for product in found]))
