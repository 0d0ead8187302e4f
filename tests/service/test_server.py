"""The service as a pod runs it: two ports, readiness that tells the truth, an orderly end, a log without secrets."""

from __future__ import annotations

import contextlib
import http.client
import json
import signal
import socket
import tempfile
import threading
import time
from pathlib import Path

import pytest
import requests
from tests.framework.api import eventually
from tests.framework.postgresql import PASSWORD
from tests.framework.server import DEADLINE, Server, serving

from inventory_service.server import server as http_server

pytestmark = pytest.mark.xdist_group("one-server")


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    """A server that no test ends."""
    folder = tmp_path_factory.mktemp("server")
    with serving(folder / "log", DATABASE_URL=str(folder / "inventory.db"), LOAD_SAMPLE_DATA="true") as server:
        yield server


@pytest.fixture
def ending(request, tmp_path):
    """A ready server that is told to end; the parameter is its DRAIN_SECONDS."""
    database = tmp_path / "inventory.db"
    environment = {"DATABASE_URL": str(database), "LOAD_SAMPLE_DATA": "true", "DRAIN_SECONDS": request.param}
    with serving(tmp_path / "log", **environment) as server:
        yield server


def drain_for(seconds):
    return pytest.mark.parametrize("ending", [seconds], indirect=True)


def test_the_ingress_port_serves_everything_but_the_metrics(server):
    inner, outer = server.url, f"http://127.0.0.1:{server.ingress_port}"
    assert requests.get(f"{inner}/metrics", timeout=DEADLINE).status_code == 200
    assert requests.get(f"{outer}/api/products", timeout=DEADLINE).json()["total_count"] == 10
    for headers in ({}, {"Host": f"127.0.0.1:{server.port}"}, {"X-Forwarded-Port": str(server.port)}):
        for path in ("/metrics", "//metrics", "/metrics?name[]=up", "/%6detrics", "/./metrics", "/metrics/"):
            answer = requests.get(outer + path, headers=headers, timeout=DEADLINE)
            assert answer.status_code == 404, path
            assert "# TYPE" not in answer.text


def test_a_connection_is_kept_and_one_with_a_refused_body_stays_usable(server):
    with requests.Session() as session:
        for _ in range(2):
            assert session.post(f"{server.url}/api/products", data=b"x" * 100_000, timeout=DEADLINE).status_code == 413
            assert session.post(f"{server.url}/nowhere", data=b"x" * 1000, timeout=DEADLINE).status_code == 404
            assert session.get(f"{server.url}/api/health", timeout=DEADLINE).status_code == 200

        def chunks():
            yield b'{"name": "Chunked", '
            yield b'"sku": "chunked"}'

        assert session.post(f"{server.url}/api/products", data=chunks(), timeout=DEADLINE).status_code == 201
        endless = (b"x" * 10_000 for _ in range(20))
        assert session.post(f"{server.url}/api/products", data=endless, timeout=DEADLINE).status_code == 413


def test_the_log_is_json_with_one_line_for_a_request_and_no_secret(server):
    secret = "t0psecret"
    body = json.dumps({"name": secret, "sku": "abc", "price": -1})
    headers = {"Authorization": f"Bearer {secret}", "Cookie": f"session={secret}", "X-Request-ID": "the-one"}
    requests.post(f"{server.url}/api/products?token={secret}", data=body, headers=headers, timeout=DEADLINE)
    (line,) = [line for line in server.lines() if line.get("request_id") == "the-one"]
    expected = {"event": "request", "method": "POST", "path": "/api/products", "status": 400, "level": "info"}
    assert {field: line[field] for field in expected} == expected
    assert secret not in server.log.read_text()


@drain_for("300")
def test_it_serves_while_it_drains(ending):
    """After SIGTERM: not ready at once, still serving new connections, then an end without a lost request."""
    failures, answers = [], []
    done = threading.Event()

    def client():
        while not done.is_set():
            try:
                answers.append(ending.get("/api/products").status_code)
            except requests.RequestException as error:
                failures.append(error)

    clients = [threading.Thread(target=client) for _ in range(4)]
    for thread in clients:
        thread.start()
    ending.terminate()
    reason = ending.wait_for("/readyz", 503).json()["error"]
    before = len(answers)
    until = time.monotonic() + DEADLINE
    while len(answers) < before + 40 and not failures and time.monotonic() < until:
        assert ending.get("/livez").status_code == 200
    done.set()
    for thread in clients:
        thread.join()
    assert reason == "The service is shutting down."
    assert failures == []
    assert len(answers) >= before + 40
    assert set(answers) == {200}
    stop_draining(ending)


@drain_for("300")
def test_kept_connections_are_closed_while_it_drains(ending):
    """A client that reuses a connection at the moment when it is closed would lose its request."""
    with requests.Session() as kept:
        url = f"{ending.url}/api/products"
        assert "close" not in kept.get(url, timeout=DEADLINE).headers.get("Connection", "")
        ending.terminate()
        ending.wait_for("/readyz", 503)
        answer = kept.get(url, timeout=DEADLINE)
        assert (answer.status_code, answer.headers["Connection"]) == (200, "close")
    stop_draining(ending)


