"""The types of a value: strings of a pattern, bounded integers, quantities and durations.

Each checks one value and says what it expected; each carries what the CRD says about it, rules in CEL included.
"""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Annotated, Any

from pydantic_core import PydanticCustomError, core_schema

from inventory_operator.api.markers import CelRule, cel_keyword

if TYPE_CHECKING:
    from collections.abc import Callable

    from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler

#: Suffixes of https://kubernetes.io/docs/reference/kubernetes-api/common-definitions/quantity/ that make sense here.
_FACTORS = {
    "": Decimal(1),
    "m": Decimal("0.001"),
    **{suffix: Decimal(1000) ** power for power, suffix in enumerate("kMGTP", start=1)},
    **{f"{suffix}i": Decimal(1024) ** power for power, suffix in enumerate("KMGTP", start=1)},
}
#: Units of https://prometheus.io/docs/prometheus/latest/configuration/configuration/ with their seconds.
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800, "y": 31_536_000}

LARGEST_BYTES = 1024**5
LARGEST_CPU = Decimal(1024)


def quantity(text: str) -> Decimal:
    """Return the exact number that a Kubernetes quantity like `500m`, `1.5` or `10Gi` stands for."""
    number = text.rstrip("".join(_FACTORS))
    return Decimal(number) * _FACTORS[text[len(number) :]]


def quantity_bytes(text: str) -> int:
    """Return the number of bytes that `10Gi` or `500M` stands for; ValueError when it is not a whole number."""
    amount = quantity(text)
    if amount != amount.to_integral_value():
        raise ValueError(f"{text!r} is not a whole number of bytes")
    return int(amount)


def duration_seconds(text: str) -> int:
    """Return the seconds that a duration like `200h` or `30d` stands for; a year is 365 days, as in Prometheus."""
    return int(text[:-1]) * _SECONDS[text[-1]]


def budget(objective: str) -> str:
    """Return the share of requests that may fail, exactly: `0.001` for the objective `99.9` (percent)."""
    return format(1 - Decimal(objective) / 100, "f")


def bucket(threshold: str) -> str:
    """Return the `le` label of the histogram bucket at a duration like `300ms`, as Prometheus 3 writes it: `0.3`."""
    number = threshold.rstrip("ms")
    return str(float(Decimal(number) * (Decimal("0.001") if threshold.endswith("ms") else 1)))


def cel_seconds(duration: str) -> str:
    """Return the expression in CEL for the seconds of a duration; `duration` is the expression for its text."""
    units = ", ".join(f"'{unit}': {seconds}" for unit, seconds in _SECONDS.items())
    return (
        f"int({duration}.substring(0, size({duration}) - 1)) * {{{units}}}[{duration}.substring(size({duration}) - 1)]"
    )


def expected_error(expected: str) -> PydanticCustomError:
    """Return the error that says what was expected; what was found is added where the path is known."""
    return PydanticCustomError("expected", "expected {expected}", {"expected": expected})


class CheckedType(ABC):
    """A type of the spec whose values one function checks."""

    __slots__ = ()

    @abstractmethod
    def check(self, value: object) -> object:
        """Return the value, or raise the error that says what was expected."""

    def __get_pydantic_core_schema__(self, _source: Any, _handler: GetCoreSchemaHandler) -> core_schema.CoreSchema:
        return core_schema.no_info_plain_validator_function(self.check)


@dataclass(frozen=True, slots=True)
class PatternString(CheckedType):
    """A string that matches a pattern of RE2 and Python; `expected` ends the sentence "expected ..."."""

    expected: str
    pattern: str
    max_length: int
    #: Takes a value that matches, and returns whether it is within bounds that a pattern can't express.
    in_bounds: Callable[[str], bool] | None = None
    #: The same bounds in CEL; true for a value that does not match, because the pattern refuses that one.
    cel_bounds: str = ""
    #: Whether an integer is accepted in place of its text: `cpu: 1` is as good as `cpu: "1"`.
    int_or_string: bool = False

    def check(self, value: object) -> str:
        """Return the value as a string, or raise the error that says what was expected."""
        if self.int_or_string and isinstance(value, float):
            raise expected_error(f"{self.expected}; in quotes, because it has a decimal point")
        if self.int_or_string and isinstance(value, int) and not isinstance(value, bool):
            value = str(value)
        if not isinstance(value, str) or len(value) > self.max_length or not re.fullmatch(self.pattern, value):
            raise expected_error(self.expected)
        if self.in_bounds is not None and not self.in_bounds(value):
            raise expected_error(self.expected)
        return value

    def __get_pydantic_json_schema__(
        self, _schema: core_schema.CoreSchema, _handler: GetJsonSchemaHandler
    ) -> dict[str, Any]:
        kind = {"x-kubernetes-int-or-string": True} if self.int_or_string else {"type": "string"}
        rules = (CelRule(self.cel_bounds, f"expected {self.expected}"),) if self.cel_bounds else ()
        return {**kind, "maxLength": self.max_length, "pattern": self.pattern, **cel_keyword(rules)}


