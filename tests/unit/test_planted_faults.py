"""The logic of planted faults: when one counts as named, how it is reported, and the parts that stand in."""

from __future__ import annotations

import base64
import json
import re
import tarfile
from concurrent.futures import Future
from typing import Any

import pytest
import yaml
from tests.faults import __main__ as runner
from tests.faults import report as faults_report
from tests.faults.fixture import BASE, merged
from tests.faults.misbehaviour import STOCK, wrapped
from tests.faults.planted import prometheus, recordedgrafana, recordedimage, report
from tests.faults.planted.evidence import PlantedRow, action, named, not_explained, not_well
from tests.faults.planted.fault import LIMIT, Planted, nothing
from tests.faults.planted.groups import GROUPS
from tests.framework import derivedimage, recorded_grafana
from tests.framework.rendered import ROOT, stack
from tests.framework.verification import PAGE

from inventory_cli.findings import action_for
from inventory_operator.api import stack as api_stack
from inventory_operator.verification.exposition import invalid_line, missing, stock_levels

FAULTS = {fault.name: fault for group in GROUPS.values() for fault in group.faults}
FAULT = Planted(
    name="metric-renamed",
    what="a metric has another name",
    about="MetricsExposed",
    reason="MetricMissing",
    words=("pod a", "http_requests_total"),
    explained=("correct the image",),
    plant=nothing,
)


def status(reason: str = "MetricMissing", message: str = "pod a: no http_requests_total", state: str = "Failed") -> Any:
    check = {"check": "MetricsExposed", "status": state, "reason": reason, "message": message}
    return {"conditions": [], "verification": {"checks": [check]}}


def row(**fields: Any) -> PlantedRow:
    known = {"name": "metric-renamed", "what": "a metric", "about": "MetricsExposed", "reason": "MetricMissing"}
    return PlantedRow(**{**known, "limit": LIMIT, **fields})


# The faults


def test_there_are_as_many_as_are_asked_for_and_each_has_its_own_name() -> None:
    assert len(FAULTS) == sum(len(group.faults) for group in GROUPS.values()) >= 24
    assert not FAULTS.keys() & ({"planted"} | GROUPS.keys() | runner.SCENARIOS.keys())


@pytest.mark.parametrize("name", FAULTS)
def test_each_fault_has_a_reason_that_says_what_to_do(name: str) -> None:
    fault = FAULTS[name]
    assert action_for(fault.reason, fault.about)
    assert fault.words
    assert fault.explained
    assert bool(fault.slower) == (fault.limit != LIMIT)


@pytest.mark.parametrize("name", GROUPS)
def test_each_stack_is_one_that_the_operator_follows(name: str) -> None:
    parsed = api_stack.parse(stack(**merged(BASE, GROUPS[name].spec)))
    assert parsed.prometheus.scrape_interval == "10s"
    assert parsed.grafana.enabled == GROUPS[name].recorded


def test_the_words_of_the_command_line_choose_groups_and_faults() -> None:
    assert runner.chosen(["crash-loop", "alerting", "control"]) == (
        ["control"],
        ["crash-loop", *(fault.name for fault in GROUPS["alerting"].faults)],
    )
    assert runner.chosen(["planted"]) == ([], list(FAULTS))
    assert runner.chosen([]) == (list(runner.SCENARIOS), list(FAULTS))


# Evidence


def test_a_fault_is_named_by_its_reason_and_all_words() -> None:
    assert named(status(), FAULT) == "pod a: no http_requests_total"
    assert named(status(reason="NotAnswered"), FAULT) == ""
    assert named(status(message="pod a: no up"), FAULT) == ""
    assert named(status(state="Unknown"), FAULT) == ""
    assert named({}, FAULT) == ""


@pytest.mark.parametrize(
    ("about", "state", "is_named"),
    [("Ready", "False", True), ("Ready", "True", False), ("Stalled", "True", True), ("Stalled", "False", False)],
)
def test_a_condition_names_a_fault_when_it_is_not_as_it_should_be(about: str, state: str, is_named: bool) -> None:
    fault = Planted("a", "a", about, "NotReady", ("pod",), ("log",), nothing)
    one = {"type": about, "status": state, "reason": "NotReady", "message": "pod a"}
    assert bool(named({"conditions": [one]}, fault)) is is_named


EXPLAINED = """\
ns/shop is Ready but not Verified.

ServiceScraped is Failed: Other
  Pod a is not scraped.
  What to do: look there.
  Next: kubectl get pods

MetricsExposed is Failed: MetricMissing
  Pod a does not expose http_requests_total: pod a.
  What to do: correct the image.
  Next: kubectl describe invstack shop
"""


