"""Some seconds of what a shop does to its inventory: looking, selling, restocking, new products, wrong links.

Time and rate are bounded; the address is one of this machine.
"""

from __future__ import annotations

import json
import random
import re
import subprocess
import time
import urllib.error
import urllib.request
from contextlib import contextmanager
from http import HTTPStatus
from tempfile import TemporaryFile
from typing import IO, TYPE_CHECKING, Any

from devcluster.build.binaries import binary
from devcluster.errors import ClusterError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_PAUSE = 0.05
_TIMEOUT = 10
_MISSING = 999_999
_NEW = (("DEMO-LAMP", "Desk lamp", 12), ("DEMO-CHAIR", "Office chair", 4), ("DEMO-MUG", "Mug", 0))


@contextmanager
def forwarded(kubeconfig: Path, namespace: str, service: str, port: int) -> Iterator[str]:
    """Forward a free port of this machine to a Service and yield its address."""
    kubectl = [str(binary("kubectl")), f"--kubeconfig={kubeconfig}", "-n", namespace]
    words = [*kubectl, "port-forward", f"svc/{service}", f":{port}"]
    # Into a file: kubectl writes a line for each connection, and blocks when a pipe is full.
    with TemporaryFile("a+") as said, subprocess.Popen(words, stdout=said, stderr=said) as process:
        try:
            yield f"http://127.0.0.1:{_port(service, process, said)}"
        finally:
            process.terminate()


def _port(service: str, process: subprocess.Popen[bytes], said: IO[str]) -> int:
    """Return the port that kubectl chose, once it says so."""
    while True:
        ended = process.poll() is not None
        said.seek(0)
        text = said.read()
        if found := re.search(r"127\.0\.0\.1:(\d+) ->", text):
            return int(found[1])
        if ended:
            raise ClusterError(f"port-forward to {service} failed: {text.strip()}")
        time.sleep(_PAUSE)


def send(address: str, seconds: float) -> dict[int, int]:
    """Send requests to the inventory service at `address` for `seconds`; return how many got which status."""
    dice = random.Random(0)  # noqa: S311 - variety, not secrecy
    answers: dict[int, int] = {}
    deadline = time.monotonic() + seconds
    for sku, name, stock in _NEW:  # refused as duplicates when the demo ran before
        product = {"sku": sku, "name": name, "stock_level": stock, "price": 9.5}
        _count(answers, _ask(address, "POST", "/api/products", product))
    while time.monotonic() < deadline:
        status, body = _ask(address, "GET", "/api/products")
        _count(answers, (status, body))
        products = body.get("products", [])
        if products:
            _count(answers, _act(address, dice, dice.choice(products)))
        time.sleep(_PAUSE)
    return answers


def _act(address: str, dice: random.Random, product: dict[str, Any]) -> tuple[int, dict[str, Any]]:
    """Do one thing with `product`: mostly look, often sell, restock what is low, sometimes follow a wrong link."""
    path = f"/api/products/{product['id']}"
    what = dice.random()
    if product["is_low_stock"] and what < 0.3:  # noqa: PLR2004 - the shares of a shop's day
        return _ask(address, "POST", f"{path}/restock", {"quantity": dice.randint(5, 25), "notes": "demo"})
    if product["stock_level"] > 0 and what < 0.6:  # noqa: PLR2004
        return _ask(address, "PUT", path, {"stock_level": product["stock_level"] - 1})
    if what > 0.95:  # noqa: PLR2004
        return _ask(address, "GET", f"/api/products/{_MISSING}")
    return _ask(address, "GET", path)


def _count(answers: dict[int, int], answer: tuple[int, dict[str, Any]]) -> None:
    answers[answer[0]] = answers.get(answer[0], 0) + 1


def _ask(address: str, method: str, path: str, body: dict[str, Any] | None = None) -> tuple[int, dict[str, Any]]:
    """Return the status and the JSON body; a refusal is an answer, too."""
    data = json.dumps(body).encode() if body is not None else None
    request = urllib.request.Request(  # noqa: S310 - always http to this machine
        address + path, data=data, method=method, headers={"Content-Type": "application/json"}
    )
    try:
        with urllib.request.urlopen(request, timeout=_TIMEOUT) as response:  # noqa: S310
            return response.status, json.load(response)
    except urllib.error.HTTPError as refusal:
        with refusal:
            return refusal.code, {}
    except OSError:
        return HTTPStatus.SERVICE_UNAVAILABLE, {}
