"""Clients that keep the server waiting: they are given up, and nobody else notices them."""

from __future__ import annotations

import logging
import re
import socket
import threading
import time

import psutil
import pytest
import requests
from tests.framework.api import eventually
from tests.framework.server import DEADLINE, serving
from tests.framework.slow_clients import KINDS, SlowClients

from inventory_service.server import limits

pytestmark = pytest.mark.xdist_group("slow-clients")

log = logging.getLogger(__name__)
#: The memory limit of the service's container, if a stack says nothing else.
MEMORY_BYTES = 256 * 2**20
SECONDS = 15


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    folder = tmp_path_factory.mktemp("slow")
    with serving(folder / "log", DATABASE_URL=str(folder / "inventory.db"), AUDIT_SECONDS="0") as server:
        # Enough for an answer that no socket holds.
        rows = "".join(f"SKU-{number},Product {number},50\n" for number in range(2000))
        answer = requests.post(
            f"{server.url}/api/import/products",
            data=f"sku,name,stock_level\n{rows}",
            headers={"Content-Type": "text/csv"},
            timeout=DEADLINE,
        )
        assert answer.json()["created"] == 2000
        yield server


def everything(client):
    """Return what the server sends until it closes the connection."""
    return b"".join(iter(lambda: client.recv(65536), b""))


class Asking(threading.Thread):
    """Asks again and again, and keeps what went wrong and how long the longest answer took."""

    def __init__(self, ask):
        super().__init__(daemon=True)
        self.ask, self.failures, self.longest, self.answered = ask, [], 0.0, 0
        self.ended = threading.Event()

    def run(self):
        while not self.ended.wait(0.05):
            began = time.monotonic()
            try:
                self.ask()
                self.answered += 1
            except (requests.RequestException, AssertionError) as error:
                self.failures.append(error)
            self.longest = max(self.longest, time.monotonic() - began)


