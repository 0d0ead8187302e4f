"""The rules of grafana's dashboard-linter, which can't be installed here, and what we let it pass over.

A rule is held here with exactly the exclusions that dashboards/.lint gives the linter.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pytest
from tests.framework.boards import dashboards, queries, selectors, with_queries
from tests.framework.configurations import parsed

from dashboards.linter import FILE

if TYPE_CHECKING:
    from collections.abc import Iterator

#: Those of the linter's list that we use.
UNITS = {"none", "short", "percentunit", "s", "bytes", "reqps", "cps"}
every = pytest.mark.parametrize("board", dashboards().values(), ids=dashboards())


def variables(board: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {variable["name"]: variable for variable in board["templating"]["list"]}


def excluded() -> dict[str, dict[str, Any]]:
    exclusions: dict[str, dict[str, Any]] = parsed(FILE.read_text("utf-8"))["exclusions"]
    return exclusions


@every
def test_template_datasource_rule(board: dict[str, Any]) -> None:
    (source,) = [variable for variable in variables(board).values() if variable["type"] == "datasource"]
    assert (source["name"], source["label"], source["query"]) == ("datasource", "Data source", "prometheus")


@every
@pytest.mark.parametrize("name", ["job", "namespace", "stack", "pod"])
def test_template_job_rule(board: dict[str, Any], name: str) -> None:
    """The linter wants it of `job`; the others are the same, so that they work in the same way."""
    variable = variables(board)[name]
    assert variable["type"] == "query"
    assert variable["datasource"] == {"type": "prometheus", "uid": "${datasource}"}
    assert variable["label"] == name.title()
    assert variable["multi"]
    assert variable["includeAll"]
    assert variable["allValue"] == ".+"
    assert variable["current"]["value"] == ["$__all"]


@every
def test_template_label_promql_and_on_time_change_reload_rules(board: dict[str, Any]) -> None:
    for variable in variables(board).values():
        if variable["type"] == "query":
            assert re.fullmatch(r"label_values\(\S*(\{.*\})?, [a-z]+\)", variable["query"]), variable["name"]
            assert variable["refresh"] == 2


@every
def test_uneditable_dashboard(board: dict[str, Any]) -> None:
    assert board["editable"] is False


@every
def test_panel_rules(board: dict[str, Any]) -> None:
    """panel-datasource, panel-title-description, panel-no-targets, panel-units."""
    for panel in with_queries(board):
        assert panel["datasource"]["uid"] == "${datasource}"
        assert panel["title"]
        assert panel["description"]
        assert panel["targets"]
        defaults = panel["fieldConfig"]["defaults"]
        overrides = [each for rule in panel["fieldConfig"].get("overrides", []) for each in rule["properties"]]
        assert {defaults["unit"], *[each["value"] for each in overrides if each["id"] == "unit"]} <= UNITS


@every
def test_target_rate_interval_rule(board: dict[str, Any]) -> None:
    for query in queries(board):
        bare = re.sub(r"\"[^\"]*\"", "", query.expr)
        assert set(re.findall(r"\[([^\]]+)\]", bare)) <= {"$__rate_interval"}, query


@every
def test_target_counter_agg_rule(board: dict[str, Any]) -> None:
    for query in queries(board):
        plain = re.sub(r"\b(rate|irate|increase)\([a-z_]+_total\{[^}]*\}\[", "", query.expr)
        assert not re.search(r"_total\b", plain), query


def without_job() -> Iterator[tuple[str, str, str]]:
    """Yield each query with a selector that the variable `job` does not narrow."""
    for board in dashboards().values():
        for query in queries(board):
            if any(("job", "=~", "$job") not in selector.matchers for selector in selectors(query.expr)):
                yield query.board, query.panel, str(query.place)


def test_target_job_rule() -> None:
    listed = [
        (each["dashboard"], each["panel"], each["targetIdx"]) for each in excluded()["target-job-rule"]["entries"]
    ]
    assert sorted(listed) == sorted(without_job())


@every
def test_only_what_is_recorded_has_no_job(board: dict[str, Any]) -> None:
    for query in queries(board):
        for metric, matchers in selectors(query.expr):
            if ("job", "=~", "$job") not in matchers:
                assert re.match(r"inventory:|ALERTS$", metric), query


def test_every_exclusion_has_its_reason() -> None:
    """Two rules are left out as a whole: `instance` is an address that changes with each restart of a pod."""
    assert excluded().keys() == {"template-instance-rule", "target-instance-rule", "target-job-rule"}
    for rule, exclusion in excluded().items():
        assert len(exclusion["reason"]) > 20, rule
    assert not FILE.parent.samefile(FILE.parents[1] / "templates/grafana/config/reload")
