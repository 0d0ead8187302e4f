"""What is asked of the servers, round after round, each in its turn."""

from __future__ import annotations

import statistics
import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import requests
from bench.pressure.servers import BEFORE, PRODUCTS
from bench.service.load import run
from tests.framework.slow_clients import SlowClients

from devcluster import preflight

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from bench.pressure.servers import Running

SLOW: Final = 200
ADDRESSES: Final = (1, 50)
ROUTES: Final = {
    "GET /api/products/<id>": ("product", "/api/products/{}"),
    "GET /api/products?limit=50": ("get", "/api/products?limit=50"),
    "POST /api/products/<id>/restock": ("restock", "/api/products/{}/restock"),
}
_ASKED: Final = next(iter(ROUTES))
_CONNECTIONS: Final = 16
#: What a probe is waited for: the kubelet would have given up long before.
_PROBE_SECONDS: Final = 20.0
#: Until the slow clients are all there and have begun what they don't end.
_SETTLE_SECONDS: Final = 2.0


@dataclass(frozen=True, slots=True)
class Throughput:
    """Requests per second of a route, and their ratio to gthread's in the same round: medians."""

    server: str
    route: str
    per_second: float
    ratio: float


@dataclass(frozen=True, slots=True)
class Pressure:
    """What one server does beside slow clients: medians over the rounds, the longest probe, the most memory."""

    server: str
    addresses: int
    alone_p99_ms: float
    #: None where half of the rounds or more saw no answer.
    beside_p99_ms: float | None
    answered: float
    failed: int
    longest_probe_ms: float
    memory_mib: float


@dataclass(frozen=True, slots=True)
class Endurance:
    """Our server under pressure for some minutes."""

    minutes: float
    probes: int
    failed_probes: int
    longest_probe_ms: float
    memory_mib: float


class _Probing(threading.Thread):
    """Asks for /livez every tenth of a second."""

    def __init__(self, server: Running) -> None:
        super().__init__(daemon=True)
        self._server = server
        self._ended = threading.Event()
        self.milliseconds: list[float] = []
        self.failed = 0
        self.memory_mib = 0.0

    def run(self) -> None:
        """Ask until told to end."""
        while not self._ended.wait(0.1):
            began = time.perf_counter()
            try:
                requests.get(f"http://127.0.0.1:{self._server.probe_port}/livez", timeout=_PROBE_SECONDS)
            except requests.RequestException:
                self.failed += 1
            self.milliseconds.append((time.perf_counter() - began) * 1000)
            self.memory_mib = max(self.memory_mib, self._server.memory_mib())

    def end(self) -> None:
        """Ask no more."""
        self._ended.set()
        self.join()


def throughput(running: Mapping[str, Running], rounds: int, seconds: int) -> Sequence[Throughput]:
    """Return what each server does of each route when nobody is slow."""
    preflight.require_packages({"wrk": "wrk"})
    found: dict[tuple[str, str], list[float]] = {}
    for _ in range(rounds):
        for route, asked in ROUTES.items():
            for name, server in running.items():
                loaded = run(server.url, asked, PRODUCTS, connections=_CONNECTIONS, seconds=seconds)
                found.setdefault((name, route), []).append(loaded.per_second)
    return [
        Throughput(
            name,
            route,
            statistics.median(numbers),
            statistics.median(
                mine / other for mine, other in zip(numbers, found.get((BEFORE, route), numbers), strict=True)
            ),
        )
        for (name, route), numbers in found.items()
    ]


def pressure(running: Mapping[str, Running], rounds: int, seconds: int) -> Sequence[Pressure]:
    """Return what each server does beside slow clients, and without them, in pairs."""
    asked = ROUTES[_ASKED]
    found = []
    for addresses in ADDRESSES:
        pairs: dict[str, list[tuple[float, float, float, int]]] = {name: [] for name in running}
        probes: dict[str, list[_Probing]] = {name: [] for name in running}
        for _ in range(rounds):
            for name, server in running.items():
                alone = run(server.url, asked, PRODUCTS, connections=_CONNECTIONS, seconds=seconds)
                with SlowClients(server.port, SLOW, addresses):
                    time.sleep(_SETTLE_SECONDS)
                    probing = _Probing(server)
                    probing.start()
                    beside = run(server.url, asked, PRODUCTS, connections=_CONNECTIONS, seconds=seconds)
                    probing.end()
                pairs[name].append((alone.p99_ms, beside.p99_ms, beside.per_second, beside.failed))
                probes[name].append(probing)
        for name, numbers in pairs.items():
            alone_ms, beside_ms, per_second, failed = zip(*numbers, strict=True)
            found.append(
                Pressure(
                    name,
                    addresses,
                    statistics.median(alone_ms),
                    statistics.median(beside_ms) if statistics.median(per_second) else None,
                    statistics.median(per_second),
                    sum(failed),
                    max(ms for each in probes[name] for ms in each.milliseconds),
                    max(each.memory_mib for each in probes[name]),
                )
            )
    return found


def endurance(server: Running, minutes: float) -> Endurance:
    """Hold one server under pressure, and a client with few requests beside it, for some minutes."""
    probing = _Probing(server)
    with SlowClients(server.port, SLOW, ADDRESSES[-1]):
        probing.start()
        until = time.monotonic() + minutes * 60
        while time.monotonic() < until:
            requests.post(f"{server.url}/api/products/1/restock", json={"quantity": 1}, timeout=60).raise_for_status()
            time.sleep(0.05)
        probing.end()
    return Endurance(minutes, len(probing.milliseconds), probing.failed, max(probing.milliseconds), probing.memory_mib)
