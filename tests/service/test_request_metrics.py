"""The metrics of requests and of the process: exemplars, requests in flight, the build, the last audit; and that
nothing which comes from the network makes a series."""

from __future__ import annotations

import random
import string
import time
from collections import defaultdict
from datetime import UTC, datetime
from http import HTTPStatus

import pytest
from flask import request
from prometheus_client import CollectorRegistry
from prometheus_client.exposition import generate_latest
from tests.framework.service_app import prepared_app
from tests.service.scraping import OPENMETRICS, families, scrape, value

from inventory_service.bootstrap.schema import newest
from inventory_service.telemetry.request_metrics import METHODS, OTHER, UNMATCHED, RequestMetrics

METHOD_LABELS = {*METHODS, OTHER}
STATUS_LABELS = {str(int(status)) for status in HTTPStatus}


def exemplars(client, accept):
    return {
        (sample.labels["endpoint"], sample.exemplar.labels["request_id"]): sample.exemplar.value
        for family in families(client, accept)
        for sample in family.samples
        if sample.exemplar
    }


def test_exemplars_name_the_request_in_openmetrics(client, product):
    began = time.perf_counter()
    client.get(f"/api/products/{product['id']}", headers={"X-Request-ID": "this-one"})
    waited = time.perf_counter() - began
    found = exemplars(client, OPENMETRICS)
    assert 0 < found["/api/products/<int:product_id>", "this-one"] < waited
    assert "this-one" not in client.get("/metrics").text
    client.get(f"/api/products/{product['id']}", headers={"X-Request-ID": 'inject"} 1'})
    ids = {request_id for _, request_id in exemplars(client, OPENMETRICS)}
    assert all(set(request_id) <= set(string.hexdigits) or request_id == "this-one" for request_id in ids)


def test_openmetrics_is_whole(client, product):
    text, openmetrics = (client.get("/metrics", headers={"Accept": accept}).text for accept in ("", OPENMETRICS))
    assert openmetrics.endswith("\n# EOF\n")
    assert openmetrics.count("# EOF") == 1
    assert "# EOF" not in text
    for name in ("low_stock_alerts", "http_requests", "product_operations"):
        assert f"# TYPE {name} counter\n" in openmetrics
        assert f"# TYPE {name}_total counter\n" in text
    kinds = [{family.name: family.type for family in families(client, accept)} for accept in ("", OPENMETRICS)]
    assert kinds[0] == kinds[1]
    assert all(family.documentation for family in families(client))


@pytest.mark.parametrize(
    ("accept", "expected"),
    [
        ("", "text/plain; version=0.0.4; charset=utf-8"),
        ("*/*", "text/plain; version=0.0.4; charset=utf-8"),
        ("application/openmetrics-text;version=nonsense", "application/openmetrics-text; version=1.0.0; charset=utf-8"),
        (
            "application/openmetrics-text;version=9.9.9,text/plain;version=é",
            "application/openmetrics-text; version=1.0.0; charset=utf-8",
        ),
        ("text/plain;version=0.0.4;q=0.5,application/openmetrics-text", "text/plain; version=0.0.4; charset=utf-8"),
        (";;,,q=,=;", "text/plain; version=0.0.4; charset=utf-8"),
    ],
)
def test_formats(client, accept, expected):
    answer = client.get("/metrics", headers={"Accept": accept})
    assert answer.status_code == 200
    assert answer.content_type == expected


def test_requests_in_flight(database_url):
    with prepared_app(database_url) as app:
        seen = []

        @app.before_request
        def ask_meanwhile():
            if not seen:
                seen.append(None)
                seen.append(value(scrape(app.test_client()), "http_requests_in_flight"))

        @app.after_request
        def fail(response):
            if request.path == "/livez":
                raise RuntimeError
            return response

        client = app.test_client()
        assert client.get("/api/health").status_code == 200
        assert seen[1] == 2
        assert client.get("/livez").status_code == 500
        client.get("/nowhere")
        client.open("/api/products", method="BREW")
        assert value(scrape(client), "http_requests_in_flight") == 1


def test_build_and_audit(context, client):
    labels = {"version": "", "schema": newest(), "database": context.database.engine.dialect.name}
    (build,) = (family for family in families(client) if family.name == "inventory_build_info")
    (sample,) = build.samples
    assert sample.value == 1
    assert sample.labels | {"version": ""} == labels
    assert sample.labels["version"][0].isdigit()
    assert not [name for name, _ in scrape(client) if name.startswith("inventory_ledger")]
    context.audit.drift, context.audit.finished_at = 2, datetime.fromtimestamp(1_700_000_000, UTC)
    assert value(scrape(client), "inventory_ledger_drift") == 2
    assert value(scrape(client), "inventory_ledger_audit_timestamp_seconds") == 1_700_000_000


def test_unheard_of_statuses_and_methods_share_one_series():
    registry = CollectorRegistry()
    metrics = RequestMetrics(registry)
    for number in range(600, 700):
        metrics.observe(f"M{number}", None, number, 0.001, "id")
    lines = [line for line in generate_latest(registry).decode().splitlines() if "requests_total{" in line]
    assert lines == ['http_requests_total{endpoint="<unmatched>",method="OTHER",status="OTHER"} 100.0']


HEADERS = (
    "X-Request-ID", "Accept", "If-Match", "If-None-Match", "Idempotency-Key", "Content-Encoding", "Authorization",
    "X-Forwarded-For", "User-Agent", "X-HTTP-Method-Override", "Cookie", "Origin",
)  # fmt: skip

#: A body that some routes take.
SENSE = {"name": "x", "sku": "other", "stock_level": 5, "quantity": 1}


