"""The work queue: nothing twice, nothing lost, one worker per key, failures later and later."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING

import pytest

from inventory_operator.controller.workqueue import Queue

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from inventory_operator.api.metadata import Key

A, B = ("ns", "a"), ("ns", "b")


@pytest.fixture
def queue() -> Queue:
    return Queue(backoff_seconds=0.5, backoff_limit_seconds=60.0)


@contextlib.asynccontextmanager
async def workers(queue: Queue, number: int, reconcile: Callable[[Key], Awaitable[None]]) -> AsyncIterator[None]:
    tasks = [asyncio.create_task(queue.work(reconcile)) for _ in range(number)]
    try:
        yield
        assert not [task for task in tasks if task.done()], "a worker ends only with an error"
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def until_idle() -> None:
    """Let every task run that can run."""
    for _ in range(20):
        await asyncio.sleep(0)


class Gate:
    """A reconcile that notes its calls and lasts until it is let through."""

    def __init__(self) -> None:
        self.begun: list[Key] = []
        self.ended: list[Key] = []
        self.reached = asyncio.Event()
        self.open = asyncio.Event()

    async def __call__(self, key: Key) -> None:
        self.begun.append(key)
        self.reached.set()
        await self.open.wait()
        self.ended.append(key)


async def test_slow_keys_of_one_namespace_leave_workers_to_others() -> None:
    queue, gate = Queue(0.5, 60.0, share=2), Gate()
    many = [("hostile", str(number)) for number in range(5)]
    queue.add_all(many)
    async with workers(queue, 3, gate):
        await until_idle()
        assert gate.begun == many[:2]
        queue.add(A)
        queue.add(many[0])
        await until_idle()
        assert gate.begun == [*many[:2], A]
        gate.open.set()
        await until_idle()
        assert sorted(gate.ended) == sorted([*many, many[0], A]), "nothing is lost"
    assert not queue._held


async def test_a_waiting_key_is_worked_on_once(queue) -> None:
    gate = Gate()
    gate.open.set()
    for _ in range(5):
        queue.add(A)
    async with workers(queue, 3, gate):
        await until_idle()
    assert gate.begun == [A]


async def test_a_key_is_never_with_two_workers_and_comes_again_once_when_added_meanwhile(queue) -> None:
    gate = Gate()
    queue.add(A)
    async with workers(queue, 3, gate):
        await until_idle()
        for _ in range(3):
            queue.add(A)
        await until_idle()
        assert gate.begun == [A], "while it is worked on, no other worker takes it"
        gate.open.set()
        await until_idle()
    assert gate.ended == [A, A]


async def test_different_keys_are_worked_on_at_the_same_time(queue) -> None:
    gate = Gate()
    async with workers(queue, 2, gate):
        queue.add(A)
        queue.add(B)
        await until_idle()
        assert sorted(gate.begun) == [A, B]


async def test_a_key_added_after_its_work_is_worked_on_again(queue) -> None:
    gate = Gate()
    gate.open.set()
    async with workers(queue, 1, gate):
        queue.add(A)
        await until_idle()
        queue.add(A)
        await until_idle()
    assert gate.begun == [A, A]


async def test_an_escaped_error_ends_the_worker_and_frees_the_key(queue) -> None:
    async def broken(_: Key) -> None:
        queue.add(A)
        raise RuntimeError

    queue.add(A)
    with pytest.raises(RuntimeError):
        await queue.work(broken)
    gate = Gate()
    gate.open.set()
    async with workers(queue, 1, gate):
        await until_idle()
    assert gate.begun == [A]


async def test_pauses_double_with_jitter_up_to_the_limit(queue) -> None:
    pauses = [queue.retry(A) for _ in range(30)]
    for number, pause in enumerate(pauses, start=1):
        expected = min(60.0, 0.5 * 2**number)
        assert 0.8 * expected <= pause <= 1.2 * expected
    assert len({round(pause, 6) for pause in pauses[-10:]}) > 1, "jitter"
    assert queue.retry(B) <= 1.2, "of each key its own"
    queue.forget(A)
    assert queue.retry(A) <= 1.2, "a success begins anew"
    queue.forget(A)
    queue.forget(B)


async def test_forget_begins_anew_and_takes_back_what_is_planned() -> None:
    queue, gate = Queue(0.001, 0.002), Gate()
    gate.open.set()
    first = max(queue.retry(A) for _ in range(5))
    queue.forget(A)
    assert first <= 0.0024
    async with workers(queue, 1, gate):
        await asyncio.sleep(0.02)
    assert gate.begun == []


async def test_a_retry_comes_and_a_later_one_takes_the_place_of_an_earlier_one() -> None:
    queue, gate = Queue(0.001, 0.002), Gate()
    gate.open.set()
    async with workers(queue, 1, gate):
        queue.add_later(A, 3600)
        queue.add_later(A, 0.001)
        await asyncio.wait_for(gate.reached.wait(), 60)
        await asyncio.sleep(0.01)
    assert gate.begun == [A]
