"""The listener of the probes: alive for as long as the server gets anywhere, and no longer."""

from __future__ import annotations

import contextlib
import socket
import threading
import time

import pytest
import requests
from tests.framework.server import DEADLINE

from inventory_service.server import probes
from inventory_service.server.connections import Connections
from inventory_service.server.server import Server


class Held:
    """A server whose application answers when it is let, and its probes."""

    def __init__(self, threads):
        self.let, self.ready = threading.Event(), None
        listeners = [socket.create_server(("127.0.0.1", 0)) for _ in range(2)]
        self.url, self.probes = (f"http://127.0.0.1:{each.getsockname()[1]}" for each in listeners)
        self.connections = Connections(lambda _: 1024, lambda *_: False)
        self.server = Server(self.answer, listeners[:1], threads, self.connections)
        probes.start(listeners[1], self.server, lambda: self.ready)
        self.loop = threading.Thread(target=self.server.run, daemon=True)
        self.loop.start()

    def answer(self, _environ, start_response):
        assert self.let.wait(DEADLINE)
        start_response("200 OK", [("Content-Length", "2")])
        return [b"ok"]

    def ask(self):
        return requests.get(self.url, timeout=DEADLINE).text

    def probe(self, path):
        return requests.get(self.probes + path, timeout=DEADLINE)

    def wait_for(self, path, status):
        until = time.monotonic() + DEADLINE
        while (answer := self.probe(path)).status_code != status:
            assert time.monotonic() < until, answer.text
            time.sleep(0.02)
        return answer.json()


@pytest.fixture
def held(monkeypatch):
    monkeypatch.setattr(probes, "_LOOP_SECONDS", DEADLINE)  # this process may stand still, too
    server = Held(threads=2)
    yield server
    server.let.set()
    server.server.end(0.0)
    server.loop.join(DEADLINE)
    assert not server.loop.is_alive()


@contextlib.contextmanager
def asking(held, count):
    clients = [threading.Thread(target=held.ask) for _ in range(count)]
    for client in clients:
        client.start()
    yield
    held.let.set()
    for client in clients:
        client.join()


def test_all_threads_at_the_same_requests_for_long_are_dead(held, monkeypatch):
    monkeypatch.setattr(probes, "STANDSTILL_SECONDS", 0.2)
    assert held.probe("/livez").json() == {"status": "ok"}
    with asking(held, 2):
        assert held.wait_for("/livez", 503)["error"].startswith("All 2 threads have been at the same requests for ")
    held.wait_for("/livez", 200)


def test_one_free_thread_is_life(held, monkeypatch):
    monkeypatch.setattr(probes, "STANDSTILL_SECONDS", 0.0)
    with asking(held, 1):
        until = time.monotonic() + 1
        while time.monotonic() < until:
            assert held.probe("/livez").status_code == 200


def test_a_loop_that_stands_still_is_dead(held, monkeypatch):
    monkeypatch.setattr(probes, "_LOOP_SECONDS", 0.2)
    held.wait_for("/livez", 200)
    go_on = threading.Event()
    monkeypatch.setattr(held.connections, "close_overdue", lambda: go_on.wait(DEADLINE))
    assert held.wait_for("/livez", 503)["error"].startswith("The server's loop has stood still for ")
    go_on.set()
    monkeypatch.undo()
    monkeypatch.setattr(probes, "_LOOP_SECONDS", DEADLINE)
    held.wait_for("/livez", 200)


def test_readiness_is_what_was_found_out(held):
    held.wait_for("/readyz", 200)
    held.ready = "The database is read-only."
    assert held.wait_for("/readyz", 503) == {"error": "The database is read-only."}
