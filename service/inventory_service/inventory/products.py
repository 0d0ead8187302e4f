"""Products: create, read, change, archive. A change of stock goes through `stock`."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from sqlalchemy import select
from sqlalchemy.exc import IntegrityError

from inventory_service.db.models import Product
from inventory_service.inventory import ledger, stock
from inventory_service.inventory.ledger import Change
from inventory_service.inventory.refusals import DuplicateSku

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sqlalchemy.orm import Session

    from inventory_service.inventory.ledger import Origin


def all_products(session: Session) -> Sequence[Product]:
    """Return all products, the oldest first."""
    return session.scalars(select(Product).where(Product.archived_at.is_(None)).order_by(Product.id)).all()


def create(session: Session, fields: Mapping[str, Any], origin: Origin, change: Change | None = None) -> Product:
    """Create a product from all its fields; its stock, if any, opens its ledger. Raise DuplicateSku."""
    product = new(fields, datetime.now(UTC))
    try:
        with session.begin_nested():
            session.add(product)
    except IntegrityError:
        # Every other constraint is a rule that the request's schema has checked already.
        raise DuplicateSku(fields["sku"]) from None
    if product.stock_level:
        ledger.record(session, product, product.stock_level, change or Change(ledger.OPENING), origin)
    return product


def new(fields: Mapping[str, Any], now: datetime) -> Product:
    """Return a product that is not stored yet, from all its fields."""
    low = fields["stock_level"] <= fields["min_stock_threshold"]
    return Product(**fields, created_at=now, updated_at=now, low_stock_since=now if low else None)


def change(
    session: Session,
    product_id: int,
    fields: Mapping[str, Any],
    origin: Origin,
    why: Change | None = None,
) -> Product:
    """Set the given fields under the row's lock; a `stock_level` among them is a count.

    Raise UnknownProduct or StaleVersion.
    """
    product = stock.lock_one(session, product_id, origin)
    delta = fields.get("stock_level", product.stock_level) - product.stock_level
    values = {field: value for field, value in fields.items() if field != "stock_level"}
    product = stock.apply(session, product, delta, 0, {**values, "update_operations": Product.update_operations + 1})
    if "stock_level" in fields:
        ledger.record(session, product, delta, why or Change(ledger.COUNT), origin)
    return product


def archive(session: Session, product_id: int, origin: Origin) -> None:
    """Take the product out of the inventory: its SKU is free again, its ledger stays.

    Raise UnknownProduct or StaleVersion.
    """
    product = stock.lock_one(session, product_id, origin)
    product.archived_at = product.updated_at = datetime.now(UTC)
    product.version += 1
