"""The logic of the fault tests: what counts as evidence, how it is reported, and how the service misbehaves."""

from __future__ import annotations

import io
import json
import re
import tarfile
import urllib.request
from concurrent.futures import Future
from typing import Any

import pytest
from tests.faults import __main__ as runner
from tests.faults import faultyimage, report
from tests.faults.environment import Latch
from tests.faults.evidence import Change, Expectation, Row, Times, changes, complete, states
from tests.faults.faults import FAULTS
from tests.faults.fixture import BASE, merged
from tests.faults.misbehaviour import HEADER, wrapped
from tests.faults.receiver import Delivery, Receiver, read
from tests.faults.statuses import Replacement, Said, untrue
from tests.framework import derivedimage
from tests.framework.rendered import ROOT, stack

from inventory_operator.api import stack as api_stack
from inventory_service.app import create_app
from inventory_service.settings import load

DOWN = Expectation("InventoryDown")
TIMES = Times(quiet=10.0, fault=100.0, recovery=200.0)
CHANGES = [Change(101.0, "InventoryDown", "pending"), Change(160.0, "InventoryDown", "firing")]
DELIVERIES = [
    Delivery(190.0, "firing", "InventoryDown", "critical"),
    Delivery(500.0, "resolved", "InventoryDown", "critical"),
]


def row(expected=DOWN, times=TIMES, changes=CHANGES, deliveries=DELIVERIES, inhibited=()) -> Row:
    return complete(Row("service-down", "no pod"), expected, times, changes, deliveries, inhibited)


# Evidence


def test_the_worst_of_several_alerts_of_a_name_counts() -> None:
    def alert(name: str, state: str) -> dict[str, Any]:
        return {"labels": {"alertname": name}, "state": state}

    found = states([alert("A", "firing"), alert("A", "pending"), alert("B", "pending")])
    assert found == {"A": "firing", "B": "pending"}
    assert changes({"A": "pending", "C": "firing"}, found, 7.0) == [
        Change(7.0, "A", "firing"),
        Change(7.0, "B", "pending"),
        Change(7.0, "C", "inactive"),
    ]


def test_the_right_alert_alone_is_as_expected() -> None:
    found = row()
    assert (found.firing, found.delivered, found.resolved) == (60.0, 90.0, 300.0)
    assert found.problems == []
    assert found.others == {}


def test_what_else_is_not_inactive_is_listed_with_its_reason() -> None:
    besides = [
        Change(50.0, "TooEarly", "pending"),
        Change(120.0, "ServicePodDown", "pending"),
        Change(150.0, "ServicePodDown", "firing"),
        Change(150.0, "TargetDown", "pending"),
        Change(155.0, "TargetDown", "inactive"),
        Change(170.0, "Late", "firing"),
        Change(101.0, "Watchdog", "firing"),
    ]
    found = row(changes=[*CHANGES, *besides], inhibited=["ServicePodDown"])
    assert found.others == {"ServicePodDown": "inhibited", "TargetDown": "pending", "Late": "firing"}
    assert found.problems == []


def test_another_delivery_is_a_problem_whenever_it_came() -> None:
    for at in (50.0, 150.0, 600.0):
        found = row(deliveries=[*DELIVERIES, Delivery(at, "firing", "ServiceSlow", "warning")])
        assert found.problems == [f"ServiceSlow was delivered, {at - 100:+.0f} s from the fault"]


def test_what_may_come_afterwards_may_not_come_before() -> None:
    expected = Expectation("InventoryDown", frozenset({"Ticket"}))
    good = row(expected, deliveries=[*DELIVERIES, Delivery(300.0, "firing", "Ticket", "warning")])
    assert (good.afterwards, good.problems) == (["Ticket"], [])
    tickets = [Delivery(at, "firing", "Ticket", "warning") for at in (150.0, 300.0)]
    bad = row(expected, deliveries=[*DELIVERIES, *tickets])
    assert bad.problems == ["Ticket was delivered, +50 s from the fault"]


def test_what_did_not_happen_is_a_problem() -> None:
    assert row(changes=[], deliveries=[]).problems == [
        "InventoryDown did not fire",
        "InventoryDown did not reach the receiver",
        "InventoryDown was not resolved at the receiver",
    ]
    early = [Change(60.0, "Other", "firing")]
    assert row(changes=[*early, *CHANGES]).problems == ["Other fired before the fault"]


def test_a_stack_without_a_fault_must_get_no_delivery() -> None:
    undisturbed = Times(quiet=10.0)
    found = row(Expectation(None), undisturbed, changes=[Change(20.0, "TargetDown", "pending")], deliveries=[])
    assert found.problems == []
    found = row(Expectation(None), undisturbed, changes=[], deliveries=DELIVERIES[:1])
    assert found.problems == ["InventoryDown was delivered"]


