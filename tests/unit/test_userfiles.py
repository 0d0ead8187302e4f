"""What a user's file is called among ours, and what our own checks refuse and make of it."""

from __future__ import annotations

import json
from typing import Any

import pytest
import yaml
from tests.framework.rendered import ROOT, stack

from inventory_operator.api.stack import parse
from inventory_operator.checks import dashboard, scrape
from inventory_operator.checks.yaml_tree import RefusedError
from inventory_operator.components import user_files

BOARD = {"title": "Orders", "uid": "orders"}
SHARED = {
    "__inputs": [
        {"name": "DS_PROMETHEUS", "type": "datasource", "pluginId": "prometheus"},
        {"name": "VAR_SITE", "type": "constant", "value": "north"},
    ],
    "__requires": [{"type": "grafana"}],
    "__elements": {},
    "panels": [{"datasource": {"uid": "${DS_PROMETHEUS}"}, "title": "${VAR_SITE}: ${__interval}"}],
    **BOARD,
}


def spec(*refs: tuple[str, str], field: str = "additionalRules") -> Any:
    return parse(stack(prometheus={field: [{"name": name, "key": key} for name, key in refs]}))


def jobs(**job: Any) -> str:
    return yaml.safe_dump({"scrape_configs": [{"job_name": "mine", **job}]})


def test_files_are_named_after_where_they_come_from() -> None:
    one, other = user_files(spec(("a-b", "c.yml"), ("a", "b-c.yml")))
    assert (one.target, one.path) == ("user-a-b_c.yml.rules.yml", "spec.prometheus.additionalRules[0]")
    assert one.target != other.target
    (job,) = user_files(spec(("a", "jobs.yml"), field="additionalScrapeConfigs"))
    assert job.target == "user-a_jobs.yml.scrape.yml"


def test_a_file_named_twice_is_one_file() -> None:
    (file,) = user_files(spec(("a", "b"), ("a", "b")))
    assert file.path.endswith("[0]")


def test_dashboards_of_no_grafana_are_nobodys() -> None:
    grafana = {"enabled": False, "dashboards": [{"name": "a", "key": "b"}]}
    assert user_files(parse(stack(grafana=grafana))) == ()


def test_jobs_are_written_anew_as_they_were_read() -> None:
    text = "# my\nscrape_configs:\n  - {job_name: a, sample_limit: 30,\n     honor_labels: on}\n  - job_name: '1:30'\n"
    verdict = scrape.check(text)
    assert verdict.names == [("a", 3), ("1:30", 5)]
    assert verdict.text == (
        'scrape_configs:\n- job_name: a\n  sample_limit: 30\n  honor_labels: on\n- job_name: "1:30"\n'
    )
    assert verdict.lines == {1: 2, 2: 3, 3: 3, 4: 4, 5: 5}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (jobs(basic_auth={"username": "a", "password_file": "/etc/prometheus/secrets/x/password"}), None),
        ("scrape_configs: []", None),
        ("scrape_configs:", None),
        ("scrape_configs: [", "line 1: is not valid YAML"),
        ("scrape_configs: hunter2", "expected a list of jobs"),
        ("- job_name: a", "line 1: expected one field, scrape_configs"),
        (jobs() + "rule_files: [/etc/passwd]\n", "expected one field, scrape_configs"),
    ],
)
def test_scrape_jobs(text: str, words: str | None) -> None:
    if words is None:
        assert yaml.safe_load(str(scrape.check(text).text)) == yaml.safe_load(text)
        return
    with pytest.raises(RefusedError) as refused:
        scrape.check(text)
    assert words in str(refused.value)
    assert "hunter2" not in str(refused.value)


@pytest.mark.parametrize(
    ("board", "words"),
    [
        (BOARD, None),
        ("not json", "line 1: is not valid JSON"),
        ('{"title":\n"\\q"}', "line 2: is not valid JSON: Invalid \\escape"),
        ([], "an object with a title"),
        ({"uid": "a"}, "an object with a title"),
        ({"title": "a"}, "expected a uid"),
        ({"title": "a", "uid": "a" * 41}, "expected a uid"),
        ({"title": "a", "uid": "inventory-overview"}, "all that begins with inventory-"),
        ({"title": "a", "uid": "a", "apiVersion": "dashboard.grafana.app/v2"}, "v2 format"),
        ('{"title": "a", "uid": "a", "uid": "b"}', "a key is twice"),
        ('{"title": "a", "uid": "a", "x": NaN}', "NaN"),
        ('{"title": "a", "uid": "a", "x": 1' + "0" * 5000 + "}", "too many digits"),
        ("\n" + "[" * 400_000, "line 2: nested deeper than 64 levels"),
        ('{"a":' * 100_000, "nested deeper"),
        (SHARED | {"__inputs": [{"name": "DS", "type": "datasource", "pluginId": "loki"}]}, "has Prometheus only"),
        (SHARED | {"__inputs": [{"name": "X", "type": "constant"}]}, "nor a constant"),
        (SHARED | {"__inputs": {"hunter2": 1}}, "a list of objects under __inputs"),
        (SHARED | {"__elements": {"hunter2": {}}}, "library panels"),
    ],
)
def test_dashboards(board: Any, words: str | None) -> None:
    text = board if isinstance(board, str) else json.dumps(board)
    if words is None:
        verdict = dashboard.check(text)
        assert (verdict.text, verdict.names) == (None, [("orders", None)]), "it stays as it is"
        return
    with pytest.raises(RefusedError) as refused:
        dashboard.check(text)
    assert words in str(refused.value)
    assert "hunter2" not in str(refused.value)


def test_brackets_in_a_text_are_no_depth() -> None:
    assert dashboard.check(json.dumps(BOARD | {"description": '"[' * 500})).names == [("orders", None)]


def test_a_dashboard_that_was_exported_for_sharing_gets_the_data_source_of_the_stack() -> None:
    panel = {"datasource": {"uid": "prometheus"}, "title": "north: ${__interval}"}
    assert json.loads(str(dashboard.check(json.dumps(SHARED)).text)) == {"panels": [panel], **BOARD}


def test_the_data_source_is_that_of_the_template() -> None:
    template = (ROOT / "templates/grafana/config/restart/datasource.yaml.j2").read_text()
    assert f"uid: {dashboard.DATASOURCE}\n" in template