@drain_for("0.5")
def test_it_ends_when_it_has_drained(ending):
    ending.terminate()
    assert ending.process.wait(DEADLINE) == 0


@drain_for("0")
def test_who_connected_before_the_end_is_answered(ending):
    """A service that got no time to accept until after its end has clients who connected in time."""
    request = b"GET /api/products HTTP/1.1\r\nHost: x\r\n\r\n"
    ending.process.send_signal(signal.SIGSTOP)
    clients = [socket.create_connection(("127.0.0.1", ending.port), timeout=DEADLINE) for _ in range(20)]
    for client in clients:
        client.sendall(request)
    ending.terminate()
    ending.process.send_signal(signal.SIGCONT)
    assert [client.recv(4096)[:12] for client in clients] == [b"HTTP/1.1 200"] * 20
    for client in clients:
        client.close()
    assert ending.process.wait(DEADLINE) == 0


def stop_draining(server):
    """Tell it a second time that it shall end: it does so at once, and in order."""
    server.terminate()
    assert server.process.wait(DEADLINE) == 0


@drain_for("0")
def test_a_request_in_flight_at_the_end_is_answered(ending):
    body = b'{"quantity": 5}'
    head = f"POST /api/products/1/restock HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\n\r\n"
    with socket.create_connection(("127.0.0.1", ending.port), timeout=DEADLINE) as connection:
        connection.sendall(head.encode() + body[:4])
        # What was sent before this was read before it.
        assert ending.get("/livez").status_code == 200
        ending.terminate()
        wait_until(lambda: not accepts(ending.port))
        connection.sendall(body[4:])
        assert connection.recv(4096).startswith(b"HTTP/1.1 200")
    assert ending.process.wait(DEADLINE) == 0


def accepts(port):
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=DEADLINE):
            return True
    except ConnectionResetError:  # it came to a listener that was just being closed
        return True
    except ConnectionRefusedError:
        return False


def wait_until(condition):
    until = time.monotonic() + DEADLINE
    while not condition():
        assert time.monotonic() < until
        time.sleep(0.02)


def test_it_waits_for_a_database_that_comes_later(tmp_path):
    folder = tmp_path / "volume"
    server = Server(tmp_path / "log", DATABASE_URL=str(folder / "inventory.db"))
    try:
        server.wait_for("/livez")
        refused = server.wait_for("/readyz", 503)
        assert refused.json()["error"].startswith("The database")
        for path in ("/api/products", "/api/restocks"):
            answer = server.get(path)
            assert answer.status_code == 503
            assert answer.json()["success"] is False
            assert str(folder) not in answer.text
        outside = requests.get(f"http://127.0.0.1:{server.ingress_port}/readyz", timeout=DEADLINE)
        assert outside.status_code == 503
        assert outside.json()["error"] == "The service is temporarily unavailable; retry in a few seconds."
        assert server.get("/metrics").status_code == 200
        folder.mkdir()
        server.wait_for()
        assert server.get("/api/products").status_code == 200
    finally:
        server.stop()


def test_a_database_that_goes_and_comes_back(tmp_path, cluster, empty_postgresql):
    with serving(tmp_path / "log", DATABASE_URL=cluster.url(empty_postgresql)) as server:
        requests.post(f"{server.url}/api/products", json={"name": "A", "sku": "abc"}, timeout=DEADLINE)
        assert "product_stock_level{" in server.get("/metrics").text
        cluster.cut_off(empty_postgresql)
        refused = server.wait_for("/readyz", 503).json()
        assert refused["error"].startswith("The database can't be reached: ")
        answer = server.get("/api/products")
        assert answer.status_code == 503
        assert answer.headers["Retry-After"]
        assert "psycopg" not in answer.text
        assert server.get("/livez").status_code == 200
        assert server.get("/api/health").status_code == 200
        metrics = server.get("/metrics")
        assert metrics.status_code == 200
        assert "inventory_stock_collector_up 0.0\n" in metrics.text
        assert "product_stock_level{" not in metrics.text
        cluster.bring_back(empty_postgresql)
        server.wait_for()
        assert server.get("/api/products").json()["total_count"] == 1
        assert "inventory_stock_collector_up 1.0\n" in server.get("/metrics").text
        assert PASSWORD not in server.log.read_text()
        assert server.lines()


def test_a_wrong_password_is_said_and_not_shown(tmp_path, cluster, empty_postgresql):
    url = cluster.url(empty_postgresql).replace(PASSWORD, "wr0ng-pa55word")
    server = Server(tmp_path / "log", DATABASE_URL=url, LOG_LEVEL="debug")
    try:
        server.wait_for("/livez")
        wait_until(lambda: "password authentication failed" in server.wait_for("/readyz", 503).json()["error"])
        assert "wr0ng-pa55word" not in server.get("/readyz").text
    finally:
        server.stop()
    assert "wr0ng-pa55word" not in server.log.read_text()