def test_a_story_that_broke_off_keeps_what_it_saw() -> None:
    found = row(times=Times(quiet=10.0, fault=100.0), deliveries=[])
    assert (found.firing, found.delivered, found.resolved) == (60.0, None, None)
    assert found.problems == ["InventoryDown did not reach the receiver"]


# The receiver


def notification(status: str, name: str) -> bytes:
    return json.dumps({"alerts": [{"status": status, "labels": {"alertname": name, "severity": "info"}}]}).encode()


def test_a_notification_is_read() -> None:
    (found,) = read(notification("resolved", "A"), 3.0)
    assert (found.at, found.status, found.alert, found.severity) == (3.0, "resolved", "A", "info")


def test_the_receiver_keeps_what_was_posted_by_path() -> None:
    with Receiver("127.0.0.1") as receiver:
        for path, name in (("one", "A"), ("two", "B"), ("one", "C")):
            with urllib.request.urlopen(receiver.url(path), notification("firing", name), timeout=60) as answer:
                assert answer.status == 200
        assert [d.alert for d in receiver.deliveries("one")] == ["A", "C"]
        assert [d.alert for d in receiver.deliveries("two")] == ["B"]
        assert receiver.deliveries("three") == []


# The service that misbehaves


def test_the_service_counts_and_times_what_was_asked_for() -> None:
    app = wrapped(lambda: create_app(load({"DATABASE_URL": "sqlite:////tmp/none/inventory.db"})))()
    client = app.test_client()
    assert client.get("/livez").status_code == 200
    assert client.get("/livez", headers={HEADER: "error"}).status_code == 500
    before = client.get("/metrics").text
    assert client.get("/livez", headers={HEADER: "sleep=0.06"}).status_code == 200
    after = client.get("/metrics").text
    assert re.search(r'http_requests_total\{endpoint="/livez",method="GET",status="500"\} 1\.0', after), after

    # How long the others take depends on the machine: what counts is what the one that sleeps adds.
    def added(sample: str) -> float:
        pattern = rf"^http_request_duration_seconds_{sample}" + r",method=\"GET\"\} (\S+)$"
        first, second = (float(re.search(pattern, text, re.MULTILINE)[1]) for text in (before, after))
        return second - first

    assert added(r'bucket\{endpoint="/livez",le="0\.05"') == 0
    assert added(r'bucket\{endpoint="/livez",le="\+Inf"') == 1
    assert added(r'sum\{endpoint="/livez"') >= 0.06


def packed(files: dict[str, bytes]) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        for name, content in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    return out.getvalue()


def test_the_image_has_one_layer_more(tmp_path) -> None:
    folder = "opt/venv/lib/python3.13/site-packages/inventory_service"
    shipped = b"def application():\n    return 'shipped'\n"
    config = {"rootfs": {"diff_ids": ["sha256:1"]}, "config": {"User": "10001"}}
    manifest = [{"Config": "c.json", "RepoTags": ["a:1"], "Layers": ["1.tar"]}]
    inside = {"1.tar": packed({f"{folder}/wsgi.py": shipped}), "c.json": json.dumps(config).encode()}
    (tmp_path / "old.tar").write_bytes(packed({**inside, "manifest.json": json.dumps(manifest).encode()}))
    derivedimage.write(tmp_path / "old.tar", tmp_path / "new.tar", "a:faulty", faultyimage.layer)
    with tarfile.open(tmp_path / "new.tar") as tar:
        image = derivedimage.Archive(tar)
        assert image.entry["RepoTags"] == ["a:faulty"]
        assert image.config["config"] == {"User": "10001"}
        assert len(image.config["rootfs"]["diff_ids"]) == len(image.layers) == 2
        image.layers = image.layers[1:]
        _, wsgi = image.find(re.compile(r".*/wsgi\.py"))
        _, misbehaviour = image.find(re.compile(r".*/misbehaviour\.py"))
    assert wsgi.startswith(shipped)
    assert b"application = wrapped(application)" in wsgi
    compile(wsgi, "wsgi.py", "exec")
    assert misbehaviour == faultyimage.MISBEHAVIOUR.read_bytes()


# The statuses of stacks without a fault

ROLLOUT = Replacement("service", began=100.0, ended=160.0)


def said(condition, reason, at=120.0, message="0 of 1 pods available") -> Said:
    return Said(at, condition, reason, message)


@pytest.mark.parametrize(
    "one",
    [
        said("Ready", "Available", at=10.0),
        said("DatabaseAvailable", "Reachable", at=10.0),
        said("ServiceAvailable", "RollingOut"),
        said("DatabaseAvailable", "NoPodRunning"),
        said("Ready", "Starting"),
    ],
)
def test_what_a_status_says_of_a_healthy_stack(one) -> None:
    assert untrue([one], [ROLLOUT]) == []


