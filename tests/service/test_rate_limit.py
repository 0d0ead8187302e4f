"""The rate limit: what is counted where, how long a client waits, and that a failing store refuses no request."""

from __future__ import annotations

import itertools
import random
import socket
import sys
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
import requests
import structlog
from limits.errors import StorageError
from tests.framework.server import DEADLINE, serving
from tests.framework.service_app import bearer, make_token, prepared_app
from tests.service import redis_server
from tests.service.rate_windows import within_one_hour
from tests.service.redis_server import PASSWORD

from inventory_service.http.rate_counters import MemoryCounters, shared_counters
from inventory_service.http.rate_limit import RateLimiter, Window, seconds_until_free
from inventory_service.settings import RateLimit, SettingsError, load


@pytest.fixture(scope="module")
def redis():
    with redis_server.running() as redis:
        yield redis


def test_the_wait_is_as_long_as_it_must_be():
    """One moment before the wait ends the storage refuses, one moment after it allows: by the storage's own formula."""

    def allows(window, rate, later):
        if later > window.before_seconds and window.now_seconds - later <= rate.seconds:
            before, fades, now = window.now, window.now_seconds - later, 0
        else:
            before, fades, now = window.before, window.before_seconds - later, window.now
        return before * max(fades, 0) / rate.seconds // 1 + now + 1 <= rate.requests

    dice = random.Random(1)
    for _ in range(5000):
        rate = RateLimit(requests=dice.randint(1, 50), seconds=dice.choice((1, 60, 3600)))
        left = dice.uniform(0.001, rate.seconds)
        now = dice.randint(0, rate.requests)
        before = dice.randint(0, rate.requests)
        window = Window(before, left if before else 0.0, now, left + rate.seconds if now else 0.0)
        if not now and not before:
            continue
        wait = seconds_until_free(window, rate)
        assert allows(window, rate, wait + 1e-6 * rate.seconds), (window, rate, wait)
        if wait > 1e-3:
            assert not allows(window, rate, wait - 1e-6 * rate.seconds), (window, rate, wait)


@pytest.mark.usefixtures("one_window")
def test_memory_counts_exactly_and_forgets():
    counters = MemoryCounters()
    limiter = RateLimiter(RateLimit(requests=500, seconds=3600), counters)
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)  # threads take turns within a line
    try:
        with ThreadPoolExecutor(8) as threads:
            waits = list(threads.map(lambda _: limiter.wait("one"), range(4000)))
    finally:
        sys.setswitchinterval(interval)
    assert waits.count(0) == 500
    for number in range(10_000):
        limiter.wait(f"invented-{number}")
    assert len(counters.storage) >= 10_000
    counters._purge(time.time() + 7200)
    assert len(counters.storage) == len(counters.expirations) == 0
    assert len(counters.locks) == 0


def test_the_memory_is_bounded(monkeypatch):
    monkeypatch.setattr("inventory_service.http.rate_counters._MAX_KEYS", 100)
    counters = MemoryCounters()
    limiter = RateLimiter(RateLimit(requests=5, seconds=3600), counters)
    for number in range(1000):
        counters._purge_at = 0.0
        limiter.wait(f"invented-{number}")
    assert len(counters.storage) <= 102


@pytest.mark.usefixtures("one_window")
def test_a_refusal_says_when_to_come_again(database_url):
    with prepared_app(database_url, RATE_LIMIT="2/minute") as app:
        client = app.test_client()
        answers = [client.get("/api/products") for _ in range(3)]
        assert [answer.status_code for answer in answers] == [200, 200, 429]
        refused = answers[2]
        seconds = int(refused.headers["Retry-After"])
        assert 1 <= seconds <= 121
        assert refused.headers["RateLimit-Policy"] == '"requests";q=2;w=60'
        assert refused.headers["RateLimit"] == f'"requests";r=0;t={seconds}'
        assert {client.get(path).status_code for path in ("/livez", "/readyz", "/metrics", "/api/health")} == {200}


@pytest.mark.usefixtures("one_window")
def test_with_tokens_each_token_has_its_own_rate_and_refused_clients_are_counted(database_url):
    with prepared_app(database_url, RATE_LIMIT="2/hour", REQUIRE_TOKENS="true") as app:
        client = app.test_client()
        for name in ("one", "two"):
            headers = bearer(make_token(app, name, "read"))
            assert [client.get("/api/products", headers=headers).status_code for _ in range(3)] == [200, 200, 429]
        wrong = bearer("inv_wrong")
        assert [client.get("/api/products", headers=wrong).status_code for _ in range(3)] == [401, 401, 429]


def test_two_servers_share_a_store(redis, tmp_path):
    environment = {"RATE_LIMIT": "20/hour", "RATE_LIMIT_STORE": redis.url}
    with (
        serving(tmp_path / "1", DATABASE_URL=str(tmp_path / "1.db"), **environment) as one,
        serving(tmp_path / "2", DATABASE_URL=str(tmp_path / "2.db"), **environment) as two,
    ):
        urls = itertools.cycle([one.url, two.url])
        with ThreadPoolExecutor(8) as threads:
            ask = lambda url: requests.get(f"{url}/api/products", timeout=DEADLINE)  # noqa: E731 - used once
            answers = list(threads.map(ask, itertools.islice(urls, 60)))
        statuses = [answer.status_code for answer in answers]
        assert (statuses.count(200), statuses.count(429)) == (20, 40)
        waits = {int(answer.headers["Retry-After"]) for answer in answers if answer.status_code == 429}
        assert max(waits) <= 3601
        assert "inventory_rate_limit_store_up 1.0\n" in one.get("/metrics").text
        for server in (one, two):
            assert PASSWORD not in server.log.read_text() + server.get("/metrics").text


