"""Products and their stock: create, read, change, restock, archive.

Every change of stock is one guarded statement or happens under the row's lock: it never computes a new level from a
level that somebody else may have changed meanwhile.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from sqlalchemy import ColumnElement, case, select, update
from sqlalchemy.exc import IntegrityError

from inventory_service.models import Product, StockMovement
from inventory_service.settings import MAX_STOCK
from inventory_service.store import ledger
from inventory_service.store.ledger import Change
from inventory_service.store.refusals import DuplicateSku, StaleVersion, StockLimit, UnknownProduct

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from sqlalchemy.orm import Session

    from inventory_service.store.ledger import Origin

#: The largest id a row can have; a larger one in a path is unknown, not an error of the database.
_MAX_ID = 2**63 - 1


def all_products(session: Session) -> Sequence[Product]:
    """Return all products, the oldest first."""
    return session.scalars(select(Product).where(Product.archived_at.is_(None)).order_by(Product.id)).all()


def get(session: Session, product_id: int) -> Product:
    """Return one product. Raise UnknownProduct."""
    return _one(session, product_id, lock=False)


def create(session: Session, fields: Mapping[str, Any], origin: Origin) -> Product:
    """Create a product from all its fields; its stock, if any, opens its ledger. Raise DuplicateSku."""
    now = datetime.now(UTC)
    product = Product(**fields, created_at=now, updated_at=now)
    session.add(product)
    try:
        session.flush()
    except IntegrityError:
        # Every other constraint is a rule that the request's schema has checked already.
        raise DuplicateSku(product.sku) from None
    if product.stock_level:
        ledger.record(session, product, Change(ledger.OPENING, product.stock_level), origin)
    return product


def change(
    session: Session,
    product_id: int,
    fields: Mapping[str, Any],
    origin: Origin,
    accepts: Callable[[int], bool] = lambda _version: True,
) -> Product:
    """Set the given fields under the row's lock; a `stock_level` among them is a count.

    `accepts` is asked whether the client knows this version. Raise UnknownProduct or StaleVersion.
    """
    product = _one(session, product_id, lock=True)
    if not accepts(product.version):
        raise StaleVersion
    now, old_stock = datetime.now(UTC), product.stock_level
    for field, value in fields.items():
        setattr(product, field, value)
    product.low_stock_alerts += old_stock > product.min_stock_threshold >= product.stock_level
    product.update_operations += 1
    product.version += 1
    product.updated_at = now
    session.flush()
    if "stock_level" in fields:
        ledger.record(session, product, Change(ledger.COUNT, product.stock_level - old_stock), origin)
    return product


def restock(session: Session, product_id: int, quantity: int, notes: str, origin: Origin) -> StockMovement:
    """Add `quantity` to the stock. Raise UnknownProduct or StockLimit."""
    now = datetime.now(UTC)
    product = _add_stock(session, product_id, quantity, now, restock_operations=Product.restock_operations + 1)
    if product is None:
        get(session, product_id)
        raise StockLimit(MAX_STOCK)
    return ledger.record(session, product, Change(ledger.RESTOCK, quantity, notes), origin)


def archive(session: Session, product_id: int) -> None:
    """Take the product out of the inventory: its SKU is free again, its ledger stays. Raise UnknownProduct."""
    now = datetime.now(UTC)
    product = _one(session, product_id, lock=True)
    product.archived_at = product.updated_at = now
    product.version += 1


def _add_stock(
    session: Session, product_id: int, delta: int, now: datetime, **also: ColumnElement[int]
) -> Product | None:
    """Change the stock in one statement, guarded by its bounds; None if no active product can take the change."""
    if product_id > _MAX_ID:
        return None
    # The bound is on the constant's side: an addition in the database could overflow before it is compared.
    guarded = (
        update(Product)
        .where(Product.id == product_id, Product.archived_at.is_(None))
        .where(Product.stock_level >= -delta, Product.stock_level <= MAX_STOCK - delta)
        .values(
            stock_level=Product.stock_level + delta,
            low_stock_alerts=Product.low_stock_alerts + _crossing(delta),
            version=Product.version + 1,
            updated_at=now,
            **also,
        )
        .returning(Product)
    )
    options = {"synchronize_session": False, "populate_existing": True}
    return session.scalars(guarded, execution_options=options).one_or_none()


def _crossing(delta: int) -> ColumnElement[int]:
    """Return 1 where the stock falls from above its threshold to it or below: an alert fires once per crossing."""
    threshold = Product.min_stock_threshold
    crossed = (Product.stock_level > threshold) & (Product.stock_level + delta <= threshold)
    return case((crossed, 1), else_=0)


def _one(session: Session, product_id: int, *, lock: bool) -> Product:
    wanted = select(Product).where(Product.id == product_id, Product.archived_at.is_(None))
    if lock:
        # SQLite knows no FOR UPDATE and needs none: BEGIN IMMEDIATE has locked it all.
        wanted = wanted.with_for_update()
    product = session.scalars(wanted).one_or_none() if product_id <= _MAX_ID else None
    if product is None:
        raise UnknownProduct(product_id)
    return product
