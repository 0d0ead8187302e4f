"""What was observed of planted faults, and whether it is as expected. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from tests.faults.planted.fault import Planted

Object = dict[str, Any]
_WELL = " is Ready and Verified."


@dataclass(slots=True)
class PlantedRow:
    """One line of the table; times in seconds, None where it did not happen."""

    name: str
    what: str
    about: str
    reason: str
    limit: float
    #: Why the limit is not that of most.
    slower: str = ""
    recorded: bool = False
    by_status: bool = False
    message: str = ""
    after: float | None = None
    #: What `kubectl inventory explain` said to do.
    explained: str = ""
    well_after: float | None = None
    problems: list[str] = field(default_factory=list)


def row_of(fault: Planted) -> PlantedRow:
    """Return the row of a fault of which nothing was seen yet."""
    return PlantedRow(
        fault.name, fault.what, fault.about, fault.reason, fault.limit, fault.slower, fault.recorded, fault.by_status
    )


def told(status: Object, about: str) -> tuple[str, str] | None:
    """Return the reason and the message of a condition that is not as it should be, or of a check that failed."""
    return next(((str(one["reason"]), str(one["message"])) for one in _bad(status, about)), None)


def _bad(status: Object, about: str) -> Iterator[Object]:
    good = "False" if about == "Stalled" else "True"
    conditions = status.get("conditions", ())
    yield from (one for one in conditions if one["type"] == about and one["status"] != good)
    checks = status.get("verification", {}).get("checks", ())
    yield from (one for one in checks if one["check"] == about and one["status"] == "Failed")


def named(status: Object, fault: Planted) -> str:
    """Return the message of a status that names a fault with its reason and all of its words; else nothing."""
    found = told(status, fault.about)
    if found is None or found[0] != fault.reason or missing(found[1], fault.words):
        return ""
    return found[1]


def missing(text: str, words: Iterable[str]) -> list[str]:
    """Return which of the words a text does not have."""
    return [one for one in words if one not in text]


def action(text: str, about: str) -> str:
    """Return what `explain` says to do about a condition or a check, from what it prints."""
    _, _, block = text.partition(f"{about} is ")
    _, _, said = block.partition("What to do: ")
    return said.partition("\n")[0].strip()


def not_explained(code: int, text: str, fault: Planted) -> list[str]:
    """Return what is wrong with what `explain` said while a fault is there."""
    found = [f"explain ended with {code}, expected 1"] if code != 1 else []
    # It begins a sentence with a capital letter.
    said, wanted = text.lower(), (fault.reason, *fault.words, *fault.explained)
    return found + [f'explain does not say "{one}"' for one in wanted if one.lower() not in said]


def not_well(code: int, text: str) -> list[str]:
    """Return what is wrong with what `explain` said after the repair."""
    if code == 0 and _WELL in text:
        return []
    return [f"after the repair explain ended with {code}: {' '.join(text.split())}"]