def test_it_writes_beside_its_database_and_nowhere_else(server):
    folder = server.log.parent
    requests.post(f"{server.url}/api/products/1/restock", json={"quantity": 1}, timeout=DEADLINE)
    assert {path.name for path in folder.iterdir()} <= {
        "inventory.db", "inventory.db-wal", "inventory.db-shm", "inventory.db.lock", "log",
    }  # fmt: skip
    assert {file.parent for file in server.open_files()} == {folder}


@pytest.mark.parametrize(
    ("request_line", "status"),
    [
        (b"GET /api/products?q=" + b"x" * 9000 + b" HTTP/1.1\r\nHost: x\r\n\r\n", 414),
        (b"GET / HTTP/1.1\r\nHost: x\r\nX-Long: " + b"x" * 70000 + b"\r\n\r\n", 431),
        (b"nonsense\r\n\r\n", 400),
        (b"GET / HTTP/9.9\r\nHost: x\r\n\r\n", 400),
        (b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: strange\r\n\r\n", 501),
        (b"POST / HTTP/1.1\r\nHost: x\r\nExpect: miracles\r\n\r\n", 417),
        # What a proxy and a server could read differently is read by none (RFC 9112, 5.2, 6.1 and 6.3).
        (b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400),
        (b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n", 400),
        (b"POST / HTTP/1.0\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400),
        (b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabc", 400),
        (b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: -3\r\n\r\nabc", 400),
        (b"POST / HTTP/1.1\r\nHost: x\r\nX-Folded: a\r\n b\r\n\r\n", 400),
        (b"GET /\r\n\r\n", 400),
    ],
)
def test_what_is_no_request_is_a_problem_too(server, request_line, status):
    with socket.create_connection(("127.0.0.1", server.port), timeout=DEADLINE) as connection:
        connection.sendall(request_line)
        answer = http.client.HTTPResponse(connection)
        answer.begin()
        assert answer.status == status
        assert answer.getheader("Content-Type") == "application/problem+json"
        problem = json.loads(answer.read())
    assert problem["status"] == status
    assert problem["success"] is False
    assert problem["error"].endswith(".")


def test_answers_without_a_length_keep_the_connection(server):
    """A 304, a stream in chunks, and the answer to HEAD; an answer to HTTP/1.0 ends it."""
    with requests.Session() as session:
        etag = session.get(f"{server.url}/api/products/1", timeout=DEADLINE).headers["ETag"]
        for method, path, status in (
            ("GET", "/api/products/1", 304),
            ("GET", "/api/export/products", 200),
            ("HEAD", "/api/export/products", 200),
            ("HEAD", "/api/products/1", 200),
        ):
            headers = {"If-None-Match": etag} if status == 304 else {}
            answer = session.request(method, server.url + path, headers=headers, timeout=DEADLINE)
            assert (answer.status_code, answer.headers.get("Connection")) == (status, None), path
    with socket.create_connection(("127.0.0.1", server.port), timeout=DEADLINE) as connection:
        connection.sendall(b"GET /api/export/products HTTP/1.0\r\n\r\n")
        answer = b"".join(iter(lambda: connection.recv(65536), b""))
    assert b"\r\nConnection: close\r\n" in answer
    assert answer.count(b"\r\n") > 10


def test_the_probes_have_a_port_of_their_own(server):
    """The old places stay as they are for old clients."""
    for path, status in (("livez", 200), ("readyz", 200), ("metrics", 404), ("api/products", 404)):
        server.wait_for(f"/{path}")
        assert requests.get(f"http://127.0.0.1:{server.probe_port}/{path}", timeout=DEADLINE).status_code == status


def test_who_asks_seldom_loses_no_request_at_the_end(tmp_path):
    """A kept connection that is silent when the listeners close is not closed at once: its client may ask just now."""

    def ask_late():
        folder = Path(tempfile.mkdtemp(dir=tmp_path))
        environment = {"DATABASE_URL": f"{folder}/i.db", "LOAD_SAMPLE_DATA": "true", "DRAIN_SECONDS": "1"}
        ask, answer = b"GET /api/products/1 HTTP/1.1\r\nHost: x\r\n\r\n", b""
        with serving(folder / "log", **environment) as ending:
            with socket.create_connection(("127.0.0.1", ending.port), timeout=DEADLINE) as connection:
                began = time.monotonic()
                connection.sendall(ask)
                assert connection.recv(65536).startswith(b"HTTP/1.1 200")
                ending.terminate()
                wait_until(lambda: not accepts(ending.port))
                with contextlib.suppress(ConnectionError):
                    connection.sendall(ask)
                    answer = connection.recv(65536)
            # A client that stood still for longer than idle connections are kept asks again.
            assert answer or time.monotonic() - began > http_server._LAST_IDLE_SECONDS
            assert ending.process.wait(DEADLINE) == 0
        return answer

    answer = eventually(ask_late, "a client that asks in time")
    assert b"\r\nConnection: close\r\n" in answer