@pytest.mark.parametrize("addresses", [1, 50])
def test_two_hundred_slow_clients_disturb_nobody(server, addresses):
    session = requests.Session()

    def probe():
        for path in ("livez", "readyz"):
            url = f"http://127.0.0.1:{server.probe_port}/{path}"
            assert requests.get(url, timeout=DEADLINE).status_code == 200

    def read():
        assert requests.get(f"{server.url}/api/products?limit=5", timeout=DEADLINE).status_code == 200

    def restock():
        url = f"{server.url}/api/products/1/restock"
        assert session.post(url, json={"quantity": 1}, timeout=DEADLINE).status_code == 200

    askers = [Asking(probe), Asking(read), Asking(restock)]
    stock = server.get("/api/products/1").json()["product"]["stock_level"]
    with SlowClients(server.port, 200, addresses) as slow:
        for asker in askers:
            asker.start()
        began = time.monotonic()
        most = 0
        # Those that began a request and do not go on are given up, and try again.
        while time.monotonic() < began + SECONDS or not slow.closed.get("half a head"):
            assert time.monotonic() < began + DEADLINE
            most = max(most, psutil.Process(server.process.pid).memory_info().rss)
            time.sleep(0.2)
        for asker in askers:
            asker.ended.set()
            asker.join()
        assert slow.turns() > 0
        assert slow.refused == 0
    log.info("longest: %s, memory: %s MiB", [round(asker.longest, 2) for asker in askers], most // 2**20)
    assert [asker.failures for asker in askers] == [[], [], []]
    assert all(asker.answered for asker in askers)
    assert most < MEMORY_BYTES
    assert server.get("/api/products/1").json()["product"]["stock_level"] == stock + askers[2].answered


def test_more_connections_than_there_may_be(server):
    """Whoever is new gets in: those go that have kept us waiting longest."""
    with SlowClients(server.port, limits.CONNECTIONS + 100, 50, kinds=("idle",)) as slow:
        until = time.monotonic() + DEADLINE
        while "idle" not in slow.closed and time.monotonic() < until:
            assert server.get("/api/products/1").status_code == 200
        assert slow.closed["idle"] > 0
        assert requests.get(f"http://127.0.0.1:{server.probe_port}/livez", timeout=DEADLINE).status_code == 200


def test_one_address_has_a_share_and_a_proxy_has_all(server):
    """Two hundred clients through the ingress have one address, and none of them is refused."""
    with SlowClients(server.port, limits.CONNECTIONS_OF_A_PEER + 20, kinds=("idle",)) as slow:
        until = time.monotonic() + DEADLINE
        while "idle" not in slow.closed and time.monotonic() < until:
            time.sleep(0.1)
        assert slow.closed["idle"] > 0
    with SlowClients(server.ingress_port, 200, kinds=("idle",)) as slow:
        until = time.monotonic() + DEADLINE
        while slow.turns() < 3 and time.monotonic() < until:
            time.sleep(0.1)
        assert slow.closed == {}


@pytest.mark.parametrize("kind", ["half a body", "half a chunk", "half a file"])
def test_a_body_that_is_not_whole_changes_nothing(server, kind):
    before = server.get("/api/products?limit=1").json()["total_count"]
    first, _ = KINDS[kind]
    with socket.create_connection(("127.0.0.1", server.port), timeout=DEADLINE) as client:
        client.sendall(first)
        client.shutdown(socket.SHUT_WR)
        assert client.recv(1000) == b""
    assert server.get("/api/products?limit=1").json()["total_count"] == before


@pytest.mark.parametrize("path", ["/api/products/1/restock", "/products/1/restock", "/api/import/products"])
@pytest.mark.parametrize(
    "framing",
    [
        b"Content-Length: 30\r\n\r\n%b",
        b"Transfer-Encoding: chunked\r\n\r\n%x\r\n%b\r\n",
        b"Transfer-Encoding: chunked\r\n\r\n%x\r\n%b\r\n0\r\n",
        b"Transfer-Encoding: chunked\r\n\r\n%x\r\n%b\r\n0\r\nX-Trailer: half",
    ],
)
def test_whatever_the_form_of_a_body_its_end_must_have_come(server, path, framing):
    """Everything that is asked for is there, but not the end of the body: nothing is booked."""
    stock = server.get("/api/products/1").json()["product"]["stock_level"]
    body = {"/api/products/1/restock": b'{"quantity": 1}', "/products/1/restock": b"quantity=1&form_key=k"}.get(
        path, b"sku,name\nNEW-1,New\n"
    )
    kind = (
        b"text/csv"
        if "import" in path
        else b"application/x-www-form-urlencoded"
        if "/api" not in path
        else b"application/json"
    )
    values = (len(body), body) if framing.count(b"%") == 2 else (body,)
    head = b"POST %b HTTP/1.1\r\nHost: x\r\nContent-Type: %b\r\n" % (path.encode(), kind)
    with socket.create_connection(("127.0.0.1", server.port), timeout=DEADLINE) as client:
        client.sendall(head + framing % values)
        client.shutdown(socket.SHUT_WR)
        assert client.recv(1000) == b""
    assert server.get("/api/products/1").json()["product"]["stock_level"] == stock
    assert server.get("/api/products?q=NEW-1").json()["products"] == []


@pytest.mark.parametrize("chunk", [b"zz\r\n", b"-5\r\n", b"1\r\n{x\r\n", b"1;=\r\n{\r\n", b"\xff\r\n"])
def test_malformed_chunks_are_a_bad_request(server, chunk):
    """A 400, no traceback in the log, and no 5xx in the metrics."""
    with socket.create_connection(("127.0.0.1", server.port), timeout=DEADLINE) as client:
        client.sendall(b"POST /api/products HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n" + chunk)
        answer = everything(client)
    assert answer.startswith(b"HTTP/1.1 400 Bad Request\r\n")
    assert b"\r\nConnection: close\r\n" in answer
    assert "Traceback" not in server.log.read_text()
    asked = [line for line in server.get("/metrics").text.splitlines() if 'endpoint="/api/products",method="P' in line]
    assert [line for line in asked if 'status="5' in line and not line.endswith(" 0.0")] == []


def test_a_client_that_still_sends_gets_its_refusal(server):
    """The whole answer arrives, though the server reads no more of the body: it doesn't reset the connection."""

    def send():
        began = time.monotonic()
        with socket.create_connection(("127.0.0.1", server.port), timeout=DEADLINE) as client:
            try:
                client.sendall(b"POST /api/products HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % (20 * 2**20))
                for _ in range(64):
                    client.sendall(b"x" * 16384)
                return everything(client)
            except ConnectionError:
                # The server reads on for a while; this client stood still for longer.
                assert time.monotonic() - began > limits.LINGER_SECONDS
                return None

    answer = eventually(send, "a client that sends in time")
    assert answer.startswith(b"HTTP/1.1 413 ")
    assert b"larger than this service takes" in answer


def test_requests_in_one_packet_are_answered_in_their_order(server):
    with socket.create_connection(("127.0.0.1", server.port), timeout=DEADLINE) as client:
        asked = [b"GET /api/products/%d HTTP/1.1\r\nHost: x\r\n" % number for number in (3, 1, 2)]
        client.sendall(b"\r\n".join(asked) + b"Connection: close\r\n\r\n")
        assert re.findall(rb'"product":{"id":(\d)', everything(client)) == [b"3", b"1", b"2"]