def bodies(word, rng):
    """Return one body of each kind: none, no JSON, a form, not an object, an object of fields with wrong values."""
    fields = ["name", "sku", "stock_level", "quantity", "delta", "reason", "lines", "product_id", word()]
    wrong = [1, -5, word(), None, [], 1e400]
    return [
        {},
        {"data": word(), "content_type": "application/json"},
        {"data": word(), "content_type": "text/csv"},
        {"data": word(), "content_type": word()},
        {"data": {word(): word()}},
        {"json": rng.choice([None, [], "x", 7, [word()]])},
        {"json": {name: rng.choice(wrong) for name in rng.sample(fields, 4)}},
    ]


class RandomClient:
    """Sends random requests, valid and invalid; the same for the same seed."""

    def __init__(self, client, seed):
        self._client = client
        self._rng = random.Random(seed)
        self.rules = sorted(client.application.url_map.iter_rules(), key=lambda rule: (rule.rule, sorted(rule.methods)))

    def word(self, letters=string.ascii_letters + string.digits + "-_.~%<>:{}\"'"):
        return "".join(self._rng.choices(letters, k=self._rng.randrange(1, 20)))

    def segment(self):
        return self._rng.choice(["1", "2", "0", "-1", "99999999999999999999", self.word()])

    def path(self):
        rule = self._rng.choice(self.rules).rule
        filled = "/".join(self.segment() if part.startswith("<") else part for part in rule.split("/"))
        return self._rng.choice(
            [filled, filled, f"{filled.rstrip('/')}/{self.word()}", f"//{filled}", f"/{self.word()}"]
        )

    def anything(self):
        known = self._rng.choice([*sorted(METHODS), "get", "BREW"])
        method = self._rng.choice([known, known, self.word(string.ascii_letters)])
        headers = {name: self.word() for name in self._rng.sample(HEADERS, 3)}
        return self.send(method, self.path(), self._rng.choice(bodies(self.word, self._rng)), headers)

    def everything(self):
        """Ask each route, and none, once by each method in each way."""
        for rule in self.rules:
            for method in sorted(METHODS):
                taken = method in {*rule.methods, "HEAD", "OPTIONS"}
                # What is deleted must be there for the others.
                for number in ("3" if method == "DELETE" else "1", "0"):
                    path = "/".join(number if part.startswith("<") else part for part in rule.rule.split("/"))
                    for headers in self.conditions() if taken else [{}]:
                        yield from (self.send(method, path, body, headers) for body in ({}, {"json": SENSE}))
                    if taken:
                        yield from (self.send(method, path, body, {}) for body in bodies(self.word, self._rng))
        for path in ("/nowhere", "/metrics", "//metrics"):
            yield from (self.send(method, path, {}, {}) for method in [*sorted(METHODS), "BREW"])

    def conditions(self):
        names = ("If-Match", "Content-Encoding", "Authorization", "Cookie", "Idempotency-Key", "Origin")
        return [*({name: self.word()} for name in names), {"If-None-Match": "*"}, {"If-Match": '"other"'}, {}]

    def send(self, method, path, body, headers):
        query = {self.word(): self.word()}
        return self._client.open(path, method=method, headers=headers, query_string=query, **body)


def labels_of(samples, name):
    return {value for _, labels in samples for label, value in labels if label == name}


def test_a_fresh_process_makes_no_series_for_unknown_paths_and_methods(tmp_path):
    with prepared_app(f"sqlite:///{tmp_path}/inventory.db") as app:
        random_client = RandomClient(app.test_client(), 2)
        taken = defaultdict(set)
        for rule in random_client.rules:
            taken["/".join("1" if part.startswith("<") else part for part in rule.rule.split("/"))] |= rule.methods
        for path in ("/nowhere", "/api/products/x", *(f"/{random_client.word()}" for _ in range(50))):
            taken[path] = set()
        before = set(scrape(app.test_client()))
        methods = {*METHODS, "BREW", random_client.word(string.ascii_letters)}
        asked = [(method, path) for path, own in taken.items() for method in sorted(methods - own)]
        doubled = [path.replace("/", "//")[1:] for path in taken if path.count("/") > 1]
        asked += [(method, path) for path in doubled for method in sorted(methods)]
        statuses = {random_client.send(method, path, {}, {}).status_code for method, path in asked}
        made = {series for series in set(scrape(app.test_client())) - before if series[0].startswith("http_")}
    assert statuses >= {308, 404, 405}
    assert made == set()


def test_a_thousand_strange_requests_make_no_series(tmp_path):
    """A series may begin when a route first gives one of its own answers, never by what a request brings along."""
    with prepared_app(f"sqlite:///{tmp_path}/inventory.db") as app:
        client = app.test_client()
        for number in range(3):
            client.post("/api/products", json={"name": "x", "sku": f"sku-{number}", "stock_level": 5})
        random_client = RandomClient(client, 1)
        statuses = {answer.status_code for answer in random_client.everything()}
        before = set(scrape(client)) | set(scrape(client))
        statuses |= {random_client.anything().status_code for _ in range(1000)}
        samples = scrape(client)
    assert {200, 400, 404, 405, 415} <= statuses
    assert max(statuses) < 500
    assert labels_of(samples, "endpoint") <= {*(rule.rule for rule in random_client.rules), UNMATCHED}
    assert labels_of(samples, "method") <= METHOD_LABELS
    assert labels_of(samples, "status") <= STATUS_LABELS
    # What was done to products in passing tells of them, not of requests.
    made = {series for series in set(samples) - before if series[0].startswith("http_")}
    assert made == set()
