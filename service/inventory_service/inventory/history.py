"""What the pages show of the past of a product, beside the lists."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import select

from inventory_service.db.models import Product, StockMovement

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from sqlalchemy.orm import Session


def trail(session: Session, product_id: int, limit: int) -> Sequence[StockMovement]:
    """Return the last movements of a product, the oldest first, without the product."""
    newest = select(StockMovement).where(StockMovement.product_id == product_id).order_by(StockMovement.id.desc())
    return session.scalars(newest.limit(limit)).all()[::-1]


def reversals(session: Session, movement_ids: Iterable[int]) -> Mapping[int, int]:
    """Return which movement undid which: id of the undone -> id of the other."""
    undoing = select(StockMovement.reverses, StockMovement.id).where(StockMovement.reverses.in_(list(movement_ids)))
    return {row.reverses: row.id for row in session.execute(undoing)}


def products_by_id(session: Session, product_ids: Iterable[int]) -> Mapping[int, Product]:
    """Return products, archived ones too."""
    found = session.scalars(select(Product).where(Product.id.in_(set(product_ids))))
    return {product.id: product for product in found}
