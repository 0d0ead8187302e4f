"""Fills a Prometheus with the history that a stack would have after days, for everything that a dashboard shows.

It never invents a series: each one is a series of the running stack, and only its numbers are made up.
"""

from __future__ import annotations

import json
import math
import re
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from tests.framework.rendered import ROOT

from dashboards.preview import board
from devcluster.build.binaries import binary
from devcluster.shell import run

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from bench.monitoring.lab import Prometheus
    from numpy.typing import NDArray

BOARDS: Final = ROOT / "templates/grafana/config/reload"
#: Prometheus' own blocks: promtool makes one of each.
_BLOCK: Final = 7200
_DAY: Final = 86400.0
_METRIC = re.compile(r"[a-zA-Z_:][a-zA-Z0-9_:]*")
_COUNTERS: Final = ("_total", "_bucket", "_count", "_sum")


@dataclass(frozen=True, slots=True)
class History:
    """What was filled in, and how long it took."""

    hours: int
    step: int
    series: int
    samples: int
    seconds: float


def boards() -> list[board.Board]:
    """Return every dashboard."""
    return [board.read(file) for file in sorted(BOARDS.glob("*.json"))]


def shown(prometheus: Prometheus) -> list[dict[str, str]]:
    """Return every series of a running stack that a panel of a dashboard or a rule could ask for."""
    asked = " ".join(target.expr for one in boards() for panel in one.panels for target in panel.targets)
    rules = prometheus.get("rules")["groups"]
    asked += " ".join(rule["query"] for group in rules for rule in group["rules"])
    names = sorted(set(_METRIC.findall(asked)) & set(prometheus.get("label/__name__/values")))
    found: list[dict[str, str]] = prometheus.get("series", **{"match[]": f'{{__name__=~"{"|".join(names)}"}}'})
    return sorted(found, key=lambda labels: labels["__name__"])


def fill(folder: Path, series: Sequence[dict[str, str]], hours: int, step: int) -> History:
    """Write blocks with `hours` of history until now into `folder`/data, one value of each series every `step` s."""
    began = time.monotonic()
    end = int(time.time()) // step * step
    oldest = end - hours * 3600
    prepared = [_Made(labels, seed) for seed, labels in enumerate(series)]
    samples, pending = 0, None
    with ThreadPoolExecutor(1) as second:  # promtool reads one block while the next is written
        for number, begin in enumerate(range(oldest // _BLOCK * _BLOCK, end, _BLOCK)):
            times = np.arange(max(begin, oldest), min(begin + _BLOCK, end), step)
            file = folder / f"history-{number % 2}.txt"
            _write(file, prepared, times)
            if pending is not None:
                pending.result()
            pending = second.submit(_block, file, folder / "data")
            samples += len(times) * len(prepared)
            _say(f"\rhistory: {number * _BLOCK // 3600} of {hours} h ")
        if pending is not None:
            pending.result()
    _say("\n")
    return History(hours, step, len(prepared), samples, time.monotonic() - began)


def _write(file: Path, prepared: Sequence[_Made], times: NDArray[Any]) -> None:
    stamps = [f" {at}\n" for at in times]
    with file.open("w", encoding="utf-8") as text:
        for one in prepared:
            text.write("".join(one.lines(times, stamps)))
        text.write("# EOF\n")


def _block(file: Path, data: Path) -> None:
    run([binary("promtool"), "tsdb", "create-blocks-from", "-q", "openmetrics", file, data])
    file.unlink()


class _Made:
    """One series with numbers like those of a shop: more by day than by night, counters that only rise."""

    def __init__(self, labels: Mapping[str, str], seed: int) -> None:
        name = labels["__name__"]
        inner = ",".join(f"{key}={json.dumps(value)}" for key, value in labels.items() if key != "__name__")
        self._prefix = f"{name}{{{inner}}} "
        self._seed = seed
        self._counter = name.endswith(_COUNTERS)
        self._still = (
            name.startswith(("inventory:container", "inventory:prometheus", "inventory:slo_obj")) or name == "up"
        )
        #: Most routes of the service are hardly ever used; a bucket counts all that were faster.
        self._speed = _share(labels) * (0.05 + seed % 7)

    def lines(self, times: NDArray[Any], stamps: Sequence[str]) -> Iterator[str]:
        """Yield a line for each time."""
        if self._still or (self._counter and not self._speed):
            yield from (f"{self._prefix}1{stamp}" for stamp in stamps)
            return
        values = self._values(times)
        yield from (f"{self._prefix}{value}{stamp}" for value, stamp in zip(values, stamps, strict=True))

    def _values(self, times: NDArray[Any]) -> list[Any]:
        day = 2 * math.pi * times / _DAY
        if self._counter:
            # The integral of a rate that swings by the day; zero some 230 days ago.
            grown = self._speed * ((times - 1.74e9) - 0.6 * _DAY / (2 * math.pi) * np.cos(day))
            return list(grown.astype(np.int64).tolist())
        noise = np.sin(times / 571.0 + self._seed) + np.sin(times / 97.0 * (1 + self._seed % 5))
        return list(np.round(50 + 20 * np.sin(day) + 5 * noise, 3).tolist())


def _share(labels: Mapping[str, str]) -> float:
    if "endpoint" in labels:
        busy = labels["endpoint"] in {"/api/products", "/api/products/<int:product_id>", "/metrics", "/readyz"}
        share = 1.0 if busy and labels.get("method") == "GET" else 0.0 if labels.get("method") == "OTHER" else 0.01
        return share * (min(float(labels["le"]), 1.0) ** 0.1 if "le" in labels else 1.0)
    return 1.0


def _say(text: str) -> None:
    sys.stderr.write(text)
    sys.stderr.flush()
