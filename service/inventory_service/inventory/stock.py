"""Changes of stock: one guarded statement for each product, and its line of the ledger in the same transaction.

The new level is computed by the database, or under the row's lock, so that no update is lost.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import ColumnElement, and_, case, func, literal, null, or_, select, update

from inventory_service.db.models import MAX_ID, Product, Reservation, ReservationLine, StockMovement
from inventory_service.inventory import ledger
from inventory_service.inventory.ledger import Change
from inventory_service.inventory.refusals import (
    AlreadyReversed,
    InsufficientStock,
    StaleVersion,
    StockLimit,
    UnknownProduct,
)
from inventory_service.settings import MAX_STOCK

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from sqlalchemy.orm import Session

    from inventory_service.inventory.ledger import Origin

#: Where `Database` leaves the setting of the same name in a session's `info`.
HYSTERESIS: Final = "low_stock_hysteresis"


def move(session: Session, deltas: Mapping[int, int], change: Change, origin: Origin) -> Sequence[StockMovement]:
    """Change the stock of every product in `deltas` (id -> units) or of none; one movement for each, by product id.

    What is reserved stays. Raise UnknownProduct, StaleVersion, InsufficientStock or StockLimit.
    """
    products = lock(session, deltas)
    for product in products:
        _check_version(product, origin)
    held = reserved(session, deltas)
    return [
        ledger.record(
            session, apply(session, product, deltas[product.id], held.get(product.id, 0)), delta, change, origin
        )
        for product in products
        for delta in [deltas[product.id]]
    ]


def restock(session: Session, product_id: int, quantity: int, change: Change, origin: Origin) -> StockMovement:
    """Add `quantity` to the stock; unless the client names a version nothing is locked before. Raise as `move`."""
    if origin.if_match is not None:
        lock_one(session, product_id, origin)
    product = _guarded(session, product_id, quantity, 0, {"restock_operations": Product.restock_operations + 1})
    if product is None:
        get(session, product_id)
        raise StockLimit(MAX_STOCK)
    return ledger.record(session, product, quantity, change, origin)


def count(session: Session, product_id: int, counted: int, change: Change, origin: Origin) -> StockMovement:
    """Set the stock to what was counted, even where it is less than what is reserved.

    Raise UnknownProduct or StaleVersion.
    """
    product = lock_one(session, product_id, origin)
    delta = counted - product.stock_level
    return ledger.record(session, apply(session, product, delta, 0), delta, change, origin)


def undo(session: Session, movement_id: int, reason: str, origin: Origin) -> StockMovement:
    """Compensate a movement by its opposite, once. Raise UnknownMovement, AlreadyReversed or as `move`."""
    movement = ledger.get(session, movement_id)
    lock(session, [movement.product_id])
    earlier = session.scalar(select(StockMovement.id).where(StockMovement.reverses == movement.id))
    if earlier is not None:
        raise AlreadyReversed(movement.id, earlier)
    change = Change(ledger.REVERSAL, reason, movement.reference, reverses=movement.id)
    return move(session, {movement.product_id: -movement.delta}, change, origin)[0]


def apply(
    session: Session, product: Product, delta: int, floor: int, values: Mapping[str, Any] | None = None
) -> Product:
    """Change the stock of a locked product, and the given columns with it; below `floor` nothing may be taken.

    Raise InsufficientStock or StockLimit.
    """
    # More than there is may be reserved after a stock-take: adding to the stock must be possible nevertheless.
    changed = _guarded(session, product.id, delta, floor if delta < 0 else 0, values or {})
    if changed is None and delta < 0:
        raise InsufficientStock(product.id, product.sku, -delta, max(product.stock_level - floor, 0))
    if changed is None:
        raise StockLimit(MAX_STOCK)
    return changed


def get(session: Session, product_id: int) -> Product:
    """Return one product. Raise UnknownProduct."""
    wanted = select(Product).where(Product.id == product_id, Product.archived_at.is_(None))
    product = session.scalars(wanted).one_or_none() if product_id <= MAX_ID else None
    if product is None:
        raise UnknownProduct(product_id)
    return product


def lock(session: Session, product_ids: Iterable[int]) -> Sequence[Product]:
    """Lock the products against every other change of stock; always by id, so that no two requests wait in a circle.

    Raise UnknownProduct for the first that is not there.
    """
    ids = sorted(set(product_ids))
    wanted = select(Product).where(Product.id.in_([each for each in ids if each <= MAX_ID]))
    # SQLite has no FOR UPDATE and needs none: BEGIN IMMEDIATE has locked it all.
    found = wanted.where(Product.archived_at.is_(None)).order_by(Product.id).with_for_update()
    products = session.scalars(found, execution_options={"populate_existing": True}).all()
    missing = set(ids) - {product.id for product in products}
    if missing:
        raise UnknownProduct(min(missing))
    return products


def lock_one(session: Session, product_id: int, origin: Origin) -> Product:
    """Lock one product, whose version must be one that `origin` accepts. Raise UnknownProduct or StaleVersion."""
    product = lock(session, [product_id])[0]
    _check_version(product, origin)
    return product


def _check_version(product: Product, origin: Origin) -> None:
    if origin.if_match is not None and not origin.if_match(product.version):
        raise StaleVersion


def reserved(session: Session, product_ids: Iterable[int]) -> Mapping[int, int]:
    """Return how much of each product is reserved now; a product of which nothing is is left out.

    It is a statement of its own, after the lock: in PostgreSQL one that had waited for it would count as of before.
    """
    held = (
        select(ReservationLine.product_id, func.sum(ReservationLine.quantity))
        .join(ReservationLine.reservation)
        .where(ReservationLine.product_id.in_(list(product_ids)))
        .where(Reservation.state == "open", Reservation.expires_at > _start(session))
        .group_by(ReservationLine.product_id)
    )
    return {product_id: int(quantity) for product_id, quantity in session.execute(held)}


def clock(session: Session) -> ColumnElement[datetime]:
    """Return the time now, by the one clock that all replicas share: the database server's, where there is one.

    It is read for each row, and again for a row that was waited for.
    """
    return _time(session, func.clock_timestamp)


def _start(session: Session) -> ColumnElement[datetime]:
    """Return the time at which the statement starts, by the same clock.

    As it stays the same for all rows, they can be looked up in an index by it.
    """
    return _time(session, func.statement_timestamp)


def _time(session: Session, clock: Callable[..., ColumnElement[datetime]]) -> ColumnElement[datetime]:
    kind = Reservation.expires_at.type
    if session.get_bind().dialect.name == "sqlite":
        return literal(datetime.now(UTC), kind)
    return clock(type_=kind)


def crossed(delta: Any, threshold: Any, hysteresis: int) -> ColumnElement[bool]:
    """Return whether a change fires the low-stock alert: once for each crossing (old = new - delta).

    A stock that fell to its threshold counts as low until it is more than `hysteresis` above it. The last condition
    holds where a pod of an older version raised the stock without knowing of `low_stock_since`.
    """
    old, new = Product.stock_level, Product.stock_level + delta
    rearmed = or_(Product.low_stock_since.is_(None), old - hysteresis > threshold)
    return and_(old > threshold, new <= threshold, rearmed)


def emptied(delta: Any) -> ColumnElement[bool]:
    """Return whether a change fires the out-of-stock alert."""
    return and_(Product.stock_level > 0, Product.stock_level + delta == 0)


def alerts(delta: Any, threshold: Any, hysteresis: int, now: Any) -> dict[str, Any]:
    """Return the alert columns after a change."""
    new, since = Product.stock_level + delta, Product.low_stock_since
    fires = crossed(delta, threshold, hysteresis)
    return {
        "low_stock_alerts": Product.low_stock_alerts + case((fires, 1), else_=0),
        "out_of_stock_alerts": Product.out_of_stock_alerts + case((emptied(delta), 1), else_=0),
        "low_stock_since": case(
            (new - hysteresis > threshold, null()),
            (or_(fires, and_(new <= threshold, since.is_(None))), now),
            else_=since,
        ),
    }


def _guarded(session: Session, product_id: int, delta: int, floor: int, values: Mapping[str, Any]) -> Product | None:
    """Change the stock in one statement, guarded by its bounds; None if no active product can take the change."""
    # The bounds are constants: an addition in the database could overflow before it is compared.
    least, most = max(floor - delta, 0), min(MAX_STOCK - delta, MAX_STOCK)
    if product_id > MAX_ID or least > most:
        return None
    now = datetime.now(UTC)
    threshold = values.get("min_stock_threshold", Product.min_stock_threshold)
    guarded = (
        update(Product)
        .where(Product.id == product_id, Product.archived_at.is_(None))
        .where(Product.stock_level >= least, Product.stock_level <= most)
        .values(
            {
                **values,
                "stock_level": Product.stock_level + delta,
                **alerts(delta, threshold, session.info.get(HYSTERESIS, 0), now),
                "version": Product.version + 1,
                "updated_at": now,
            }
        )
        .returning(Product)
    )
    options = {"synchronize_session": False, "populate_existing": True}
    return session.scalars(guarded, execution_options=options).one_or_none()
