"""Runs the checks of all stacks, again and again, and keeps what they answered.

It writes nothing: who reports a stack asks it, and is told where an answer became another.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import time
from collections import Counter
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any

import structlog

from inventory_operator.api.metadata import Stack
from inventory_operator.api.stack import InvalidSpec, Spec, parse
from inventory_operator.components import ALL
from inventory_operator.components.shares import Shares
from inventory_operator.kube.pods import is_ready
from inventory_operator.kube.timestamps import timestamp
from inventory_operator.verification.answer import Answer, Outcome
from inventory_operator.verification.checklist import CHECKS, Check, Memory, Round
from inventory_operator.verification.cluster_reads import ClusterReads
from inventory_operator.verification.pods import asking
from inventory_operator.verification.progress import Progress
from inventory_operator.verification.result import UNCHECKED, UNPROBED, Result, recorded
from inventory_operator.verification.subject import Subject
from inventory_operator.verification.words import sentence

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from inventory_operator.api.metadata import Key
    from inventory_operator.cache.store import Store
    from inventory_operator.kube.client import Cluster
    from inventory_operator.settings import Settings

log = structlog.get_logger(__name__)

Object = dict[str, Any]
#: Seconds between two rounds of a stack: while all is well, while something isn't, and to confirm what isn't.
QUIET_SECONDS, ACTIVE_SECONDS, CONFIRM_SECONDS = 15.0, 10.0, 5.0
#: After a change of a stack: more may follow at once. Never more often than that.
CHANGED_SECONDS, LEAST_SECONDS = 1.0, 3.0
#: How often it is looked which stacks have their turn, beside each end of a round.
TICK_SECONDS = 0.5
#: For one check of one stack: a pod that hangs must not keep the others from being asked.
CHECK_SECONDS = 10.0
#: Stacks whose checks run at the same time, and how many of these may be of one namespace.
ROUNDS, NAMESPACE_ROUNDS = 8, 4
#: Bytes that the checks of a namespace may read at once, and in each second: a stack of 500 products needs 10,000 a
#: second, and reading a megabyte takes the operator 30 ms.
BURST_BYTES, BYTES_PER_SECOND = 20_000_000, 1_000_000
#: What of a stack the checks depend on beside its pods.
_WATCHED = frozenset({"ConfigMap", "Deployment", "Secret"})


@dataclass(slots=True)
class _Checked:
    """One stack that is checked."""

    uid: str
    progress: Progress
    memory: Memory = field(default_factory=Memory)
    #: When its next round is, and its last one began, in seconds that only ever grow.
    due: float = 0.0
    began: float = float("-inf")
    #: By check: when it was asked last.
    asked: dict[str, float] = field(default_factory=dict)
    #: What of it the last round depended on.
    seen: object = None
    #: The generation of the spec, and the spec; parsing it costs as much as asking a pod.
    spec: tuple[int, Spec] | None = None


@dataclass(slots=True)
class Verifier:
    """Everything that is needed to run checks."""

    cluster: Cluster
    store: Store
    settings: Settings
    #: Called with a stack one of whose answers became another.
    changed: Callable[[Key], None]
    #: Returns the data of what a spec names, by kind, namespace and name.
    secret: Callable[[str, str, str], Mapping[str, str] | None]
    checks: Sequence[Check] = CHECKS
    clock: Callable[[], float] = time.monotonic
    check_seconds: float = CHECK_SECONDS
    tick_seconds: float = TICK_SECONDS
    shares: Shares = field(init=False)
    _stacks: dict[Key, _Checked] = field(default_factory=dict)
    #: Stacks of which something was seen since they were looked at.
    _touched: set[Key] = field(default_factory=set)
    _running: dict[Key, asyncio.Task[None]] = field(default_factory=dict)
    #: Set when a round ends: another one may begin.
    _room: asyncio.Event = field(default_factory=asyncio.Event)

    def __post_init__(self) -> None:
        self.shares = Shares(BURST_BYTES, BYTES_PER_SECOND, self.clock)

    def result(self, key: Key) -> Result:
        """Return what is known of a stack; what its status says, where it was not checked since the start."""
        if not self.settings.probe_pods:
            return UNPROBED
        checked = self._checked(key)
        return checked.progress.result if checked else UNCHECKED

    def touch(self, key: Key) -> None:
        """Take in that something of a stack changed."""
        self._touched.add(key)

    async def run(self) -> None:
        """Check all stacks, for ever."""
        if not self.settings.probe_pods:
            await asyncio.Event().wait()
        async with asyncio.TaskGroup() as rounds:
            while True:
                for key in self._due():
                    self._running[key] = task = rounds.create_task(self._round(key))
                    task.add_done_callback(partial(self._ended, key))
                self._room.clear()
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._room.wait(), self.tick_seconds)

    def _ended(self, key: Key, _: asyncio.Task[None]) -> None:
        del self._running[key]
        self._room.set()

    def _due(self) -> list[Key]:
        """Return the stacks whose turn it is, as many as may be checked now."""
        now = self.clock()
        for key in self._touched:
            checked = self._checked(key)
            if checked and checked.seen != self._seen(key):
                checked.due = min(checked.due, max(now + CHANGED_SECONDS, checked.began + LEAST_SECONDS))
        self._touched.clear()
        for key in self._stacks.keys() - self.store.stacks.keys():
            del self._stacks[key]
        idle = [key for key in self.store.stacks if key not in self._running]
        waiting = sorted((one.due, key) for key in idle if (one := self._checked(key)) and one.due <= now)
        busy = Counter(key[0] for key in self._running)
        turns: list[Key] = []
        for _, key in waiting:
            room = len(self._running) + len(turns) < ROUNDS and busy[key[0]] < NAMESPACE_ROUNDS
            if room and not self.shares.pause(key[0]):
                busy[key[0]] += 1
                turns.append(key)
        return turns

    def _checked(self, key: Key) -> _Checked | None:
        raw = self.store.stacks.get(key)
        if raw is None or "deletionTimestamp" in raw["metadata"]:
            return None
        checked, uid = self._stacks.get(key), raw["metadata"]["uid"]
        if checked is None or checked.uid != uid:
            names = [check.name for check in self.checks]
            progress = Progress(recorded(raw.get("status", {}), names), names)
            checked = self._stacks[key] = _Checked(uid, progress)
        return checked

    def _seen(self, key: Key) -> object:
        """Return what the checks depend on: which pods are ready, the spec, and what the operator has written."""
        children = [child.obj for child in self.store.of(key).values()]
        pods = {one["metadata"]["uid"]: is_ready(one) for one in children if one["kind"] == "Pod"}
        written = {
            one["metadata"]["uid"]: one["metadata"].get("generation") or one["metadata"]["resourceVersion"]
            for one in children
            if one["kind"] in _WATCHED
        }
        return self.store.stacks[key]["metadata"]["generation"], pods, written

    async def _round(self, key: Key) -> None:
        """Run the checks of one stack that have their turn."""
        checked, now = self._checked(key), self.clock()
        if checked is None:
            return
        checked.began, checked.due = now, now + QUIET_SECONDS * random.uniform(0.9, 1.1)  # noqa: S311
        with structlog.contextvars.bound_contextvars(namespace=key[0], stack_name=key[1]):
            try:
                await self._check(key, checked, now)
            except Exception:
                log.exception("the checks of a stack failed: a defect of the operator")

    async def _check(self, key: Key, checked: _Checked, now: float) -> None:
        raw, seen = self.store.stacks[key], self._seen(key)
        spec = self._spec(raw, checked)
        if spec is None:
            return
        stack = Stack(*key, raw["metadata"]["uid"])
        subject = Subject(stack, spec, tuple(child.obj for child in self.store.of(key).values()))
        progress, generation = checked.progress, raw["metadata"]["generation"]
        before, checked.seen = checked.seen, seen
        active = seen != before or not progress.good or progress.result.generation != generation
        turns = [one for one in self.checks if active or now - checked.asked.get(one.name, 0) >= one.every_seconds]
        async with asking() as ask:
            reads = ClusterReads(self.cluster, key[0], self.shares)
            of = Round(
                subject, ask, timestamp(), now, self.settings, reads.policies, reads.config_map,
                secret=lambda name: self.secret("Secret", key[0], name), memory=checked.memory,
            )  # fmt: skip
            try:
                answers = [(check, await self._answer(check, of)) for check in turns]
            finally:
                self.shares.charge(key[0], ask.received)
        checked.asked |= dict.fromkeys((check.name for check in turns), now)
        progress.look(subject, (component.name for component in ALL), self.clock())
        if progress.take(generation, answers, of.targets, self.clock(), of.unready):
            log.info("checked", **{one.check: one.reason for one in progress.result.answers})
            self.changed(key)
        if progress.unsure:
            checked.due = min(checked.due, self.clock() + CONFIRM_SECONDS)
        elif before not in (None, seen) or not progress.good:
            # What was changed, pods take in some seconds later.
            checked.due = min(checked.due, now + ACTIVE_SECONDS)

    async def _answer(self, check: Check, of: Round) -> Answer:
        try:
            async with asyncio.timeout(self.check_seconds):
                answer = await check.run(of)
        except TimeoutError:
            words = f"the check was not done within {self.check_seconds:g} s: the stack's pods answer too slowly"
            return Answer(check.name, Outcome.UNKNOWN, "TookTooLong", words)
        return Answer(answer.check, answer.outcome, answer.reason, sentence(answer.message))

    @staticmethod
    def _spec(raw: Object, checked: _Checked) -> Spec | None:
        """Return the spec of a stack; None where it can't be followed, of which another condition tells."""
        generation = raw["metadata"]["generation"]
        if checked.spec is None or checked.spec[0] != generation:
            try:
                checked.spec = (generation, parse(raw))
            except InvalidSpec:
                return None
        return checked.spec[1]
