"""Clients of a service whose database is in trouble: each sends a change until it is acknowledged, then another one."""

from __future__ import annotations

import threading
import time
import uuid
from collections import Counter
from http import HTTPStatus
from typing import TYPE_CHECKING, Self

import psycopg
import requests
from tests.framework.server import DEADLINE

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from types import TracebackType

    from tests.framework.server import Server

#: How long a client waits before it sends again.
_PAUSE_SECONDS = 0.1


class Traffic:
    """Restocks of each product by a client of its own, and one that asks for /livez, while the block lasts."""

    def __init__(self, server: Server, product_ids: Sequence[int]) -> None:
        self.url = server.url
        self.acknowledged: Counter[int] = Counter(dict.fromkeys(product_ids, 0))
        #: How often each product's client was asked to try again.
        self.refused: Counter[int] = Counter(dict.fromkeys(product_ids, 0))
        self.statuses: Counter[int] = Counter()
        self.lives = 0
        self._failures: list[BaseException] = []
        self._counting = threading.Lock()
        self._over = threading.Event()
        self._threads = [threading.Thread(target=self._run, args=[self._restock, each]) for each in product_ids]
        self._threads.append(threading.Thread(target=self._run, args=[self._live]))

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._over.set()
        for thread in self._threads:
            thread.join()
        if error is None:
            assert self._failures == []

    def until(self, condition: Callable[[], bool], seconds: float = DEADLINE) -> None:
        """Wait for a condition, and let no client fail meanwhile."""
        until = time.monotonic() + seconds
        while not condition():
            assert self._failures == []
            assert time.monotonic() < until, self.statuses
            time.sleep(0.02)

    def until_all_succeed(self) -> None:
        """Wait until each client had two more changes acknowledged: the second one was begun meanwhile."""
        before = dict(self.acknowledged)
        self.until(lambda: all(count >= before[each] + 2 for each, count in self.acknowledged.items()))

    def until_all_are_refused(self) -> None:
        """Wait until each client was refused two more times: no answer to what was sent before is on its way then."""
        before = dict(self.refused)
        self.until(lambda: all(count >= before[each] + 2 for each, count in self.refused.items()))

    def add(self, other: Traffic) -> None:
        """Count what was acknowledged to the clients of another one as well."""
        with self._counting:
            self.acknowledged.update(other.acknowledged)

    def _run(self, act: Callable[..., None], *arguments: int) -> None:
        try:
            with requests.Session() as session:
                act(session, *arguments)
        except BaseException as error:  # noqa: BLE001 - the test says it
            self._failures.append(error)

    def _live(self, session: requests.Session) -> None:
        while not self._over.wait(_PAUSE_SECONDS):
            assert session.get(f"{self.url}/livez", timeout=DEADLINE).status_code == HTTPStatus.OK
            self.lives += 1

    def _restock(self, session: requests.Session, product_id: int) -> None:
        while not self._over.is_set():
            self._restock_once(session, product_id)

    def _restock_once(self, session: requests.Session, product_id: int) -> None:
        url, headers = f"{self.url}/api/products/{product_id}/restock", {"Idempotency-Key": str(uuid.uuid4())}
        until = time.monotonic() + DEADLINE
        while time.monotonic() < until:
            answer = session.post(url, json={"quantity": 1}, headers=headers, timeout=DEADLINE)
            with self._counting:
                self.statuses[answer.status_code] += 1
                self.acknowledged[product_id] += answer.status_code == HTTPStatus.OK
                self.refused[product_id] += answer.status_code != HTTPStatus.OK
            if answer.status_code == HTTPStatus.OK:
                return
            # A conflict: the server still works on the request whose answer was lost.
            assert answer.status_code in {HTTPStatus.SERVICE_UNAVAILABLE, HTTPStatus.CONFLICT}, answer.text
            assert answer.headers["Retry-After"]
            assert "psycopg" not in answer.text
            time.sleep(_PAUSE_SECONDS)
        raise AssertionError(f"product {product_id}: never acknowledged")


def assert_nothing_lost_or_doubled(database_url: str, traffic: Traffic) -> None:
    """The stock of each product is what was acknowledged, and so is its ledger."""
    lines = "SELECT count(*) FROM stock_movements WHERE product_id = products.id"
    with psycopg.connect(database_url) as connection:
        found = connection.execute(f"SELECT id, stock_level, ({lines}) FROM products").fetchall()
    restocked = {product_id: (level, lines) for product_id, level, lines in found if product_id in traffic.acknowledged}
    assert restocked == {each: (count, count) for each, count in traffic.acknowledged.items()}
