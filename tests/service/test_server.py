"""The service as a pod runs it: two ports, readiness that tells the truth, an orderly end, a log without secrets."""

from __future__ import annotations

import http.client
import json
import socket
import threading
import time
from pathlib import Path

import pytest
import requests
from tests.framework.postgresql import PASSWORD
from tests.framework.server import Server, serving


@pytest.fixture
def server(tmp_path):
    with serving(tmp_path / "log", DATABASE_URL=str(tmp_path / "inventory.db"), LOAD_SAMPLE_DATA="true") as server:
        yield server


def test_the_ingress_port_serves_everything_but_the_metrics(server):
    inner, outer = server.url, f"http://127.0.0.1:{server.ingress_port}"
    assert requests.get(f"{inner}/metrics", timeout=20).status_code == 200
    assert requests.get(f"{outer}/api/products", timeout=20).json()["total_count"] == 10
    for headers in ({}, {"Host": f"127.0.0.1:{server.port}"}, {"X-Forwarded-Port": str(server.port)}):
        for path in ("/metrics", "//metrics", "/metrics?name[]=up", "/%6detrics", "/./metrics", "/metrics/"):
            answer = requests.get(outer + path, headers=headers, timeout=20)
            assert answer.status_code == 404, path
            assert "# TYPE" not in answer.text


def test_a_connection_is_kept_and_one_with_a_refused_body_stays_usable(server):
    with requests.Session() as session:
        for _ in range(2):
            assert session.post(f"{server.url}/api/products", data=b"x" * 100_000, timeout=20).status_code == 413
            assert session.post(f"{server.url}/nowhere", data=b"x" * 1000, timeout=20).status_code == 404
            assert session.get(f"{server.url}/api/health", timeout=20).status_code == 200

        def chunks():
            yield b'{"name": "Chunked", '
            yield b'"sku": "chunked"}'

        assert session.post(f"{server.url}/api/products", data=chunks(), timeout=20).status_code == 201
        endless = (b"x" * 10_000 for _ in range(20))
        assert session.post(f"{server.url}/api/products", data=endless, timeout=20).status_code == 413


def test_the_log_is_json_with_one_line_for_a_request_and_no_secret(server):
    secret = "t0psecret"
    body = json.dumps({"name": secret, "sku": "abc", "price": -1})
    headers = {"Authorization": f"Bearer {secret}", "Cookie": f"session={secret}", "X-Request-ID": "the-one"}
    requests.post(f"{server.url}/api/products?token={secret}", data=body, headers=headers, timeout=20)
    (line,) = [line for line in server.lines() if line.get("request_id") == "the-one"]
    expected = {"event": "request", "method": "POST", "path": "/api/products", "status": 400, "level": "info"}
    assert {field: line[field] for field in expected} == expected
    assert secret not in server.log.read_text()


def test_it_serves_until_it_has_drained(tmp_path):
    """After SIGTERM: not ready at once, still serving new connections, then an end without a lost request."""
    server = Server(tmp_path / "log", DATABASE_URL=str(tmp_path / "inventory.db"), DRAIN_SECONDS="1.5")
    try:
        server.wait_for()
        failures, answers = [], []
        draining = threading.Event()

        def client():
            while not draining.is_set():
                try:
                    answers.append(server.get("/api/products").status_code)
                except requests.RequestException as error:
                    failures.append(error)

        clients = [threading.Thread(target=client) for _ in range(4)]
        for thread in clients:
            thread.start()
        started = time.monotonic()
        server.terminate()
        reason = server.wait_for("/readyz", 503).json()["error"]
        before = len(answers)
        while time.monotonic() - started < 1:
            assert server.get("/livez").status_code == 200
        draining.set()
        for thread in clients:
            thread.join()
        assert reason == "The service is shutting down."
        assert failures == []
        assert len(answers) > before
        assert set(answers) == {200}
        assert server.process.wait(20) == 0
    finally:
        server.stop()