@pytest.mark.parametrize(
    "one",
    [
        said("ServiceAvailable", "RollingOut", at=99.0),
        said("ServiceAvailable", "Starting", at=161.0),
        said("PrometheusAvailable", "RollingOut"),
        said("Stalled", "RollingOut"),
        said("ServiceAvailable", "NotReady"),
        said("Ready", "ApplyFailed", at=10.0),
    ],
)
def test_a_reason_without_a_cause_is_told(one) -> None:
    assert untrue([one, one], [ROLLOUT]) == [
        f"the status said {one.type} {one.reason} without a cause: 0 of 1 pods available"
    ]


def test_a_rollout_that_goes_on_explains_until_it_ends() -> None:
    assert untrue([said("Ready", "RollingOut", at=9999.0)], [Replacement("prometheus", began=100.0)]) == []


# The run


def test_fields_are_merged_map_by_map() -> None:
    assert merged({"a": {"b": 1, "c": [1]}}, {"a": {"c": [2], "d": 3}}) == {"a": {"b": 1, "c": [2], "d": 3}}
    assert merged(BASE, {}) == BASE
    assert merged({"a": {"b": 1, "c": 2}}, {"a": {"b": None}}) == {"a": {"c": 2}}


def test_each_fault_waits_for_an_alert_that_is_shipped() -> None:
    rules = (ROOT / "templates/prometheus/config").rglob("*.rules.yml*")
    shipped = {name for file in rules for name in re.findall(r"- alert: (\w+)", file.read_text("utf-8"))}
    wanted = {name for fault in FAULTS for name in (fault.expected.alert, *fault.expected.afterwards) if name}
    assert wanted <= shipped


@pytest.mark.parametrize("name", runner.SCENARIOS)
def test_each_stack_is_one_that_the_operator_follows(name) -> None:
    _, fault = runner.SCENARIOS[name]
    parsed = api_stack.parse(stack(**merged(BASE, fault.spec)))
    assert not parsed.grafana.enabled
    assert parsed.prometheus.scrape_interval == api_stack.parse(stack()).prometheus.scrape_interval
    assert set(parsed.alerting.receivers.webhook.domains) == {"service", "business", "monitoring", "operator"}


def test_a_latch_waits_for_all() -> None:
    latch = Latch(2)
    latch.arrive()
    assert latch.missing() == 1
    latch.arrive()
    assert latch.missing() == 0


def test_a_story_that_breaks_off_unforeseen_costs_no_other_its_row() -> None:
    future: Future[Row] = Future()
    future.set_exception(KeyError("x"))
    found = runner._row("low-stock", future)
    assert found.problems == ["KeyError: 'x'"]
    text = report.table([found, row()], "machine", 130.0)
    assert "1 of 2 as expected, in 2 min 10 s." in text
    assert "| nothing |  |  | none |  | no |" in text
    assert "| `service-down`: no pod | InventoryDown | 1 min | 1 min 30 s | none | 5 min | yes |" in text


def test_text_of_others_stays_in_its_cell() -> None:
    found = Row("a", "what", problems=["x | y\nz"], notes=["one\n| two"], others={"B": "pending", "A": "firing"})
    text = report.table([found], "machine", 1.0)
    assert "- `a`: **x \\| y z**." in text
    assert "- `a`: one \\| two." in text
    assert "A (firing), B (pending)" in text


def test_the_report_as_json_says_whether_it_is_as_expected() -> None:
    data = json.loads(json.dumps(report.as_json([row()], "machine", 1.0)))
    assert data["rows"][0]["as_expected"] is True
    assert data["rows"][0]["delivered"] == 90.0


def test_what_is_run_again_takes_the_place_of_its_lines_and_says_so() -> None:
    bad, other = Row("errors", "what", alert="A", problems=["x"], notes=["old"]), row()
    table = report.table([bad, other], "first machine", 60.0)
    page = f"# Before\n\n<!-- measured faults -->\n{table}\n<!-- /measured faults -->\nafter\n"
    assert "1 of 2 as expected, in 1 min." in page
    text = report.again(page, [Row("errors", "what", alert="A", firing=1.0, notes=["new"])], "second machine")
    assert text.startswith("first machine.\n\n2 of 2 as expected, in 1 min.\n")
    assert "| `errors`: what | A | 1 s | never | none | never | yes |" in text
    assert "| `service-down`: no pod | InventoryDown | 1 min |" in text
    assert "- `errors`: run again by itself: second machine." in text
    assert text.endswith("- `errors`: new.")
    assert "old" not in text
    assert "**x**" not in text


def test_the_page_has_a_place_for_the_table() -> None:
    page = (ROOT / "docs/faults.md").read_text("utf-8")
    assert page.count("<!-- measured faults -->") == page.count("<!-- /measured faults -->") == 1
