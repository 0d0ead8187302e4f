"""The longest that a restock waits beside an import of 20,000 rows, on SQLite and on PostgreSQL.

One client restocks a product of the file without a pause, and another one a product that is not in it.
"""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import requests
from bench.service.stock import DATABASES, fill
from tests.framework.server import DEADLINE, serving

from inventory_service.importexport.rows import MAX_ROWS

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from tests.framework.server import Server

#: What the file does -> which of the stocks it sets. The first product of `fill` is in no file.
_FILES: Final = {"creates all": 1, "changes all": 2, "changes none": 2}


@dataclass(frozen=True, slots=True)
class Import:
    """One import, and the longest answer to a restock beside it; `failed` restocks were answered something else."""

    database: str
    what: str
    seconds: float
    longest_ms: float
    failed: int


def measure(folder: Path, new: Callable[[str], str]) -> Sequence[Import]:
    """Return what was waited for on each database."""
    found = []
    for database in DATABASES:
        url = new(database)
        fill(url, 1)
        with serving(folder / f"import-{database}.log", DATABASE_URL=url, AUDIT_SECONDS="0") as server:
            found += [_import(server, database, what, stock) for what, stock in _FILES.items()]
    return found


def _import(server: Server, database: str, what: str, stock: int) -> Import:
    text = "sku,name,description,stock_level,price\n" + "".join(
        f"NEW-{number},Product number {number},{'d' * 100} {stock},{stock},{stock}.99\n" for number in range(MAX_ROWS)
    )
    path, over = f"{server.url}/api/import/products", threading.Event()
    with ThreadPoolExecutor(2) as people:
        # Product 2 is the first one of the file, once there is one.
        waiting = [people.submit(_restock, server, product, over) for product in ((1,) if stock == 1 else (1, 2))]
        began = time.perf_counter()
        try:
            answer = requests.post(path, text.encode(), headers={"Content-Type": "text/csv"}, timeout=DEADLINE)
            seconds = time.perf_counter() - began
            answer.raise_for_status()
        finally:
            over.set()
        answers = [each for person in waiting for each in person.result(DEADLINE)]
    longest = max(seconds for seconds, _ in answers)
    return Import(database, what, seconds, longest * 1000, sum(status != requests.codes.ok for _, status in answers))


def _restock(server: Server, product: int, over: threading.Event) -> Sequence[tuple[float, int]]:
    path, answers = f"{server.url}/api/products/{product}/restock", []
    with requests.Session() as session:
        while not over.is_set():
            began = time.perf_counter()
            status = session.post(path, json={"quantity": 1}, timeout=DEADLINE).status_code
            answers.append((time.perf_counter() - began, status))
    return answers
