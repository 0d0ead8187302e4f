"""Reports: what is low, and the figures of the whole inventory."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from sqlalchemy import Double, cast, func, select

from inventory_service.db.models import PRICE_SCALE, Product, StockMovement
from inventory_service.inventory.ledger import RESTOCK

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy.orm import Session

_ACTIVE = Product.archived_at.is_(None)
_LOW = Product.stock_level <= Product.min_stock_threshold


@dataclass(frozen=True, slots=True)
class Analytics:
    """The figures of the whole inventory; `total_stock_value` in the currency of the prices."""

    total_products: int
    low_stock_count: int
    out_of_stock_count: int
    total_stock_value: float
    recent_restocks: int
    top_stock_products: Sequence[Product]


def low_stock(session: Session) -> Sequence[Product]:
    """Return the products at or below their threshold, the emptiest first."""
    return session.scalars(select(Product).where(_ACTIVE, _LOW).order_by(Product.stock_level, Product.id)).all()


def analytics(session: Session) -> Analytics:
    """Return the figures; restocks are those of the last 30 days."""
    # As doubles: the product of the largest price and the largest stock is no 64-bit integer.
    value = cast(Product.price, Double) * Product.stock_level
    total, low, out, stock_value = session.execute(
        select(
            func.count(),
            func.count().filter(_LOW),
            func.count().filter(Product.stock_level == 0),
            func.coalesce(func.sum(value), 0.0),
        ).where(_ACTIVE)
    ).one()
    since = datetime.now(UTC) - timedelta(days=30)
    recent = select(func.count()).where(StockMovement.kind == RESTOCK, StockMovement.at >= since)
    top = select(Product).where(_ACTIVE).order_by(Product.stock_level.desc(), Product.id).limit(5)
    return Analytics(
        total_products=total,
        low_stock_count=low,
        out_of_stock_count=out,
        total_stock_value=float(stock_value) / PRICE_SCALE,
        recent_restocks=session.scalar(recent) or 0,
        top_stock_products=session.scalars(top).all(),
    )
