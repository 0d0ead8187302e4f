"""Every alert fires where it should and is silent where it should not, as `promtool test rules` sees it."""

from __future__ import annotations

import dataclasses
import re
import shutil
from typing import TYPE_CHECKING, Any

import pytest
from tests.contract.rulefiles import PLAIN, Files, alerts, every_rule, files, groups, matchers_of, rule_files, rules
from tests.framework.configurations import config_map, parsed, written
from tests.framework.rendered import INPUTS, ROOT, rendered, stack

from inventory_operator.api.quantities import duration_seconds
from inventory_service.telemetry import request_hooks
from inventory_service.telemetry.request_metrics import _BOUNDS, UNMATCHED

if TYPE_CHECKING:
    from pathlib import Path

    from tests.framework.tools import Tool

CASES = sorted((ROOT / "tests/contract/rules").glob("*.test.yml"))
LINK = re.compile(
    r"""\{\{ with query "inventory:links:info" \}\}\{\{ \. \| first \| label "(\w+)" \}\}\{\{ end \}\}(.*)"""
)
#: Which dashboard an alert leads to, by its domain.
BOARDS = {
    "service": {"overview", "slo"},
    "business": {"overview"},
    "monitoring": {"monitoring"},
    "operator": {"operator"},
}


def cases_of(case: Path) -> list[dict[str, Any]]:
    loaded: list[dict[str, Any]] = parsed(case.read_text("utf-8"))["tests"]
    return loaded


def checks() -> list[dict[str, Any]]:
    return [check for case in CASES for test in cases_of(case) for check in test.get("alert_rule_test", [])]


def links(raw: dict[str, Any], inputs: Any = PLAIN) -> dict[str, str]:
    """Return the labels of the series that alerts take their links from."""
    data = rule_files(config_map(rendered(raw, inputs), "prometheus"))
    (labels,) = [rule["labels"] for rule in rules(data) if rule.get("record") == "inventory:links:info"]
    return dict(labels)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_rules_do_what_they_say(case: Path, promtool: Tool, tmp_path: Path) -> None:
    slo = "burn.rules.yml" in parsed(case.read_text("utf-8"))["rule_files"]
    folder = written(files(slo=slo), tmp_path)
    shutil.copy(case, folder)
    assert "SUCCESS" in promtool("test", "rules", folder / case.name)


def test_every_alert_has_a_case_that_fires_and_one_that_is_silent() -> None:
    assert {check["alertname"] for check in checks() if check["exp_alerts"]} == alerts().keys()
    assert {check["alertname"] for check in checks() if not check["exp_alerts"]} == alerts().keys() - {"Watchdog"}


def test_every_rule_file_is_tested() -> None:
    used = {name for case in CASES for name in parsed(case.read_text("utf-8"))["rule_files"]}
    assert used == files().keys() | files(slo=True).keys()


def test_there_are_alerts_for_everything_that_can_break() -> None:
    assert len(alerts()) >= 18
    assert {rule["labels"]["domain"] for rule in alerts().values()} == BOARDS.keys()


@pytest.mark.parametrize("name", alerts())
def test_every_alert_says_what_a_person_needs(name: str) -> None:
    labels, notes = alerts()[name]["labels"], alerts()[name]["annotations"]
    assert labels.keys() == {"severity", "domain"}, (
        "namespace and stack are those of the series, or the external labels"
    )
    assert labels["severity"] in ({"none"} if name == "Watchdog" else {"critical", "warning", "info"})
    assert notes.keys() == {"summary", "description", "runbook_url", "dashboard_url"}
    assert notes["summary"].endswith(".")
    assert notes["description"].endswith(".")
    runbook, board = LINK.fullmatch(notes["runbook_url"]), LINK.fullmatch(notes["dashboard_url"])
    assert runbook
    assert runbook.groups() == ("runbook", f"#{name.lower()}")
    assert board
    assert board[1] in BOARDS[labels["domain"]]
    assert not board[2]


@pytest.mark.parametrize("name", alerts())
def test_every_alert_has_a_heading_in_the_runbook(name: str) -> None:
    """GitHub makes the anchor from the heading: `#productlowstock`."""
    assert re.search(rf"^#+ {name}$", (ROOT / "RUNBOOK.md").read_text("utf-8"), re.MULTILINE)


def test_no_alert_says_that_it_is_of_another_stack() -> None:
    fired = [(check["alertname"], alert["exp_labels"]) for check in checks() for alert in check["exp_alerts"]]
    for name, labels in fired:
        assert (labels.get("namespace", "shop"), labels.get("stack", "shop")) == ("shop", "shop"), name
    # The external labels say it for these: a kubelet belongs to no stack, and one series comes from no target.
    assert {name for name, labels in fired if "stack" not in labels} == {"Watchdog", "TargetDown"}


