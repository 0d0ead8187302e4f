"""Reservations: stock set aside until it is taken, given back, or the time is up.

An expired reservation no longer counts, without a clean-up.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from sqlalchemy import select, update
from sqlalchemy.orm import selectinload

from inventory_service.db.models import MAX_ID, Reservation, ReservationLine
from inventory_service.inventory import ledger, stock
from inventory_service.inventory.ledger import Change
from inventory_service.inventory.refusals import InsufficientStock, ReservationEnded, UnknownReservation

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime, timedelta

    from sqlalchemy.orm import Session

    from inventory_service.db.models import StockMovement
    from inventory_service.inventory.ledger import Origin

OPEN: Final = "open"
COMMITTED: Final = "committed"
RELEASED: Final = "released"
EXPIRED: Final = "expired"


def reserve(
    session: Session, quantities: Mapping[int, int], lasting: timedelta, reference: str | None, origin: Origin
) -> Reservation:
    """Set aside so many units of every product (id -> units), or of none. Raise UnknownProduct or InsufficientStock."""
    products = stock.lock(session, quantities)
    held = stock.reserved(session, quantities)
    for product in products:
        available = product.stock_level - held.get(product.id, 0)
        if quantities[product.id] > available:
            raise InsufficientStock(product.id, product.sku, quantities[product.id], max(available, 0))
    start = now(session)
    lines = [ReservationLine(product_id=each, quantity=quantities[each]) for each in sorted(quantities)]
    reservation = Reservation(
        state=OPEN,
        reference=reference,
        actor=origin.actor,
        request_id=origin.request_id,
        created_at=start,
        expires_at=start + lasting,
        lines=lines,
    )
    session.add(reservation)
    session.flush()
    return reservation


def get(session: Session, reservation_id: int) -> tuple[Reservation, str]:
    """Return a reservation with its lines, and its state. Raise UnknownReservation."""
    wanted = select(Reservation).options(selectinload(Reservation.lines)).where(Reservation.id == reservation_id)
    found = session.scalars(wanted).one_or_none() if reservation_id <= MAX_ID else None
    if found is None:
        raise UnknownReservation(reservation_id)
    return found, state_of(found, now(session))


def commit(session: Session, reservation_id: int, origin: Origin) -> tuple[Reservation, Sequence[StockMovement]]:
    """Take what was reserved out of the stock, all of it or nothing.

    Raise UnknownReservation, ReservationEnded, or, after a stock-take found less or a product is gone, as `stock.move`.
    """
    reservation, _ = get(session, reservation_id)
    products = stock.lock(session, [line.product_id for line in reservation.lines])
    _end(session, reservation, COMMITTED)
    wanted = {line.product_id: line.quantity for line in reservation.lines}
    change = Change(ledger.RESERVATION, f"Reservation {reservation.id}", reservation.reference)
    # The floor is 0, not what others reserved: where a stock-take found less, the first to come is served.
    movements = [
        ledger.record(session, stock.apply(session, each, -wanted[each.id], 0), -wanted[each.id], change, origin)
        for each in products
    ]
    return reservation, movements


def release(session: Session, reservation_id: int) -> Reservation:
    """Give back what was reserved. Raise UnknownReservation or ReservationEnded."""
    reservation, _ = get(session, reservation_id)
    _end(session, reservation, RELEASED)
    return reservation


def state_of(reservation: Reservation, now: datetime) -> str:
    """Return the state at `now`: an open reservation past its expiry is expired."""
    return EXPIRED if reservation.state == OPEN and reservation.expires_at <= now else reservation.state


def now(session: Session) -> datetime:
    """Return the time that expiry is judged by."""
    return session.execute(select(stock.clock(session))).scalar_one()


def _end(session: Session, reservation: Reservation, state: str) -> None:
    """End an open reservation in one guarded statement. Raise ReservationEnded."""
    ended = (
        update(Reservation)
        .where(Reservation.id == reservation.id, Reservation.state == OPEN)
        .where(Reservation.expires_at > stock.clock(session))
        .values(state=state, ended_at=stock.clock(session))
        .returning(Reservation.id)
    )
    if session.execute(ended, execution_options={"synchronize_session": False}).one_or_none() is None:
        session.refresh(reservation)
        raise ReservationEnded(reservation.id, state_of(reservation, now(session)))
    session.refresh(reservation)
