"""Quantities and durations: what they stand for, to the byte and to the second."""

from __future__ import annotations

import itertools
import re
from decimal import Decimal

import pytest

from inventory_operator.api.quantities import BYTES_PATTERN, duration_seconds, quantity, quantity_bytes


@pytest.mark.parametrize(
    ("text", "amount"),
    [
        ("1", "1"),
        ("100m", "0.1"),
        ("0.5", "0.5"),
        ("1k", "1000"),
        ("1Ki", "1024"),
        ("1.5Gi", "1610612736"),
        ("2M", "2000000"),
        ("1Pi", "1125899906842624"),
    ],
)
def test_quantity(text: str, amount: str) -> None:
    assert quantity(text) == Decimal(amount)


def test_quantity_is_exact() -> None:
    assert quantity("100m") * 3 == quantity("300m")


def test_bytes() -> None:
    assert quantity_bytes("10Gi") == 10 * 1024**3
    assert quantity_bytes("1.5Ki") == 1536


def test_bytes_are_whole() -> None:
    with pytest.raises(ValueError, match="not a whole number of bytes"):
        quantity_bytes("0.1Ki")


def test_what_is_taken_for_a_size_is_exactly_the_whole_numbers_of_bytes() -> None:
    suffixes = ["", *"kMGTP", *(f"{letter}i" for letter in "KMGTP")]
    fractions = [f".{n:03}".rstrip("0") for n in range(1, 1000)]
    for fraction, suffix in itertools.product(fractions, suffixes):
        whole = quantity(f"7{fraction}{suffix}") % 1 == 0
        assert bool(re.fullmatch(BYTES_PATTERN, f"7{fraction}{suffix}")) == whole


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("10s", 10), ("5m", 300), ("200h", 720_000), ("30d", 2_592_000), ("1w", 604_800), ("1y", 31_536_000)],
)
def test_duration(text: str, seconds: int) -> None:
    assert duration_seconds(text) == seconds