def test_without_a_store_each_server_counts_by_itself(tmp_path):
    def statuses():
        with (
            serving(tmp_path / "1", DATABASE_URL=str(tmp_path / "1.db"), RATE_LIMIT="5/hour") as one,
            serving(tmp_path / "2", DATABASE_URL=str(tmp_path / "2.db"), RATE_LIMIT="5/hour") as two,
        ):
            assert "inventory_rate_limit_store_up" not in one.get("/metrics").text
            return [server.get("/api/products").status_code for server in (one, two) for _ in range(8)]

    assert within_one_hour(statuses).count(200) == 10


def test_a_store_that_goes_and_comes_back(redis, tmp_path):
    """While it is down every request is served; it is logged once when it fails, and once when it is back."""
    environment = {"RATE_LIMIT": "3/hour", "RATE_LIMIT_STORE": redis.url.replace("/0", "/1")}
    with serving(tmp_path / "log", DATABASE_URL=str(tmp_path / "i.db"), **environment) as server:
        assert [server.get("/api/products").status_code for _ in range(4)] == [200, 200, 200, 429]
        redis.stop()
        try:
            assert {server.get("/api/products").status_code for _ in range(30)} == {200}
            assert "inventory_rate_limit_store_up 0.0\n" in server.get("/metrics").text
            assert server.get("/readyz").status_code == 200
        finally:
            redis.start()
        until = time.monotonic() + DEADLINE
        while server.get("/api/products").status_code == 200:
            assert time.monotonic() < until
            time.sleep(0.1)
        assert "inventory_rate_limit_store_up 1.0\n" in server.get("/metrics").text
        said = [line["event"] for line in server.lines() if line["event"].startswith("rate limit store")]
        assert said == ["rate limit store unavailable, nothing is counted", "rate limit store available again"]
        assert PASSWORD not in server.log.read_text()


def test_a_store_with_another_password_refuses_no_request(redis, tmp_path):
    environment = {"RATE_LIMIT": "1/hour", "RATE_LIMIT_STORE": redis.url.replace(PASSWORD, "wr0ng-pa55word")}
    with serving(tmp_path / "log", DATABASE_URL=str(tmp_path / "i.db"), **environment) as server:
        assert {server.get("/api/products").status_code for _ in range(3)} == {200}
        assert "inventory_rate_limit_store_up 0.0\n" in server.get("/metrics").text
        assert "wr0ng" not in server.log.read_text()


def test_a_store_that_does_not_answer_is_asked_once_in_a_while():
    """It accepts connections and says nothing: the slowest kind of dead."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        counters = shared_counters(f"redis://127.0.0.1:{silent.getsockname()[1]}")
        limiter = RateLimiter(RateLimit(requests=1, seconds=3600), counters, clock=lambda: 0.0)
        with structlog.testing.capture_logs() as lines:
            assert [limiter.wait("one") for _ in range(200)] == [0] * 200
        assert limiter.up is False
        assert len(lines) == 1
        silent.settimeout(0)
        connections = 0
        while True:
            try:
                silent.accept()[0].close()
            except BlockingIOError:
                break
            connections += 1
        assert connections <= 2


def test_only_one_request_asks_a_store_that_failed():
    now, asked = [0.0], []

    class Failing:
        def acquire_sliding_window_entry(self, *_):
            asked.append(now[0])
            raise StorageError(ConnectionError("away"))

    limiter = RateLimiter(RateLimit(requests=1, seconds=60), Failing(), clock=lambda: now[0])
    with structlog.testing.capture_logs() as lines:
        for now[0] in (0.0, 0.1, 4.9, 5.0, 5.1, 9.9, 10.0):
            assert limiter.wait("one") == 0
    assert asked == [0.0, 5.0, 10.0]
    assert len(lines) == 1


@pytest.mark.parametrize(
    "url",
    [
        "http://:s3cret@h", "redis://", "redis://:s3cret@h:x/0", "s3cret", "redis://h/0?s3cret=1", "rediss://h?db=s3cret",
        "redis://[s3cret", "redis://h?protocol=9", "unix:///s3cret",
    ],
)  # fmt: skip
def test_a_bad_store_is_never_repeated(url, tmp_path):
    with pytest.raises(SettingsError, match=r"^RATE_LIMIT_STORE: expected ") as refusal:
        load({"RATE_LIMIT_STORE": url})
    assert "s3cret" not in str(refusal.value)
    file = tmp_path / "url"
    file.write_text(url)
    with pytest.raises(SettingsError, match=r"^RATE_LIMIT_STORE_FILE: expected ") as refusal:
        load({"RATE_LIMIT_STORE_FILE": str(file)})
    assert "s3cret" not in str(refusal.value)


def test_a_store_from_a_file_is_no_secret_that_shows(tmp_path):
    file = tmp_path / "url"
    file.write_text("rediss://:s3cret@h:6380/2\n")
    settings = load({"RATE_LIMIT_STORE_FILE": str(file)})
    assert settings.rate_limit_store.get_secret_value() == "rediss://:s3cret@h:6380/2"
    assert "s3cret" not in repr(settings) + str(settings)
    file.write_text("")
    for environment in ({}, {"RATE_LIMIT_STORE": "redis://h"}):
        with pytest.raises(SettingsError, match=r"^RATE_LIMIT_STORE_FILE: expected "):
            load({"RATE_LIMIT_STORE_FILE": str(file), **environment})