@dataclass(frozen=True, slots=True)
class BoundedInt(CheckedType):
    """An integer of 32 bits from `minimum` to `maximum`, both included."""

    minimum: int
    maximum: int

    def check(self, value: object) -> int:
        """Return the value, or raise the error that says what was expected."""
        if isinstance(value, bool) or not isinstance(value, int) or not self.minimum <= value <= self.maximum:
            raise expected_error(f"a whole number from {self.minimum} to {self.maximum}")
        return value

    def __get_pydantic_json_schema__(
        self, _schema: core_schema.CoreSchema, _handler: GetJsonSchemaHandler
    ) -> dict[str, Any]:
        return {"type": "integer", "format": "int32", "minimum": self.minimum, "maximum": self.maximum}


def _bytes(expected: str, minimum: str) -> PatternString:
    """Return the type of a number of bytes from `minimum` to 1Pi."""
    least = quantity_bytes(minimum)
    return PatternString(
        expected,
        BYTES_PATTERN,
        20,
        lambda text: least <= quantity_bytes(text) <= LARGEST_BYTES,
        f"!isQuantity(string(self)) || (!quantity(string(self)).isLessThan(quantity('{minimum}')) && "
        "!quantity(string(self)).isGreaterThan(quantity('1Pi')))",
        int_or_string=True,
    )


def storage_size(minimum: str) -> PatternString:
    """Return the type of the size of a volume of at least `minimum`."""
    return _bytes(f"a size from {minimum} to 1Pi in whole bytes like 10Gi", minimum)


def duration(minimum: str, maximum: str, example: str) -> PatternString:
    """Return the type of a duration of one unit from `minimum` to `maximum`, both included."""
    low, high = duration_seconds(minimum), duration_seconds(maximum)
    seconds = cel_seconds("self")
    return PatternString(
        f"a duration like {example} (from {minimum} to {maximum})",
        DURATION_PATTERN,
        8,
        lambda text: low <= duration_seconds(text) <= high,
        f"!self.matches('{DURATION_PATTERN}') || ({seconds} >= {low} && {seconds} <= {high})",
    )


#: Only whole numbers of bytes match: a power of 1024 has eighths, a power of 1000 thousandths.
BYTES_PATTERN = (
    r"^[0-9]{1,16}((Ki|Mi|Gi|Ti|Pi|k|M|G|T|P)?|[.](5|25|75|125|375|625|875)(Ki|Mi|Gi|Ti|Pi)|[.][0-9]{1,3}(k|M|G|T|P))$"
)
CPU_PATTERN = r"^([0-9]{1,7}m|[0-9]{1,4}([.][0-9]{1,3})?)$"
DURATION_PATTERN = r"^[1-9][0-9]{0,6}[smhdwy]$"
Memory = Annotated[str, _bytes("an amount of memory from 16Mi to 1Pi in whole bytes like 256Mi", "16Mi")]
Cpu = Annotated[
    str,
    PatternString(
        "an amount of CPU from 1m to 1024 like 100m or 0.5",
        CPU_PATTERN,
        8,
        lambda text: 0 < quantity(text) <= LARGEST_CPU,
        "!isQuantity(string(self)) || (quantity(string(self)).isGreaterThan(quantity('0')) && "
        f"!quantity(string(self)).isGreaterThan(quantity('{LARGEST_CPU}')))",
        int_or_string=True,
    ),
]
