"""The kinds of value a spec is made of: quantities, durations, names, images; each with its check in plain words.

Pure: it judges one value at a time and never knows which field the value belongs to.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Annotated, Any

from pydantic_core import PydanticCustomError, core_schema

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

SMALLEST_MEMORY = 16 * 1024**2
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


def unmet(expected: str) -> PydanticCustomError:
    """Return the error that says what was expected; the words about what was found are added where the path is."""
    return PydanticCustomError("expected", "expected {expected}", {"expected": expected})


@dataclass(frozen=True, slots=True)
class Text:
    """Text of one shape: `expected` finishes the sentence "expected ..."; the pattern is written for RE2 and Python."""

    expected: str
    pattern: str
    max_length: int
    #: Takes a value of the right shape and tells whether it is within its bounds.
    within: Callable[[str], bool] | None = None
    #: Whether a bare number is taken for its text: `cpu: 1` is as good as `cpu: "1"`.
    number: bool = False

    def check(self, value: object) -> str:
        """Return the value as text, or raise in plain words."""
        if self.number and isinstance(value, float):
            raise unmet(f"{self.expected}; in quotes, because it has a decimal point")
        if self.number and isinstance(value, int) and not isinstance(value, bool):
            value = str(value)
        if not isinstance(value, str) or len(value) > self.max_length or not re.fullmatch(self.pattern, value):
            raise unmet(self.expected)
        if self.within is not None and not self.within(value):
            raise unmet(self.expected)
        return value

    def __get_pydantic_core_schema__(self, _source: Any, _handler: GetCoreSchemaHandler) -> core_schema.CoreSchema:
        return core_schema.no_info_plain_validator_function(self.check)

    def __get_pydantic_json_schema__(
        self, _schema: core_schema.CoreSchema, _handler: GetJsonSchemaHandler
    ) -> dict[str, Any]:
        return {"type": "string", "pattern": self.pattern, "maxLength": self.max_length}


@dataclass(frozen=True, slots=True)
class Whole:
    """A whole number between two bounds, both allowed."""

    least: int
    most: int

    def check(self, value: object) -> int:
        """Return the value, or raise in plain words."""
        if isinstance(value, bool) or not isinstance(value, int) or not self.least <= value <= self.most:
            raise unmet(f"a whole number from {self.least} to {self.most}")
        return value

    def __get_pydantic_core_schema__(self, _source: Any, _handler: GetCoreSchemaHandler) -> core_schema.CoreSchema:
        return core_schema.no_info_plain_validator_function(self.check)

    def __get_pydantic_json_schema__(
        self, _schema: core_schema.CoreSchema, _handler: GetJsonSchemaHandler
    ) -> dict[str, Any]:
        return {"type": "integer", "minimum": self.least, "maximum": self.most}


def _bytes_within(least: int) -> Callable[[str], bool]:
    return lambda text: least <= quantity_bytes(text) <= LARGEST_BYTES


def storage_size(least: str) -> Text:
    """Return the kind of value that is the size of a volume of at least `least`."""
    expected = f"a size from {least} to 1Pi in whole bytes like 10Gi"
    return Text(expected, BYTES_PATTERN, 20, _bytes_within(quantity_bytes(least)), number=True)


def duration(least: str, most: str, example: str) -> Text:
    """Return the kind of value that is a duration of one unit between two bounds, both allowed."""
    low, high = duration_seconds(least), duration_seconds(most)
    expected = f"a duration like {example} (from {least} to {most})"
    return Text(expected, DURATION_PATTERN, 8, lambda text: low <= duration_seconds(text) <= high)


#: Only whole numbers of bytes match: a power of 1024 has eighths, a power of 1000 thousandths.
BYTES_PATTERN = (
    r"^[0-9]{1,16}((Ki|Mi|Gi|Ti|Pi|k|M|G|T|P)?|[.](5|25|75|125|375|625|875)(Ki|Mi|Gi|Ti|Pi)|[.][0-9]{1,3}(k|M|G|T|P))$"
)
CPU_PATTERN = r"^([0-9]{1,7}m|[0-9]{1,4}([.][0-9]{1,3})?)$"
DURATION_PATTERN = r"^[1-9][0-9]{0,6}[smhdwy]$"
Memory = Annotated[
    str,
    Text(
        "an amount of memory from 16Mi to 1Pi in whole bytes like 256Mi",
        BYTES_PATTERN,
        20,
        _bytes_within(SMALLEST_MEMORY),
        number=True,
    ),
]
Cpu = Annotated[
    str,
    Text(
        "an amount of CPU from 1m to 1024 like 100m or 0.5",
        CPU_PATTERN,
        8,
        lambda text: 0 < quantity(text) <= LARGEST_CPU,
        number=True,
    ),
]