def test_links_lead_to_grafana() -> None:
    found = links(stack())
    assert found == {
        "namespace": "shop",
        "stack": "shop",
        **{
            name: f"http://shop-grafana.shop.svc:3000/d/inventory-{name}"
            for name in ("runbook", "overview", "slo", "monitoring", "operator")
        },
        "alertmanager": "http://shop-alertmanager.shop.svc:9093",
    }
    used = {
        match[1] for rule in alerts().values() for match in map(LINK.fullmatch, rule["annotations"].values()) if match
    }
    assert used == {"runbook", "overview", "slo", "monitoring", "operator"}


def test_links_lead_to_where_people_get_in() -> None:
    hosts = {"grafana": "g.example", "prometheus": "p.example"}
    assert links(stack(ingress={"hosts": hosts}))["overview"] == "http://g.example/d/inventory-overview"
    secure = {"hosts": hosts, "tls": {"secretName": "tls"}}
    assert links(stack(ingress=secure))["slo"] == "https://g.example/d/inventory-slo"
    without = links(stack(ingress=secure, grafana={"enabled": False}))
    assert {without[name] for name in ("overview", "slo", "monitoring", "operator")} == {"https://p.example/alerts"}
    assert without["runbook"] == "RUNBOOK.md"
    inside = links(stack(grafana={"enabled": False}))
    assert inside["overview"] == "http://shop-prometheus.shop.svc:9090/alerts"


def test_a_published_runbook_comes_first() -> None:
    inputs = dataclasses.replace(INPUTS, runbook_url="https://runbooks.example/inventory")
    assert links(stack(), inputs)["runbook"] == "https://runbooks.example/inventory"
    assert links(stack(grafana={"enabled": False}), inputs)["runbook"] == "https://runbooks.example/inventory"


def recorded_slos(**slo: Any) -> set[str]:
    text = config_map(rendered(stack(alerting={"slo": slo})), "prometheus")["objectives.rules.yml"]
    return {rule["labels"]["slo"] for rule in rules({"": text}) if "slo" in rule.get("labels", {})}


def test_only_what_is_asked_for_is_counted() -> None:
    assert recorded_slos(availability="99.9") == {"availability"}
    assert recorded_slos(latency={"threshold": "1s", "objective": "95"}) == {"latency"}
    assert recorded_slos(availability="99", latency={"threshold": "1s", "objective": "95"}) == {
        "availability",
        "latency",
    }
    assert "objectives.rules.yml" not in files()


@pytest.mark.parametrize(
    "threshold", ["5ms", "10ms", "25ms", "50ms", "100ms", "200ms", "300ms", "500ms", "1s", "2500ms", "5s", "10s"]
)
def test_slow_is_what_is_above_a_bucket_that_the_service_has(threshold: str) -> None:
    raw = stack(alerting={"slo": {"latency": {"threshold": threshold, "objective": "99"}}})
    text = config_map(rendered(raw), "prometheus")["objectives.rules.yml"]
    (bound,) = re.findall(r'le="([^"]+)"', text)
    assert bound in _BOUNDS
    seconds = float(threshold.removesuffix("ms")) / 1000 if threshold.endswith("ms") else float(threshold[:-1])
    assert float(bound) == seconds


def test_requests_of_probes_and_scrapes_are_not_counted() -> None:
    """One list in all rules, and exactly those that the service itself takes for routine."""
    lists = [value for rule in every_rule() for label, value in matchers_of(rule["expr"]) if label == "endpoint"]
    assert len(set(lists)) == 1
    assert set(lists[0].split("|")) == request_hooks._ROUTINE | {UNMATCHED}


@pytest.mark.parametrize("data", [files(), files(slo=True)], ids=["plain", "slo"])
def test_what_reads_much_is_evaluated_seldom(data: Files) -> None:
    for group in groups(data):
        pause = duration_seconds(group["interval"])
        for rule in group["rules"]:
            windows = [duration_seconds(window) for window in re.findall(r"\[(\w+)\]", rule["expr"])]
            name = rule.get("alert") or rule["record"]
            # One series a process is no matter.
            if name != "PrometheusHistoryCut" and max(windows, default=0) >= duration_seconds("1d"):
                assert pause >= 60, name


def test_failures_are_counted_in_the_steps_of_their_record() -> None:
    """The burn alerts turn the sum of rates into a number of requests."""
    (group,) = [group for group in groups(files(slo=True)) if group["name"] == "objectives"]
    factors = re.findall(r"\]\) \* (\d+) >= ", files(slo=True)["burn.rules.yml"])
    assert set(factors) == {str(duration_seconds(group["interval"]))}
