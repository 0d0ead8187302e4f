"""Every alert fires where it should and is silent where it should not, as `promtool test rules` sees it."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import yaml
from tests.contract.test_configuration import config_map, written
from tests.contract.test_metrics_used import rules
from tests.rendered import ROOT, sets

if TYPE_CHECKING:
    from pathlib import Path

    from tests.contract.conftest import Tool

CASES = ROOT / "tests/contract/rules/alerts.test.yml"


def test_rules_do_what_they_say(promtool: Tool, tmp_path: Path) -> None:
    folder = written(config_map(sets()["default"], "prometheus"), tmp_path)
    shutil.copy(CASES, folder)
    assert "SUCCESS" in promtool("test", "rules", folder / CASES.name)


def test_every_alert_has_a_case_that_fires_and_one_that_is_silent() -> None:
    alerts = {rule["alert"] for rule in rules(config_map(sets()["default"], "prometheus")) if "alert" in rule}
    cases = yaml.safe_load(CASES.read_text("utf-8"))["tests"]
    checks = [check for case in cases for check in case.get("alert_rule_test", [])]
    assert {check["alertname"] for check in checks if check["exp_alerts"]} == alerts
    assert {check["alertname"] for check in checks if not check["exp_alerts"]} == alerts - {"Watchdog"}