def test_who_keeps_a_connection_is_sent_away_while_it_drains(tmp_path):
    """A client that reuses a connection at the moment when it is closed would lose its request."""
    server = Server(tmp_path / "log", DATABASE_URL=str(tmp_path / "inventory.db"), DRAIN_SECONDS="3")
    try:
        server.wait_for()
        with requests.Session() as kept:
            url = f"http://127.0.0.1:{server.port}/api/products"
            assert "close" not in kept.get(url, timeout=20).headers.get("Connection", "")
            server.terminate()
            server.wait_for("/readyz", 503)
            answer = kept.get(url, timeout=20)
            assert (answer.status_code, answer.headers["Connection"]) == (200, "close")
        assert server.process.wait(20) == 0
    finally:
        server.stop()


def test_a_request_in_flight_at_the_end_is_answered(server):
    body = b'{"quantity": 5}'
    head = f"POST /api/products/1/restock HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\n\r\n"
    with socket.create_connection(("127.0.0.1", server.port), timeout=20) as connection:
        connection.sendall(head.encode() + body[:4])
        time.sleep(0.3)  # until a thread waits for the rest
        server.terminate()
        time.sleep(0.3)
        connection.sendall(body[4:])
        assert connection.recv(4096).startswith(b"HTTP/1.1 200")
    assert server.process.wait(20) == 0


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
        outside = requests.get(f"http://127.0.0.1:{server.ingress_port}/readyz", timeout=20)
        assert outside.status_code == 503
        assert outside.json()["error"] == "The service can't answer for now; try again in some seconds."
        assert server.get("/metrics").status_code == 200
        folder.mkdir()
        server.wait_for()
        assert server.get("/api/products").status_code == 200
    finally:
        server.stop()


def test_a_database_that_goes_and_comes_back(tmp_path, cluster, empty_postgresql):
    with serving(tmp_path / "log", DATABASE_URL=cluster.url(empty_postgresql)) as server:
        requests.post(f"{server.url}/api/products", json={"name": "A", "sku": "abc"}, timeout=20)
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
        until = time.monotonic() + 20
        while "password authentication failed" not in server.wait_for("/readyz", 503).json()["error"]:
            assert time.monotonic() < until
        assert "wr0ng-pa55word" not in server.get("/readyz").text
    finally:
        server.stop()
    assert "wr0ng-pa55word" not in server.log.read_text()


def test_it_writes_beside_its_database_and_nowhere_else(server, tmp_path):
    requests.post(f"{server.url}/api/products/1/restock", json={"quantity": 1}, timeout=20)
    assert {path.name for path in tmp_path.iterdir()} <= {
        "inventory.db", "inventory.db-wal", "inventory.db-shm", "inventory.db.lock", "log",
    }  # fmt: skip
    assert {file.parent for file in server.open_files()} == {tmp_path, Path("/dev/shm")}


@pytest.mark.parametrize(
    ("request_line", "status"),
    [
        (b"GET /api/products?q=" + b"x" * 9000 + b" HTTP/1.1\r\nHost: x\r\n\r\n", 414),
        (b"GET / HTTP/1.1\r\nHost: x\r\nX-Long: " + b"x" * 70000 + b"\r\n\r\n", 431),
        (b"nonsense\r\n\r\n", 400),
        (b"GET / HTTP/9.9\r\nHost: x\r\n\r\n", 400),
        (b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: strange\r\n\r\n", 501),
        (b"POST / HTTP/1.1\r\nHost: x\r\nExpect: miracles\r\n\r\n", 417),
    ],
)
def test_what_is_no_request_is_a_problem_too(server, request_line, status):
    with socket.create_connection(("127.0.0.1", server.port), timeout=20) as connection:
        connection.sendall(request_line)
        answer = http.client.HTTPResponse(connection)
        answer.begin()
        assert answer.status == status
        assert answer.getheader("Content-Type") == "application/problem+json"
        problem = json.loads(answer.read())
    assert problem["status"] == status
    assert problem["success"] is False
    assert problem["error"].endswith(".")
