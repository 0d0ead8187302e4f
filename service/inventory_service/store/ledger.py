"""The ledger: one line for every change of stock, written in the transaction of the change.

It never changes or deletes a line; a correction is another line.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqlalchemy import func, select
from sqlalchemy.orm import Session, contains_eager

from inventory_service.models import Product, StockMovement

if TYPE_CHECKING:
    from collections.abc import Sequence

OPENING = "opening"
RESTOCK = "restock"
COUNT = "count"


@dataclass(frozen=True, slots=True)
class Origin:
    """Who asks for a change, and in which request."""

    request_id: str | None = None
    actor: str | None = None


@dataclass(frozen=True, slots=True)
class Change:
    """What happened to a stock, and why."""

    kind: str
    delta: int
    reason: str = ""


def record(session: Session, product: Product, change: Change, origin: Origin) -> StockMovement:
    """Append the line for a change that `product` already shows, at the time of its last update."""
    movement = StockMovement(
        product_id=product.id,
        product=product,
        kind=change.kind,
        delta=change.delta,
        balance_after=product.stock_level,
        reason=change.reason,
        reference=None,
        actor=origin.actor,
        request_id=origin.request_id,
        at=product.updated_at,
    )
    session.add(movement)
    session.flush()
    return movement


def restocks(session: Session, page: int, per_page: int) -> tuple[Sequence[StockMovement], int]:
    """Return one page of all restocks, the newest first, those of archived products included, and their number."""
    total = session.scalar(select(func.count()).where(StockMovement.kind == RESTOCK)) or 0
    newest = (
        select(StockMovement)
        .join(StockMovement.product)
        .options(contains_eager(StockMovement.product))
        .where(StockMovement.kind == RESTOCK)
        .order_by(StockMovement.id.desc())
        .offset((page - 1) * per_page)
        .limit(per_page)
    )
    return session.scalars(newest).all(), total