def test_what_explain_must_say() -> None:
    assert action(EXPLAINED, "MetricsExposed") == "correct the image."
    assert action(EXPLAINED, "GrafanaConnected") == ""
    assert not_explained(1, EXPLAINED, FAULT) == []
    assert not_explained(0, EXPLAINED.replace("correct", "repair"), FAULT) == [
        "explain ended with 0, expected 1",
        'explain does not say "correct the image"',
    ]
    assert not_well(0, "ns/shop is Ready and Verified.\n") == []
    assert not_well(1, "ns/shop is Ready\nbut not Verified.") == [
        "after the repair explain ended with 1: ns/shop is Ready but not Verified."
    ]


def test_a_group_that_breaks_off_unforeseen_costs_no_other_its_rows() -> None:
    future: Future[list[PlantedRow]] = Future()
    future.set_exception(KeyError("x"))
    rows = runner._planted_rows(GROUPS["pods"], ["quota", "no-node"], future)
    assert [(one.name, one.problems) for one in rows] == [
        ("quota", ["KeyError: 'x'"]),
        ("no-node", ["KeyError: 'x'"]),
    ]


# The table


def test_the_table_says_what_was_named_and_what_was_recorded() -> None:
    good = row(message="pod a | b", after=12.4, explained="l" * 200, well_after=70.0, recorded=True)
    bad = row(problems=["x"], limit=40.0, slower="it has to time out")
    text = report.table([good, bad], "machine", 61.0)
    assert "1 of 2 as expected, in 1 min 1 s." in text
    assert "| `metric-renamed`: a metric (recorded) | MetricsExposed | `MetricMissing` | pod a \\| b | 12 s |" in text
    assert "lll... | 1 min 10 s | yes |" in text
    assert "|  | never |  | never | no |" in text
    assert "- `metric-renamed`: **x**." in text
    assert "- `metric-renamed`: within 40 s instead of 30: it has to time out." in text


def test_a_fault_that_is_planted_again_takes_the_place_of_its_line() -> None:
    other = PlantedRow("quota", "a quota", "ServiceAvailable", "FailedCreate", LIMIT)
    table = report.table([row(problems=["x"]), other], "first machine", 60.0)
    page = f"<!-- measured planted -->\n{table}\n<!-- /measured planted -->\n"
    text = report.again(page, [row(after=5.0, well_after=6.0)], "second machine")
    assert text.startswith("first machine.\n\n2 of 2 as expected, in 1 min.\n")
    assert "| 5 s |  | 6 s | yes |" in text
    assert "- `metric-renamed`: run again by itself: second machine." in text
    assert "**x**" not in text


def test_planted_faults_are_in_the_data_of_a_run() -> None:
    data = json.loads(json.dumps(faults_report.as_json([], "machine", 1.0, [row(after=5.0)])))
    assert data["planted"][0]["as_expected"] is True
    assert data["planted"][0]["after"] == 5.0
    assert data["rows"] == []


def test_the_page_has_a_place_for_the_table() -> None:
    page = (ROOT / "docs/faults.md").read_text("utf-8")
    assert page.count("<!-- measured planted -->") == page.count("<!-- /measured planted -->") == 1
    assert all(f"`{name}`" in page for name in GROUPS)


# A service whose /metrics are bad


@pytest.fixture
def bad_metrics(tmp_path):
    """Return what /metrics answers where the file says how it is bad."""
    from flask import Flask, Response

    def shipped() -> Flask:
        app = Flask("shipped")
        app.add_url_rule("/metrics", view_func=lambda: Response(PAGE, content_type="text/plain"))
        app.add_url_rule("/livez", endpoint="livez", view_func=lambda: "alive")
        return app

    file = tmp_path / "fault"
    client = wrapped(shipped, file)().test_client()

    def answers(how: str, path: str = "/metrics", agent: str = "") -> Any:
        file.write_text(how)
        return client.get(path, headers={"User-Agent": agent})

    return answers


def test_metrics_are_bad_as_the_file_says_and_nothing_else_is(bad_metrics) -> None:
    assert bad_metrics("").data == PAGE
    assert bad_metrics("error").status_code == 500
    assert bad_metrics("error", "/livez").data == b"alive"
    assert invalid_line(bad_metrics("invalid").data) == 1
    assert missing(bad_metrics("renamed").data) == ["http_requests_total"]


