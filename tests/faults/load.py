"""Customers of a stack's service: a few requests each second through the API server, some of which ask for a fault."""

from __future__ import annotations

import itertools
import threading
from collections import Counter
from typing import TYPE_CHECKING, Self

import requests
from tests.faults.misbehaviour import HEADER
from tests.framework.api import Api

if TYPE_CHECKING:
    from pathlib import Path

_THREADS = 4
_TIMEOUT = 10


class Load:
    """A context manager around the customers; they ask `rate` times a second together."""

    def __init__(self, kubeconfig: Path, path: str, rate: float) -> None:
        self._kubeconfig = kubeconfig
        self._path = path
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._run, daemon=True) for _ in range(_THREADS)]
        self._numbers = itertools.count()
        self._lock = threading.Lock()
        self.rate = rate
        #: The value of the header and how often it is sent: 5 is every fifth request.
        self.fault: tuple[str, int] | None = None
        self.answers: Counter[str] = Counter()

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def _run(self) -> None:
        api = Api(self._kubeconfig)
        while not self._stop.wait(_THREADS / self.rate):
            answer = self._ask(api, self._header(next(self._numbers)))
            with self._lock:
                self.answers[answer] += 1

    def _header(self, number: int) -> dict[str, str]:
        fault = self.fault
        return {HEADER: fault[0]} if fault and number % fault[1] == 0 else {}

    def _ask(self, api: Api, headers: dict[str, str]) -> str:
        try:
            url = f"{api.server}/{self._path}"
            return str(api._session.get(url, headers=headers, timeout=_TIMEOUT).status_code)
        except requests.RequestException as error:
            return type(error).__name__
