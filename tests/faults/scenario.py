"""The scenario of one stack: created, left alone, broken, repaired, left alone again. `evidence` judges the outcome."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from tests.faults.evidence import ALWAYS, Row, Times, complete
from tests.faults.faults import BAD_GROUP, GOOD_GROUP
from tests.faults.fixture import StackFixture, merged

from devcluster.errors import ClusterError

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.faults.environment import Environment, Latch
    from tests.faults.faults import Fault
    from tests.faults.receiver import Delivery

#: Seconds until every stack is there; then seconds after the end for a late false alert (group_wait and more).
_ALL_READY = 900.0
_QUIET = 120.0
#: Another look at the slower alerts after the right one was delivered.
_ALONE = 60.0
#: Until the operator has looked at what a user wrote.
_NAMED = 120.0


class Scenario:
    """A fault on a stack of its own."""

    def __init__(self, environment: Environment, fault: Fault) -> None:
        self.environment = environment
        self.fault = fault
        self.times = Times()
        self.row = Row(fault.name, fault.what)
        self._reported = 0
        image = {"service": {"image": environment.faulty_image}} if fault.faulty else {}
        self.fixture = StackFixture(environment, fault.name, merged(fault.spec, image), fault.rate)

    def run(self) -> Row:
        """Run the steps; an error ends them and is in the row."""
        try:
            self._start()
            with self.fixture.load:
                self.times.quiet = time.time()
                self.rest(self.fault.quiet)
                self.steps()
        except (AssertionError, OSError, ClusterError) as error:
            self.row.problems.append(str(error))
        finally:
            for latch in self.latches():
                latch.arrive()
        if self.fixture.load.answers:
            self.row.notes.append(f"answers to the load: {_listed(self.fixture.load.answers)}")
        row = complete(
            self.row,
            self.fault.expected,
            self.times,
            self.fixture.watch.changes,
            self.deliveries(),
            self.fixture.watch.inhibited,
        )
        self.say("as expected" if not row.problems else f"NOT as expected: {'; '.join(row.problems)}")
        return row

    def _start(self) -> None:
        try:
            self.say("starting")
            self.fixture.make(self.fault.prepare)
            self.say("Ready")
        finally:
            self.environment.ready.arrive()
        self.until(lambda: self.environment.ready.missing() == 0, _ALL_READY, "every stack to be Ready")

    def latches(self) -> tuple[Latch, ...]:
        """Return the latches that wait for the end of this scenario."""
        return self.environment.faults, self.environment.moving

    def steps(self) -> None:
        """Break, wait for the alert, repair, wait for the end of the alert."""
        self._break()
        self._repair()
        self.rest(_QUIET)

    def _break(self) -> None:
        fault, expected = self.fault, self.fault.expected.alert
        self.say("the fault begins")
        self.times.fault = time.time()
        fault.inject(self.fixture)
        if fault.named:
            self._refused(fault.named)
        if expected:
            self.until(lambda: self._has("firing"), fault.delivered_within, f"{expected} to be delivered")
            self.rest(_ALONE)
        self.rest(self.times.fault + fault.lasts - time.time())

    def _refused(self, words: tuple[str, ...]) -> None:
        said = self.until(lambda: self.fixture.says(*words), _NAMED, f"the status to name {' '.join(words)}")
        self.until(lambda: self.fixture.posted(*words), _NAMED, f"an Event to name {' '.join(words)}")
        self.until(lambda: self.fixture.groups().get(GOOD_GROUP), _NAMED, "the good rule to be evaluated")
        assert BAD_GROUP not in self.fixture.groups(), "Prometheus was given the rule that it can't read"
        after = round(time.time() - (self.times.fault or 0.0))
        self.note(f"after {after} s named in the status and in an Event, the good rule is evaluated: {said}")

    def _repair(self) -> None:
        fault, expected = self.fault, self.fault.expected.alert
        self.say("the fault ends")
        self.times.recovery = time.time()
        self.fixture.load.rate = fault.rate_after
        fault.recover(self.fixture)
        if fault.named:
            self.until(lambda: not self.fixture.says(*fault.named), _NAMED, "the status to name it no more")
        if expected:
            self.until(lambda: self._has("resolved"), fault.resolved_within, f"{expected} to be resolved")

    def until(self, done: Callable[[], object], seconds: float, what: str) -> str:
        """Look at the alerts until `done`."""

        def look() -> object:
            self._look()
            return done()

        return str(self.environment.until(look, seconds, what))

    def rest(self, seconds: float) -> None:
        """Look at the alerts for so long."""
        end = time.monotonic() + seconds
        self.until(lambda: time.monotonic() >= end, seconds + 60, "some time to go by")

    def deliveries(self) -> list[Delivery]:
        """Return what was delivered for this stack."""
        return self.environment.receiver.deliveries(self.fixture.name)

    def note(self, what: str) -> None:
        """Keep a sentence for the table, and print it."""
        self.row.notes.append(what)
        self.say(what)

    def say(self, what: str) -> None:
        """Print what happens in this scenario."""
        self.environment.say(self.fault.name, what)

    def _has(self, status: str) -> bool:
        since = self.times.recovery if status == "resolved" else self.times.fault
        return any(
            (d.alert, d.status) == (self.fault.expected.alert, status) and d.at >= (since or 0.0)
            for d in self.deliveries()
        )

    def _look(self) -> None:
        for change in self.fixture.watch.look():
            if change.alert != ALWAYS:
                self.say(f"{change.alert} is {change.state}")
        delivered = self.deliveries()
        for delivery in delivered[self._reported :]:
            self.say(f"delivered: {delivery.alert} ({delivery.severity}), {delivery.status}")
        self._reported = len(delivered)


def _listed(answers: dict[str, int]) -> str:
    return ", ".join(f"{count} x {answer}" for answer, count in sorted(answers.items()))
