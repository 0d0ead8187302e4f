"""Runs in a pod: reads and restocks at a bounded rate until /tmp/stop is there, then prints the results as JSON.

It goes on beyond that until REQUESTS were answered, however slow the machine is.

Standard library only. A request without an answer, or with another one than 200, is counted as failed.
"""

from __future__ import annotations

import http.client
import itertools
import json
import os
import random
import sys
import threading
import time
import uuid
from pathlib import Path

HOST, PORT = os.environ["TARGET"].split(":")
PRODUCTS = json.loads(os.environ["PRODUCTS"])
THREADS = int(os.environ["THREADS"])
#: Seconds between two requests of one thread.
PAUSE = float(os.environ["PAUSE"])
#: The pause of the clients that ask seldom: shorter than a server that was told to stop keeps their connections.
SELDOM = 3.0
#: What a connection proves that its client left alone for longer, because the machine gave it no time: nothing. The
#: server may have closed it meanwhile, and the request is sent again (RFC 9112, 9.3.1). Shorter than a service that was
#: told to stop keeps connections: for DRAIN_SECONDS (10 s in a stack), and new ones for 5 s more.
STALE = 4.0
#: Whether a request that failed is sent again, with the same key, until it is answered.
INSIST = os.environ["INSIST"] == "true"
#: Seconds for which a request is sent again; then it is a failure that the test names. Only what hangs reaches them.
PATIENCE = 300.0
#: Where requests are sent again: soon, or it is the client's own patience that is measured.
TIMEOUT = 1 if INSIST else 60
STOP = Path("/tmp/stop")
REQUESTS = int(os.environ["REQUESTS"])


class Client(threading.Thread):
    """One who asks: on a new connection each time, on one that is kept, or on one that is kept and seldom used."""

    def __init__(self, number: int) -> None:
        super().__init__()
        self.keeps = number % 2 == 0
        self.pause = SELDOM if number % 4 == 0 else PAUSE
        self.chance = random.Random(number)
        self.connection = http.client.HTTPConnection(HOST, int(PORT), timeout=TIMEOUT)
        #: When its last request was begun. The server counts from its answer, which is later.
        self.used = 0.0
        self.answered = 0
        self.failures: list[str] = []
        self.acknowledged = dict.fromkeys(map(str, PRODUCTS), 0)
        self.times: list[float] = []
        self.unanswered: list[str] = []

    def run(self) -> None:
        while not (STOP.exists() and answered() > REQUESTS):
            product, quantity = self.chance.choice(PRODUCTS), self.chance.randint(1, 5)
            wish = self.chance.choice(["list", "look", "restock"])
            if wish == "list":
                self.insist("GET", "/api/products", None)
            elif wish == "look":
                self.insist("GET", f"/api/products/{product}", None)
            elif self.insist("POST", f"/api/products/{product}/restock", {"quantity": quantity}):
                self.acknowledged[str(product)] += quantity
            time.sleep(self.pause)

    def insist(self, method: str, path: str, body: dict | None) -> bool:
        key = str(uuid.uuid4())
        until = time.monotonic() + PATIENCE
        while not self.ask(method, path, body, key):
            if not INSIST:
                return False
            if time.monotonic() > until:
                self.unanswered.append(self.failures[-1])
                return False
            time.sleep(0.05)
        return True

    def ask(self, method: str, path: str, body: dict | None, key: str) -> bool:
        headers = {"Content-Type": "application/json", "Idempotency-Key": key} if body else {}
        if not self.keeps:
            headers["Connection"] = "close"
        began = time.monotonic()
        since = self.used if self.connection.sock else began
        self.used, sent = began, None
        try:
            self.connection.request(method, path, body and json.dumps(body), headers)
            sent = time.monotonic()
            answer = self.connection.getresponse()
            text = answer.read()
        except (OSError, http.client.HTTPException) as error:
            self.connection.close()
            if (sent or time.monotonic()) - since > STALE:
                return self.ask(method, path, body, key)
            self.failed(f"{method} {path} {'kept' if self.keeps else 'new'} connection: {type(error).__name__} {error}")
            return False
        if answer.status != 200:
            self.failed(f"{method} {path}: {answer.status} {text[:200].decode()}")
            return False
        self.answered += 1
        self.times.append(time.monotonic())
        return True

    def failed(self, what: str) -> None:
        self.failures.append(f"{time.monotonic() - BEGAN:.2f} s: {what}")


BEGAN = time.monotonic()
CLIENTS = [Client(number) for number in range(THREADS)]


def answered() -> int:
    return sum(client.answered for client in CLIENTS)


def say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def main() -> None:
    for client in CLIENTS:
        client.start()
    while answered() < 20 * THREADS:
        time.sleep(0.1)
    say("under way")
    for client in CLIENTS:
        client.join()
    times = sorted(at for client in CLIENTS for at in client.times)
    failures = [failure for client in CLIENTS for failure in client.failures]
    result = {
        "answered": len(times),
        "rate": round(len(times) / (times[-1] - times[0])),
        "gap": round(max(after - before for before, after in itertools.pairwise(times)), 2),
        "failed": len(failures),
        "failures": failures[:20],
        "unanswered": [request for client in CLIENTS for request in client.unanswered],
        "acknowledged": {p: sum(c.acknowledged[p] for c in CLIENTS) for p in map(str, PRODUCTS)},
    }
    say(json.dumps(result))


main()
