"""The one way to write an object of a stack: what refuses that becomes a Blocker, and is believed for a while."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeVar

from inventory_operator.components.blocker import Blocker, ObjectId, Turn
from inventory_operator.controller.apply_state import ApplyState
from inventory_operator.controller.contention import Contention, LeftToOthersError, blockers
from inventory_operator.kube.client import CONFLICT, NOT_FOUND, TRANSIENT, UNPROCESSABLE, ApiError
from inventory_operator.kube.kinds import of

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Collection, Iterable

    from inventory_operator.api.metadata import Key
    from inventory_operator.kube.client import Cluster

Object = dict[str, Any]
T = TypeVar("T")
_LONGEST_MESSAGE = 300
#: Objects of a stack of which something is remembered: it has about 40, but the names of pods and of what is pruned are
#: new each time.
MOST_OBJECTS = 300
#: A change of an object that just went is a conflict, or one of its uid.
_OF_WHAT_IS_GONE = frozenset({NOT_FOUND, CONFLICT, UNPROCESSABLE})


@dataclass(frozen=True, slots=True)
class Write:
    """An object that is to be written, and how the status tells that it can't be."""

    target: ObjectId
    component: str
    reason: str
    #: Makes the message from the sentence of the API server.
    describe: Callable[[str], str]


@dataclass(slots=True)
class WriteGuard:
    """Remembers of each object of each stack what became of the last write."""

    clock: Callable[[], float] = time.monotonic
    #: Of each stack, the object that was written or looked at last is the last.
    _states: dict[Key, dict[ObjectId, ApplyState]] = field(default_factory=dict)

    def forget(self, key: Key) -> None:
        """Drop what is remembered of a stack that is gone."""
        self._states.pop(key, None)

    def retain(self, key: Key, kind: str, names: Collection[str]) -> None:
        """Drop what is remembered of other objects of a kind, whose names are never used twice."""
        states = self._states.get(key, {})
        for target in [target for target in states if target[0] == kind and target[1] not in names]:
            del states[target]

    def is_hidden(self, key: Key, target: ObjectId) -> bool:
        """Tell whether an object of that name may be there that the watches don't show."""
        state = self._states.get(key, {}).get(target)
        return state is not None and state.hidden

    def begin_pass(self, key: Key) -> None:
        """Begin a pass over a stack, in which nothing is left to others yet."""
        for _, _, contention in self._contended(key):
            contention.left = False

    def left_to_others(self, key: Key) -> set[ObjectId]:
        """Return the objects that this pass left as others have made them."""
        return {target for target, _, contention in self._contended(key) if contention.left}

    def conflicts(self, key: Key) -> list[Blocker]:
        """Return a Blocker for each component of which others undo again and again what is written."""
        return blockers(self._contended(key))

    def _contended(self, key: Key) -> list[tuple[ObjectId, str, Contention]]:
        states = self._states.get(key, {}).items()
        return [(target, state.component, state.contention) for target, state in states if state.contention]

    async def __call__(self, key: Key, write: Write, send: Callable[[ApplyState], Awaitable[None]]) -> Blocker | None:
        """Send a write; return a Blocker where it fails.

        `send` calls `ApplyState.begin_round` before it sends anything. What that leaves to others is no Blocker yet:
        `conflicts` has one for each component.

        Raises:
            ApiError: the namespace is being deleted.

        """
        states = self._states.setdefault(key, {})
        state = states.pop(write.target, None) or ApplyState(write.component, self.clock)
        states[write.target] = state
        if len(states) > MOST_OBJECTS:
            del states[next(iter(states))]
        try:
            await send(state)
        except LeftToOthersError:
            return None
        except (ApiError, *TRANSIENT) as error:
            if isinstance(error, ApiError) and error.namespace_is_going:
                raise
            state.failed(error)
            turn = Turn.USER if isinstance(error, ApiError) and error.permanent else Turn.CLUSTER
            message = write.describe(sentence(error))
            return Blocker(write.target, write.component, write.reason, message, turn, state.retry_seconds)
        state.succeeded()
        return None


async def together(writes: Iterable[Awaitable[Blocker | None]]) -> list[Blocker]:
    """Do all of it at once; return a Blocker for each write that failed."""
    return [blocker for blocker in await asyncio.gather(*writes) if blocker]


async def unless_gone(cluster: Cluster, obj: Object, request: Awaitable[T]) -> T | None:
    """Return the answer to a request about `obj`; None where it is refused because the object is gone by now.

    The code alone does not tell: a policy may refuse with the same ones.
    """
    try:
        return await request
    except ApiError as error:
        if error.code in _OF_WHAT_IS_GONE and not error.namespace_is_going and await _is_gone(cluster, obj):
            return None
        raise


async def _is_gone(cluster: Cluster, obj: Object) -> bool:
    metadata = obj["metadata"]
    try:
        found = await cluster.get(of(obj), metadata["name"], metadata.get("namespace"))
    except (ApiError, *TRANSIENT):
        return False
    return not found or found["metadata"]["uid"] != metadata["uid"] or "deletionTimestamp" in found["metadata"]


def sentence(error: Exception) -> str:
    """Return what an error says, without what follows the first line: of a refused volume a diff of Go structs."""
    text = error.message if isinstance(error, ApiError) else str(error)
    return text.partition("\n")[0][:_LONGEST_MESSAGE] or type(error).__name__
