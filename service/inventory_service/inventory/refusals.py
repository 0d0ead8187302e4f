"""The errors of the inventory's rules. `http.errors` turns them into answers."""

from __future__ import annotations


class Refusal(Exception):  # noqa: N818 - it is an answer, not a fault
    """Something that can't be done; its text is a sentence a person can act on."""


class UnknownProduct(Refusal):
    """No product has this id (any more)."""

    def __init__(self, product_id: int) -> None:
        super().__init__(f"There is no product with id {product_id}.")


class DuplicateSku(Refusal):
    """Another product has this SKU."""

    def __init__(self, sku: str) -> None:
        super().__init__(f"There is already a product with SKU {sku}; choose another one or change that product.")


class StockLimit(Refusal):
    """The stock would get larger than it can be."""

    def __init__(self, limit: int) -> None:
        super().__init__(f"The stock would exceed {limit}, the largest there can be; choose a smaller quantity.")


class StaleVersion(Refusal):
    """The product was changed since the client read it."""

    def __init__(self) -> None:
        super().__init__("The product was changed since you read it (If-Match); read it again and repeat your request.")


class InsufficientStock(Refusal):
    """More was asked for than is available."""

    def __init__(self, product_id: int, sku: str, wanted: int, available: int) -> None:
        super().__init__(
            f"Of product {product_id} ({sku}) {available} are available, and {wanted} were asked for; "
            "nothing of the request was done."
        )


class UnknownMovement(Refusal):
    """No line of the ledger has this id."""

    def __init__(self, movement_id: int) -> None:
        super().__init__(f"There is no movement with id {movement_id}.")


class AlreadyReversed(Refusal):
    """The movement was undone before."""

    def __init__(self, movement_id: int, by: int) -> None:
        super().__init__(f"Movement {movement_id} was undone already, by movement {by}; undo that one to redo it.")


class UnknownReservation(Refusal):
    """No reservation has this id."""

    def __init__(self, reservation_id: int) -> None:
        super().__init__(f"There is no reservation with id {reservation_id}.")


class ReservationEnded(Refusal):
    """The reservation was committed, released, or has expired."""

    def __init__(self, reservation_id: int, state: str) -> None:
        super().__init__(f"Reservation {reservation_id} is {state}: it holds nothing any more; make another one.")


class BadCursor(Refusal):
    """The cursor of a list is none of ours, or was made for another order."""

    def __init__(self) -> None:
        super().__init__("cursor must be the next_cursor of the page before, asked for in the same order.")


class ImportConflict(Refusal):
    """A product of an import was created or archived by somebody else while it was imported."""

    def __init__(self) -> None:
        super().__init__(
            "A product of the file was created or deleted by somebody else meanwhile; nothing was imported. "
            "Send it again."
        )
