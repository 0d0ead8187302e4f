"""The refusals that the rules of the inventory know.

It never says how a refusal looks to a client; `errors` does.
"""

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
        super().__init__("The product was changed since you read it (If-Match); read it again and repeat your change.")
