"""When stacks are checked, what becomes of the answers, and what a stack costs the others."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import pytest
from structlog.testing import capture_logs
from tests.framework.passes import raw
from tests.framework.verification import NOW, part, pod, subject, working

from inventory_operator.api import metadata as meta
from inventory_operator.cache.store import Store
from inventory_operator.settings import Settings
from inventory_operator.verification.answer import Answer, Outcome, Unready
from inventory_operator.verification.checklist import Check, Round
from inventory_operator.verification.pods import PodAsk
from inventory_operator.verification.progress import REPLACED_SECONDS, Progress
from inventory_operator.verification.result import UNCHECKED, UNPROBED, Result, recorded
from inventory_operator.verification.targets import Target, Targets
from inventory_operator.verification.verifier import BURST_BYTES, BYTES_PER_SECOND, NAMESPACE_ROUNDS, ROUNDS, Verifier

Object = dict[str, Any]
KEY = ("ns", "shop")
PASSED = Answer("ServiceScraped", Outcome.PASSED, "ServiceScraped", "fine")
FAILED = Answer("ServiceScraped", Outcome.FAILED, "NotSelected", "pod a is not discovered")
UNKNOWN = Answer("ServiceScraped", Outcome.UNKNOWN, "PodsNotReady", "no pod is ready")
NEW = Answer("ServiceScraped", Outcome.UNKNOWN, "NotScrapedYet", "not yet")
READ_ONLY = Unready("a", "The database is read-only.")
UP, DOWN = Targets(1, 1, ()), Targets(1, 0, (Target("a", "NotSelected", "is not discovered"),))


async def _never(_: Round) -> Answer:
    raise AssertionError


CHECK = Check("ServiceScraped", ("service", "prometheus"), 0, _never)
SETTLED, ROLLING = subject(*working()), subject(*part("service", pod("a", "service"), availableReplicas=0))


def take(progress: Progress, answer: Answer, at: float, *, generation: int = 1, rolling: bool = False) -> bool:
    progress.look(ROLLING if rolling else SETTLED, ("service", "prometheus"), at)
    targets = UP if answer is PASSED else DOWN
    return progress.take(generation, [(CHECK, answer)], targets, at)


# What becomes of answers


def test_a_good_answer_counts_at_once() -> None:
    progress = Progress(order=["ServiceScraped"])
    assert take(progress, PASSED, 0)
    assert progress.result == Result(1, (PASSED,), UP)
    assert progress.good
    assert not take(progress, PASSED, 1), "nothing is another"


@pytest.mark.parametrize("bad", [FAILED, UNKNOWN])
def test_a_bad_answer_counts_when_it_is_confirmed(bad: Answer) -> None:
    progress = Progress(order=["ServiceScraped"])
    take(progress, PASSED, 0)
    assert not take(progress, bad, 15)
    assert progress.result == Result(1, (PASSED,), UP), "of the targets nothing is said either"
    assert progress.unsure
    assert take(progress, bad, 20)
    assert progress.result == Result(1, (bad,), DOWN)
    assert not progress.unsure
    assert not progress.good
    assert take(progress, PASSED, 30)


def test_a_single_bad_answer_between_good_ones_is_never_told() -> None:
    progress = Progress(order=["ServiceScraped"])
    for at in range(0, 100, 2):
        take(progress, PASSED, at)
        take(progress, FAILED, at + 1)
        assert progress.result.answers == (PASSED,)


def test_what_a_pod_says_of_itself_counts_as_long_as_it_says_so() -> None:
    progress = Progress(order=["ServiceScraped"])
    take(progress, PASSED, 0)
    for said, changed in ((READ_ONLY, True), (READ_ONLY, False), (None, True)):
        assert progress.take(1, [(CHECK, PASSED)], UP, 15, said) is changed
        assert progress.result == Result(1, (PASSED,), UP, unready=said)


def test_while_pods_are_replaced_the_last_answer_stays_for_a_while() -> None:
    progress = Progress(order=["ServiceScraped"])
    take(progress, PASSED, 0)
    for at in range(10, 70, 10):
        assert not take(progress, FAILED, at, rolling=True)
    assert take(progress, FAILED, 10 + REPLACED_SECONDS, rolling=True)


def test_a_part_that_settled_has_its_while_anew() -> None:
    progress = Progress(order=["ServiceScraped"])
    take(progress, PASSED, 0)
    take(progress, FAILED, 50, rolling=True)
    take(progress, PASSED, 100)
    for at in (110, 120, 130):
        assert not take(progress, FAILED, at, rolling=True)


def test_what_only_takes_its_time_is_never_told() -> None:
    progress = Progress(order=["ServiceScraped"])
    take(progress, PASSED, 0)
    for at in range(10, 200, 10):
        assert not take(progress, NEW, at)


def test_a_new_generation_counts_once_every_check_has_answered() -> None:
    progress = Progress(order=["ServiceScraped"])
    take(progress, PASSED, 0)
    take(progress, FAILED, 1, generation=2)
    assert progress.result.generation == 1
    take(progress, FAILED, 2, generation=2)
    assert progress.result.generation == 2
    assert take(progress, FAILED, 3, generation=3), "what was told before needs no second round"


# What a status says, after a restart


def status(**fields: Any) -> Object:
    check = {"check": "ServiceScraped", "status": "Passed", "reason": "ServiceScraped", "message": "fine"}
    verified = {"type": "Verified", "status": "True", "reason": "AllChecksPassed", "observedGeneration": 4}
    targets = {"summary": "1/1", "expected": 1, "up": 1, "others": []}
    return {
        "conditions": [verified | fields.pop("verified", {})],
        "verification": {"summary": "1/1", "checks": [check | fields.pop("check", {})]},
        "targets": targets,
    } | fields


def test_an_operator_goes_on_from_what_a_status_says() -> None:
    assert recorded(status(), ("ServiceScraped",)) == Result(4, (PASSED,), UP)
    assert recorded(status(), ("ServiceScraped", "Another")).generation is None, "not every check has answered"
    assert recorded(status(verified={"reason": "NotChecked"}), ("ServiceScraped",)).generation is None
    for nothing in ({}, {"conditions": []}, status(verified={"reason": "NotProbed"})):
        assert recorded(nothing, ("ServiceScraped",)) == UNCHECKED


@pytest.mark.parametrize("planted", [{"check": "Planted"}, {"reason": "Planted"}, {"status": "Planted"}])
def test_what_no_check_could_have_said_is_left_out(planted: Object) -> None:
    found = recorded(status(check=planted), ("ServiceScraped",))
    assert (found.generation, found.answers) == (None, ())
    other = {"pod": "a", "reason": "Planted", "message": "x"}
    targets = {"summary": "", "expected": 1, "up": 0, "others": [other]}
    assert recorded(status(targets=targets), ("ServiceScraped",)).targets == Targets(1, 0, ())


# When stacks are checked


@dataclass
class Bench:
    """A verifier with stacks whose one check answers as it is told; time stands still."""

    names: list[str] = field(default_factory=lambda: ["shop"])
    probe: bool = True
    every: float = 0.0
    now: float = 1000.0
    asked: list[meta.Key] = field(default_factory=list)
    changed: list[meta.Key] = field(default_factory=list)
    answer: Answer = PASSED
    #: Bytes that each check reads.
    reads: int = 0
    #: What each check waits for.
    gate: asyncio.Event = field(default_factory=asyncio.Event)
    moved: asyncio.Event = field(default_factory=asyncio.Event)

    def __post_init__(self) -> None:
        self.gate.set()
        self.store = Store(lambda _: None)
        check = Check("ServiceScraped", ("service",), self.every, self._run)
        cluster: Any = SimpleNamespace()
        self.verifier = Verifier(
            cluster,
            self.store,
            Settings(probe_pods=self.probe),
            self._told,
            lambda *_: None,
            [check],
            lambda: self.now,
        )
        self.store.changed = self.verifier.touch
        for name in self.names:
            self.see(name)

    def see(self, name: str, version: int = 1, namespace: str = "ns", **metadata: Any) -> None:
        stack = raw()
        stack["metadata"] |= {"name": name, "namespace": namespace, "resourceVersion": str(version), **metadata}
        self.store.observe(stack)

    def _told(self, key: meta.Key) -> None:
        self.changed.append(key)
        self.moved.set()

    async def until(self, asked: int = 0, changed: int = 0) -> None:
        """Wait until so many checks were asked, and so many changes told."""
        while len(self.asked) < asked or len(self.changed) < changed:
            self.moved.clear()
            await self.moved.wait()

    async def _run(self, of: Round) -> Answer:
        self.asked.append((of.subject.stack.namespace, of.subject.stack.name))
        self.moved.set()
        await self.gate.wait()
        of.targets = UP
        assert isinstance(of.ask, PodAsk)
        of.ask.received += self.reads
        return self.answer

    async def round(self, seconds: float = 0.0) -> int:
        """Let time go by, and check whoever has its turn; return how many were."""
        self.now += seconds
        turns = self.verifier._due()
        await asyncio.gather(*(self.verifier._round(key) for key in turns))
        return len(turns)


async def test_a_stack_is_checked_at_once_and_then_again_and_again() -> None:
    bench = Bench()
    assert await bench.round() == 1
    assert bench.verifier.result(KEY) == Result(1, (PASSED,), UP)
    assert bench.changed == [KEY]
    assert await bench.round(13) == 0
    assert await bench.round(4) == 1
    assert bench.changed == [KEY], "nobody is told of what was known"


async def test_what_is_not_well_is_looked_at_sooner() -> None:
    bench = Bench()
    await bench.round()
    bench.answer = FAILED
    await bench.round(20)
    assert bench.changed == [KEY]
    assert await bench.round(5) == 1
    assert bench.changed == [KEY, KEY]
    assert bench.verifier.result(KEY).answers == (FAILED,)
    assert await bench.round(9) == 0
    assert await bench.round(1) == 1


@pytest.mark.parametrize("change", ["generation", "pod", "configmap"])
async def test_a_change_is_followed_by_a_round(change: str) -> None:
    bench = Bench()
    await bench.round()
    labels = meta.labels(meta.Stack("ns", "shop", "uid"), "service")
    metadata = {"name": "x", "uid": "x", "namespace": "ns", "labels": labels, "resourceVersion": "2"}
    if change == "generation":
        bench.see("shop", 2, generation=2)
    elif change == "pod":
        bench.store.observe({"kind": "Pod", "apiVersion": "v1", "metadata": metadata})
    else:
        bench.store.observe({"kind": "ConfigMap", "apiVersion": "v1", "metadata": metadata})
    assert await bench.round(1) == 0, "more may follow"
    assert await bench.round(3) == 1
    assert await bench.round(9) == 0
    assert await bench.round(1) == 1, "once more, when the pods have taken it in"
    assert await bench.round(10) == 0


async def test_the_operators_own_status_write_is_no_change() -> None:
    bench = Bench()
    await bench.round()
    bench.see("shop", 2)
    assert await bench.round(4) == 0


async def test_a_costly_check_is_asked_less_often_but_when_something_is_wrong() -> None:
    bench = Bench(every=60)
    await bench.round()
    for _ in range(3):
        assert await bench.round(17) == 1
    assert len(bench.asked) == 1
    await bench.round(17)
    assert len(bench.asked) == 2
    bench.answer = FAILED
    await bench.round(68)
    await bench.round(5)
    await bench.round(10)
    assert len(bench.asked) == 5


async def test_one_budget_for_all_and_a_share_for_each_namespace() -> None:
    bench = Bench([f"a-{n}" for n in range(20)])
    for n in range(20):
        bench.see(f"b-{n}", namespace="other")
        bench.see(f"c-{n}", namespace="third")
    turns = bench.verifier._due()
    assert len(turns) == ROUNDS
    assert {sum(key[0] == name for key in turns) for name in {key[0] for key in turns}} == {NAMESPACE_ROUNDS}


async def test_a_namespace_whose_pods_answer_at_length_is_checked_less_often() -> None:
    bench = Bench(reads=BURST_BYTES + 19 * BYTES_PER_SECOND)
    assert await bench.round() == 1
    bench.see("quiet", namespace="other")
    bench.reads = 0
    assert await bench.round(18) == 1, "the other namespace"
    assert bench.asked == [KEY, ("other", "quiet")]
    assert await bench.round(1) == 1


async def test_a_stack_has_one_round_at_a_time_and_no_other_waits_for_it() -> None:
    bench = Bench(["shop", "other"])
    bench.verifier.tick_seconds = 0.001
    bench.gate.clear()
    task = asyncio.create_task(bench.verifier.run())
    await bench.until(asked=2)
    bench.now += 100
    bench.see("third")
    await bench.until(asked=3)
    assert sorted(bench.asked) == [("ns", "other"), ("ns", "shop"), ("ns", "third")]
    bench.gate.set()
    await bench.until(changed=3)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_a_check_that_hangs_is_told_of_as_such() -> None:
    bench = Bench()
    bench.verifier.check_seconds = 0.01
    bench.gate.clear()
    for _ in range(2):
        await bench.round(20)
    (answer,) = bench.verifier.result(KEY).answers
    assert (answer.outcome, answer.reason) == (Outcome.UNKNOWN, "TookTooLong")


async def test_a_defect_of_a_check_ends_nothing() -> None:
    bench = Bench()
    bench.verifier.checks = [CHECK]
    with capture_logs() as logs:
        await bench.round()
    assert [one["log_level"] for one in logs] == ["error"]
    assert bench.verifier.result(KEY) == UNCHECKED
    with capture_logs():
        assert await bench.round(20) == 1


async def test_a_stack_that_is_gone_or_going_is_forgotten() -> None:
    bench = Bench()
    await bench.round()
    bench.see("shop", 2, deletionTimestamp=NOW)
    assert await bench.round(100) == 0
    bench.store.observe({**raw(), "metadata": {**raw()["metadata"], "resourceVersion": "3"}}, gone=True)
    await bench.round()
    assert bench.verifier._stacks == {}
    assert bench.verifier.result(KEY) == UNCHECKED


async def test_a_stack_of_the_same_name_begins_anew() -> None:
    bench = Bench()
    await bench.round()
    bench.store.observe({**raw(), "metadata": {**raw()["metadata"], "resourceVersion": "3"}}, gone=True)
    bench.see("shop", 4, uid="another")
    assert bench.verifier.result(KEY) == UNCHECKED


async def test_a_spec_that_cannot_be_followed_is_not_checked() -> None:
    bench = Bench()
    await bench.round()
    stack = raw(service={"replicas": -1})
    stack["metadata"] |= {"resourceVersion": "2", "generation": 2}
    bench.store.observe(stack)
    assert await bench.round(20) == 1
    assert len(bench.asked) == 1
    assert bench.verifier.result(KEY).generation == 1


async def test_from_outside_of_a_cluster_nobody_is_asked() -> None:
    bench = Bench(probe=False)
    task = asyncio.create_task(bench.verifier.run())
    await asyncio.sleep(0)
    assert not task.done()
    task.cancel()
    assert bench.asked == []
    assert bench.verifier.result(KEY) == UNPROBED


async def test_a_long_message_is_shortened() -> None:
    bench = Bench()
    bench.answer = Answer("ServiceScraped", Outcome.SKIPPED, "PodsNotReady", "x" * 1000)
    await bench.round()
    (answer,) = bench.verifier.result(KEY).answers
    assert len(answer.message) == 300
