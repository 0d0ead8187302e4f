"""The preview of the dashboards: what it asks Prometheus, and the tables that it makes of answers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from tests.unit.preview_boards import answer_of, dashboard, panel, scope
from tests.unit.prometheus_stub import REFUSED, Stub, vector

from dashboards.preview import asking, tables
from dashboards.preview.errors import PreviewError

if TYPE_CHECKING:
    from dashboards.preview.client import Client

# Asking


def test_a_graph_asks_for_whole_steps(stub: Stub, client: Client) -> None:
    answer_of(panel("timeseries", "rate(x[$__rate_interval])"), client)
    ((path, form),) = stub.asked
    assert (path, form["query"], form["step"]) == ("query_range", "rate(x[40s])", "10")
    assert float(form["end"]) % 10 == 0
    assert float(form["end"]) - float(form["start"]) == 900


def test_a_query_with_a_least_step_keeps_to_it(stub: Stub, client: Client) -> None:
    raw = panel("timeseries", "x")
    raw["targets"][0]["interval"] = "1m"
    answer_of(raw, client)
    assert stub.asked[-1][1]["step"] == "60"


@pytest.mark.parametrize(
    ("answers", "status"),
    [
        ({"a": vector(({}, "1")), "b": vector(({}, "0"))}, "data"),
        ({"a": vector(({}, "1"))}, "partial"),
        ({"a": vector(({}, "1")), "b": vector(({}, "NaN"))}, "partial"),
        ({"a": vector(({}, "NaN"))}, "no data"),
        ({}, "no data"),
        ({"a": vector(({}, "1")), "b": REFUSED}, "error"),
    ],
)
def test_status(answers: dict[str, Any], status: str, stub: Stub, client: Client) -> None:
    stub.answers = answers
    assert answer_of(panel("stat", "a", "b"), client).status == status


def test_an_undefined_variable_is_an_error_of_its_panel_only(stub: Stub, client: Client) -> None:
    stub.answers = {"a": vector(({}, "1"))}
    answers = asking.ask(
        dashboard(panel("stat", "up{a='$b'}", title="$b"), panel("stat", "a", at=(0, 8, 6, 4))), scope(), client
    )
    assert [answer.status for answer in answers] == ["error", "data"]
    assert answers[0].title == "$b"
    assert "$b is not defined" in answers[0].asked[0].error


@pytest.mark.parametrize(("broken", "said"), [(b"<html>", "no JSON"), (b"[1", "no JSON")])
def test_what_is_no_prometheus(broken: bytes, said: str, stub: Stub, client: Client) -> None:
    stub.broken = broken
    with pytest.raises(PreviewError, match=said):
        client.now()


# Tables


def table(
    stub: Stub, client: Client, *transformations: dict[str, Any], **options: Any
) -> tuple[list[str], list[tables.Row]]:
    stub.answers = {
        "a": vector(({"pod": "x", "job": "j"}, "2"), ({"pod": "y", "job": "j"}, "1")),
        "b": vector(({"pod": "y", "job": "j"}, "7")),
    }
    return tables.rows_of(
        answer_of(panel("table", "a", "b", transformations=list(transformations), options=options), client)
    )


def test_queries_of_a_table_are_merged_by_their_labels(stub: Stub, client: Client) -> None:
    columns, rows = table(stub, client, {"id": "merge"})
    assert columns == ["Time", "job", "pod", "Value #A", "Value #B"]
    assert [(row["pod"], row["Value #A"], row.get("Value #B")) for row in rows] == [("x", 2, None), ("y", 1, 7)]


def test_columns_of_a_table_are_organized_and_sorted(stub: Stub, client: Client) -> None:
    organize = {
        "excludeByName": {"Time": True, "job": True},
        "indexByName": {"Value #B": 0, "pod": 1},
        "renameByName": {"pod": "Pod", "Value #B": "Seven"},
    }
    columns, rows = table(stub, client, {"id": "organize", "options": organize}, sortBy=[{"displayName": "Value #A"}])
    assert columns == ["Seven", "Pod", "Value #A"]
    assert [row["Pod"] for row in rows] == ["y", "x"]
    assert all("Time" not in row for row in rows)


ALL = ["Time", "job", "pod", "Value #A", "Value #B"]


def step(name: str, **options: Any) -> dict[str, Any]:
    return {"id": name, "options": options}


@pytest.mark.parametrize(
    ("transformation", "columns", "rows"),
    [
        (step("joinByField", byField="job"), ALL, 1),
        (step("filterFieldsByName", include={"names": ["pod"]}), ["pod"], 2),
        (step("filterFieldsByName", include={"pattern": "^Value"}), ALL[3:], 2),
        (step("renameByRegex", regex="Value #(.)", renamePattern="$1"), [*ALL[:3], "A", "B"], 2),
        (step("sortBy", sort=[{"field": "pod", "desc": True}]), ALL, 2),
        (step("limit", limitField=1), ALL, 1),
        (step("something"), ALL, 2),
    ],
)
def test_transformations(
    transformation: dict[str, Any], columns: list[str], rows: int, stub: Stub, client: Client
) -> None:
    found = table(stub, client, transformation)
    assert found[0] == columns
    assert len(found[1]) == rows
