"""Requests per second of each route, by wrk against the real server, on SQLite and on PostgreSQL.

It never loads anything but a server of its own on this machine, and that for a few seconds.
"""

from __future__ import annotations

import json
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from bench.service.stock import DATABASES, fill
from tests.framework.server import serving

from devcluster import preflight

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

_SCRIPT: Final = Path(__file__).with_name("load.lua")
PRODUCTS: Final = 1000
CONNECTIONS: Final = 16

#: What is asked -> (what the script makes of it, path). Reads come first: the writes change what they read.
ROUTES: Final = {
    "GET /api/products/<id>": ("product", "/api/products/{}"),
    "GET /api/products?limit=50": ("get", "/api/products?limit=50"),
    "GET /api/products (all 1,000)": ("get", "/api/products"),
    "GET /api/products/analytics": ("get", "/api/products/analytics"),
    "GET /metrics": ("get", "/metrics"),
    "POST /api/products/<id>/restock": ("restock", "/api/products/{}/restock"),
    "POST /api/products/<id>/adjust": ("adjust", "/api/products/{}/adjust"),
    "POST /api/products": ("create", "/api/products"),
}


@dataclass(frozen=True, slots=True)
class Load:
    """What one route did on one database; latencies in milliseconds, as the clients saw them."""

    route: str
    database: str
    per_second: float
    median_ms: float
    p99_ms: float
    failed: int


def measure(folder: Path, new: Callable[[str], str], seconds: int) -> Sequence[Load]:
    """Return what each route did on each database."""
    preflight.require_packages({"wrk": "wrk"})
    found = []
    for database in DATABASES:
        url = new(database)
        fill(url, PRODUCTS)
        with serving(folder / f"load-{database}.log", DATABASE_URL=url, AUDIT_SECONDS="0") as server:
            found += [_load(server.url, route, database, seconds) for route in ROUTES]
    return found


def _load(url: str, route: str, database: str, seconds: int) -> Load:
    found = run(url, ROUTES[route], PRODUCTS, connections=CONNECTIONS, seconds=seconds)
    return Load(route, database, found.per_second, found.median_ms, found.p99_ms, found.failed)


@dataclass(frozen=True, slots=True)
class Run:
    """What wrk saw in one run; latencies in milliseconds."""

    per_second: float
    median_ms: float
    p99_ms: float
    failed: int


def run(url: str, asked: tuple[str, str], products: int, *, connections: int, seconds: int) -> Run:
    """Ask one thing, a kind that load.lua knows and a path, for so many seconds."""
    # One thread: wrk needs little, and the two cores are the server's and the database's as well.
    options = ["-t1", f"-c{connections}", f"-d{seconds}s", "--timeout", "20s", "-s", str(_SCRIPT)]
    words = ["wrk", *options, url, "--", *asked, str(products)]
    done = subprocess.run(words, capture_output=True, text=True, check=True, timeout=seconds + 60)
    result = json.loads(done.stdout.splitlines()[-1])
    return Run(
        result["requests"] / (result["duration_us"] / 1e6),
        result["p50_us"] / 1000,
        result["p99_us"] / 1000,
        result["failed"],
    )
