"""/api/reservations: stock set aside until it is taken, given back, or its time is up."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta
from typing import TYPE_CHECKING

from apiflask import APIBlueprint

from inventory_service.context import context
from inventory_service.http.conditional import answer, origin
from inventory_service.http.idempotency import changing
from inventory_service.inventory import lists, reservations
from inventory_service.schemas import answers, records, requests
from inventory_service.schemas.records import ReservationOut

if TYPE_CHECKING:
    from flask import Response
    from sqlalchemy.orm import Session

blueprint = APIBlueprint("reservations", __name__, url_prefix="/api/reservations", tag="Reservations")


@blueprint.get("")
@blueprint.input(requests.WindowQuery, location="query", arg_name="query")
@blueprint.output(answers.ReservationsPage)
def list_reservations(query: requests.WindowQuery) -> Response:
    """List the reservations, the newest first."""
    with context().database.reading() as session:
        page = lists.reservations(session, lists.Window(query.limit, query.cursor))
        now = reservations.now(session)
    rows = [ReservationOut.of(row, reservations.state_of(row, now)) for row in page.rows]
    return answer(answers.ReservationsPage(reservations=rows, next_cursor=page.next_cursor))


@blueprint.post("")
@blueprint.input(requests.NewReservation, arg_name="body")
@blueprint.output(answers.ReservationAnswer, status_code=201)
@blueprint.doc(responses=[404])
@changing
def reserve(session: Session, body: requests.NewReservation) -> Response:
    """Set stock aside, all of it or nothing; it is given back by itself when the time is up."""
    quantities: Counter[int] = Counter()
    for line in body.lines:
        quantities[line.product_id] += line.quantity
    lasting = timedelta(seconds=body.expires_in_seconds)
    made = reservations.reserve(session, quantities, lasting, body.reference, origin())
    return answer(answers.ReservationAnswer(reservation=ReservationOut.of(made, made.state)), 201)


@blueprint.get("/<int:reservation_id>")
@blueprint.output(answers.ReservationAnswer)
def get_reservation(reservation_id: int) -> Response:
    """Show a reservation."""
    with context().database.reading() as session:
        found, state = reservations.get(session, reservation_id)
    return answer(answers.ReservationAnswer(reservation=ReservationOut.of(found, state)))


@blueprint.post("/<int:reservation_id>/commit")
@blueprint.input(requests.Empty, arg_name="body")
@blueprint.output(answers.CommittedReservation)
@changing
def commit_reservation(session: Session, reservation_id: int, body: requests.Empty) -> Response:  # noqa: ARG001 - read, to refuse what it holds
    """Take what was reserved out of the stock."""
    ended, moved = reservations.commit(session, reservation_id, origin())
    shown = ReservationOut.of(ended, ended.state)
    return answer(answers.CommittedReservation(reservation=shown, movements=records.movements(moved)))


@blueprint.post("/<int:reservation_id>/release")
@blueprint.input(requests.Empty, arg_name="body")
@blueprint.output(answers.ReservationAnswer)
@changing
def release_reservation(session: Session, reservation_id: int, body: requests.Empty) -> Response:  # noqa: ARG001 - read, to refuse what it holds
    """Give back what was reserved."""
    ended = reservations.release(session, reservation_id)
    return answer(answers.ReservationAnswer(reservation=ReservationOut.of(ended, ended.state)))
