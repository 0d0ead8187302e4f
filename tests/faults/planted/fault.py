"""What a planted fault and a group of them are: data, without what is done with it."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from tests.faults.faults import nothing

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.faults.planted.fixture import PlantedFixture

    Act = Callable[[PlantedFixture], object]

#: Seconds until the status names a fault, at a scrape interval of 10 s.
LIMIT = 30.0
#: For what has to time out, or to fail, before a scrape shows it: three intervals and the time-out.
AFTER_TIMEOUT = 40.0


def as_before(fixture: PlantedFixture) -> None:
    """Apply the spec of the beginning: the operator repairs what was changed behind its back."""
    fixture.apply()


def _nowhere(_: PlantedFixture) -> AbstractContextManager[None]:
    return nullcontext()


@dataclass(frozen=True, slots=True)
class Planted:
    """One fault: what is done, how it is undone, and what must be said of it."""

    name: str
    what: str
    #: The condition or the check that names it, its reason, and what its message must have.
    about: str
    reason: str
    words: tuple[str, ...]
    #: What `kubectl inventory explain` must print: what to do.
    explained: tuple[str, ...]
    plant: Act
    repair: Act = as_before
    #: Whether the stack is paused before: the operator would repair it at once.
    paused: bool = False
    #: Seconds until it must be named, and why they are not LIMIT.
    limit: float = LIMIT
    slower: str = ""
    #: Answers of a real Grafana were recorded; a state was only written into a status.
    recorded: bool = False
    by_status: bool = False


@dataclass(frozen=True, slots=True)
class Group:
    """Faults that are planted one after the other in one stack."""

    name: str
    faults: tuple[Planted, ...]
    spec: dict[str, Any] = field(default_factory=dict)
    #: What is made in the namespace before the stack, and what is there around it.
    prepare: Act = nothing
    around: Callable[[PlantedFixture], AbstractContextManager[None]] = _nowhere
    #: Whether the service's image is the one that can misbehave, and Grafana's one that answers recordings.
    faulty: bool = False
    recorded: bool = False
    #: Seconds between the start of the stack and the first fault.
    settles: float = 0.0
