"""The ledger: one line for every change of stock, written in the transaction of the change.

It is append-only, by triggers in the database; a correction is another line.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from sqlalchemy import select
from sqlalchemy.orm import joinedload

from inventory_service.db.models import MAX_ID, Product, StockMovement
from inventory_service.inventory.refusals import UnknownMovement

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlalchemy.orm import Session

OPENING: Final = "opening"
RESTOCK: Final = "restock"
ADJUSTMENT: Final = "adjustment"
COUNT: Final = "count"
RESERVATION: Final = "reservation"
REVERSAL: Final = "reversal"

#: The stock of a new product; a delivery; a signed change; a stock-take; a committed reservation; an undone movement.
KINDS: Final = (OPENING, RESTOCK, ADJUSTMENT, COUNT, RESERVATION, REVERSAL)


@dataclass(frozen=True, slots=True)
class Origin:
    """Who asks for a change, in which request, and which versions they accept (`if_match`; None: any)."""

    request_id: str | None = None
    actor: str | None = None
    if_match: Callable[[int], bool] | None = None


@dataclass(frozen=True, slots=True)
class Change:
    """What happens to a stock, and why; `reverses` is the id of the movement that it undoes."""

    kind: str
    reason: str = ""
    reference: str | None = None
    reverses: int | None = None


def record(session: Session, product: Product, delta: int, change: Change, origin: Origin) -> StockMovement:
    """Append the line for a change of `delta` units that `product` already shows, at the time of its last update."""
    movement = line(product, delta, change, origin)
    session.add(movement)
    session.flush()
    return movement


def line(product: Product, delta: int, change: Change, origin: Origin) -> StockMovement:
    """Return the line that `record` appends, for who appends many at once."""
    level, threshold, now = product.stock_level, product.min_stock_threshold, product.updated_at
    crossed = level - delta > threshold >= level
    return StockMovement(
        product_id=product.id,
        product=product,
        kind=change.kind,
        delta=delta,
        balance_after=level,
        reason=change.reason,
        reference=change.reference,
        actor=origin.actor,
        request_id=origin.request_id,
        at=now,
        reverses=change.reverses,
        # Within the hysteresis the stock had been low already: then `low_stock_since` is of an earlier change.
        low_stock_alert=crossed and product.low_stock_since == now,
        out_of_stock_alert=delta < 0 and level == 0,
    )


def get(session: Session, movement_id: int) -> StockMovement:
    """Return one line with its product, archived or not. Raise UnknownMovement."""
    wanted = select(StockMovement).options(joinedload(StockMovement.product)).where(StockMovement.id == movement_id)
    movement = session.scalars(wanted).one_or_none() if movement_id <= MAX_ID else None
    if movement is None:
        raise UnknownMovement(movement_id)
    return movement