def test_prometheus_alone_is_told_another_stock(bad_metrics) -> None:
    assert bad_metrics("stock", agent="Python/3 aiohttp").data == PAGE
    told = bad_metrics("stock", agent="Prometheus/3.16.0").data
    assert stock_levels(told, 20) == {"1": STOCK, "2": STOCK}
    assert invalid_line(told) is None


# Prometheus' configuration that others change


@pytest.mark.parametrize("change", [prometheus._select_none, prometheus._keep_none, prometheus._unknown_field])
def test_the_job_of_the_service_can_be_changed_as_it_is_shipped(change) -> None:
    text = (ROOT / "templates/prometheus/config/reload/prometheus.yml.j2").read_text("utf-8")
    block = re.search(r"^  - job_name: service\n(.*?)^\n", text, re.MULTILINE | re.DOTALL)
    job = yaml.safe_load(re.sub(r"\{\{.*?\}\}", "x", block[0]))[0]
    before = json.dumps(job)
    change(job)
    assert json.dumps(job) != before


# What runs where Grafana would


@pytest.fixture
def grafana(tmp_path):
    """Return the recordings with the files of a pod, and those files."""

    def write(path, text: str) -> None:
        file = tmp_path / path.relative_to("/")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)

    write(recordedgrafana.USER, "admin\n")
    write(recordedgrafana.PASSWORD, "secret\nmore")
    write(recordedgrafana.SOURCES, "datasources:\n  - name: Prometheus\n    url: http://127.0.0.1:1\n")
    for uid in ("one", "two"):
        write(recordedgrafana.DASHBOARDS / f"{uid}.json", json.dumps({"uid": uid}))
    return recordedgrafana.Grafana(recorded_grafana.FILE, tmp_path), write


GOOD = f"Basic {base64.b64encode(b'admin:secret').decode()}"
SOURCE = "/api/datasources/uid/prometheus"


def test_it_answers_what_was_recorded(grafana) -> None:
    answers, _ = grafana
    code, body = answers.answer(SOURCE, GOOD)
    assert (code, json.loads(body)["url"], json.loads(body)["type"]) == (200, "http://127.0.0.1:1", "prometheus")
    code, body = answers.answer(f"{SOURCE}/health", GOOD)
    assert code == 400
    assert "connection refused" in json.loads(body)["message"]
    code, body = answers.answer("/api/search?type=dash-db", GOOD)
    assert [one["uid"] for one in json.loads(body)] == ["one", "two"]
    assert answers.answer("/api/health", "")[0] == 200


def test_it_can_be_changed_by_hand(grafana) -> None:
    answers, write = grafana
    write(recordedgrafana.LOST, "one")
    assert [one["uid"] for one in json.loads(answers.answer("/api/search", GOOD)[1])] == ["two"]
    write(recordedgrafana.SOURCE, "http://elsewhere:9090")
    assert json.loads(answers.answer(SOURCE, GOOD)[1])["url"] == "http://elsewhere:9090"
    write(recordedgrafana.SOURCE, "none")
    assert answers.answer(SOURCE, GOOD)[0] == 404
    assert answers.answer(f"{SOURCE}/health", GOOD)[0] == 500
    write(recordedgrafana.PASSWORD, "another")
    for path in (SOURCE, f"{SOURCE}/health", "/api/search"):
        assert answers.answer(path, GOOD)[0] == 401


def test_its_image_can_set_the_password_and_has_the_recordings(tmp_path) -> None:
    config = {"rootfs": {"diff_ids": []}, "config": {"User": "10001", "Entrypoint": ["service"]}}
    with tarfile.open(tmp_path / "old.tar", "w") as tar:
        manifest = [{"Config": "c.json", "RepoTags": ["a:1"], "Layers": []}]
        derivedimage._add(tar, "c.json", json.dumps(config).encode())
        derivedimage._add(tar, "manifest.json", json.dumps(manifest).encode())
    derivedimage.write(tmp_path / "old.tar", tmp_path / "new.tar", "b:1", lambda _: recordedimage.files(), ["python"])
    with tarfile.open(tmp_path / "new.tar") as tar:
        image = derivedimage.Archive(tar)
        assert image.config["config"]["Entrypoint"] == ["python"]
        command, text = image.find(re.compile(r"usr/share/grafana/bin/grafana"))
        assert str(recordedgrafana.PASSWORD).encode() in text
        assert json.loads(image.find(re.compile(r"opt/recorded_grafana\.json"))[1])["answers"]
        with tarfile.open(fileobj=tar.extractfile(image.layers[0])) as layer:
            assert layer.getmember(command[0]).mode & 0o111
