"""Bounds what is written against somebody who keeps undoing it: at once at first, then at longer and longer intervals.

A round is a write of what was written before, to an object that is not as that write left it; what the spec newly says
is none. Losing this memory, in a restart of the operator, costs a few more rounds at once.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from inventory_operator.components.blocker import FIELD_CONFLICT, Blocker, ObjectId, Turn

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, Sequence

#: Rounds without a pause: what a person edits is put right at once. A round takes two requests, sometimes three: with
#: the pauses below that makes 18 in the first minute, and 6 in a later one at most.
ROUNDS_AT_ONCE = 4
#: The pause after those, doubling with each round. When the other has stopped, ours is back after the longest at most.
FIRST_PAUSE_SECONDS = 10.0
LONGEST_PAUSE_SECONDS = 50.0
#: The status tells of a conflict until no round was needed for so long: longer than a pause, so that it doesn't flap.
QUIET_SECONDS = 90.0
#: After so long without a round it begins anew. There are tools that put their state back every three minutes.
FORGET_SECONDS = 600.0
#: Fields of one object, and of one component, that are named.
MOST_FIELDS = 4
_MOST_NAMED = 6
_MAX_DOUBLINGS = 8
_STOP = "have them leave these alone"


class LeftToOthersError(Exception):
    """The object is left as somebody else has made it, for now."""


@dataclass(frozen=True, slots=True)
class Undone:
    """Something that somebody else undoes: what of which object and by whom, and what else to do than to stop them."""

    words: str
    remedy: str | None = None


@dataclass(slots=True)
class Contention:
    """The rounds about one object; times are the clock's."""

    clock: Callable[[], float]
    #: Whether the last pass left it to others.
    left: bool = False
    _rounds: int = 0
    #: When the last round was.
    _last: float = 0.0
    _not_before: float = 0.0
    #: By their words; none as long as there were few rounds.
    _undone: dict[str, Undone] = field(default_factory=dict)
    #: Whether that was looked for since the last round.
    _looked: bool = False

    async def wait(self, look: Callable[[], Awaitable[Iterable[Undone]]]) -> None:
        """Let another round begin; `look`, asked once for each, tells what was undone.

        Raises:
            LeftToOthersError: it was undone often, and the pause is not over.

        """
        now = self.clock()
        if now - self._last >= FORGET_SECONDS:
            self._rounds = 0
        if self._rounds < ROUNDS_AT_ONCE:
            return
        if not self._looked:
            self._looked = True
            for one in await look():
                if len(self._undone) < MOST_FIELDS:
                    self._undone.setdefault(one.words, one)
        if now < self._not_before:
            self.left = True
            raise LeftToOthersError

    def count(self) -> None:
        """Count a round, which is sent now."""
        self._rounds += 1
        self._looked = False
        self._last = self.clock()
        doublings = min(self._rounds - ROUNDS_AT_ONCE, _MAX_DOUBLINGS)
        pause = min(LONGEST_PAUSE_SECONDS, FIRST_PAUSE_SECONDS * 2.0**doublings) if doublings >= 0 else 0.0
        self._not_before = self._last + pause

    def undone(self) -> Sequence[Undone]:
        """Return what others undo, while that lasts and until it stayed quiet."""
        if self.clock() - self._last >= QUIET_SECONDS:
            self._undone.clear()
        return tuple(self._undone.values())

    @property
    def retry_seconds(self) -> float:
        """Seconds until the object is to be looked at again whatever happens."""
        now = self.clock()
        return max(0.01, (self._not_before if now < self._not_before else self._last + QUIET_SECONDS) - now)


def blockers(conflicts: Iterable[tuple[ObjectId, str, Contention]]) -> list[Blocker]:
    """Return a Blocker for each component of which others undo something; `conflicts` has object and component."""
    found: dict[str, list[tuple[ObjectId, Contention]]] = {}
    for target, component, contention in sorted(conflicts, key=lambda one: one[0]):
        if contention.undone():
            found.setdefault(component, []).append((target, contention))
    return [_blocker(component, of_component) for component, of_component in found.items()]


def _blocker(component: str, conflicts: Sequence[tuple[ObjectId, Contention]]) -> Blocker:
    undone = [one for _, contention in conflicts for one in contention.undone()]
    named = [one.words for one in undone[:_MOST_NAMED]]
    if len(undone) > _MOST_NAMED:
        named.append(f"{len(undone) - _MOST_NAMED} more")
    remedies = dict.fromkeys(one.remedy for one in undone[:_MOST_NAMED] if one.remedy)
    message = (
        f"others keep undoing what the operator writes ({'; '.join(named)}): it writes that again every "
        f"{LONGEST_PAUSE_SECONDS:.0f} s at most until they stop; {'; '.join([_STOP, *remedies])}"
    )
    pause = min(contention.retry_seconds for _, contention in conflicts)
    return Blocker(conflicts[0][0], component, FIELD_CONFLICT, message, Turn.USER, pause)
