"""What the check GrafanaConnected makes of the answers of a Grafana, recorded from a real one."""

from __future__ import annotations

import base64
import json
from typing import TYPE_CHECKING, Any

import pytest
from tests.framework.http_ask import asking
from tests.framework.recorded_grafana import DASHBOARD, RecordedGrafana
from tests.framework.verification import obj, part, pod, subject
from tests.framework.webserver import WebServer

from inventory_operator.verification.answer import Outcome
from inventory_operator.verification.ask import Reply
from inventory_operator.verification.grafana_connected import EVERY_SECONDS, PROVISIONED_SECONDS, State, check
from inventory_operator.verification.grafana_credentials import Credentials, credentials
from inventory_operator.verification.grafana_inputs import DashboardReader, administrator
from inventory_operator.verification.panel_queries import Dashboard

if TYPE_CHECKING:
    from inventory_operator.verification.answer import Answer
    from inventory_operator.verification.subject import Subject

HEALTH, SOURCE, SEARCH = "/api/datasources/uid/prometheus/health", "/api/datasources/uid/prometheus", "/api/search"
OVERVIEW = Dashboard(DASHBOARD, "Inventory overview", ())
SLO = Dashboard("inventory-slo", "Inventory SLO and error budget", ())
PASSWORD = "hunter2"
RESTART, STARTS = "delete pod grafana-1, which ", "when it starts"
ANOTHER = "make it one, or name another Secret in spec.grafana.adminSecretName"


def encoded(**data: str) -> dict[str, str]:
    return {key.replace("_", "-"): base64.b64encode(text.encode()).decode() for key, text in data.items()}


LOGIN = credentials("shop-grafana", encoded(admin_user="admin", admin_password=PASSWORD))


class Checked:
    """A stack whose Grafana is asked again and again."""

    def __init__(self, recorded: RecordedGrafana, *, pod_name: str = "grafana-1", **spec: Any) -> None:
        self.grafana, self.spec, self.pod_name, self.seconds = recorded, spec, pod_name, 0.0
        self.state = State(clock=lambda: self.seconds)
        self.login, self.dashboards = LOGIN, [OVERVIEW]

    def subject(self) -> Subject:
        return subject(*part("grafana", pod(self.pod_name, "grafana")), **self.spec)

    async def answer(self) -> Answer:
        return await check(self.subject(), self.grafana, self.login, self.dashboards, self.state)

    async def said(self) -> tuple[str, str]:
        found = await self.answer()
        assert PASSWORD not in repr(found) + repr(self.state)
        assert len(found.message) < 300
        return found.reason, found.message


@pytest.fixture
def grafana() -> RecordedGrafana:
    return RecordedGrafana()


@pytest.fixture
def checked(grafana: RecordedGrafana) -> Checked:
    return Checked(grafana)


async def test_a_grafana_that_is_well(checked: Checked) -> None:
    found = await checked.answer()
    assert found.outcome == Outcome.PASSED
    assert found.message == "Grafana's own check of its data source passes, and it has all 1 dashboards"
    assert checked.grafana.paths == [HEALTH, SOURCE, SEARCH]
    expected = "Basic " + base64.b64encode(b"admin:hunter2").decode()
    assert {header for _, header in checked.grafana.asked} == {expected}
    assert checked.grafana.asked[-1][0] == f"{SEARCH}?type=dash-db&dashboardUIDs={DASHBOARD}"


async def test_a_healthy_data_source_costs_one_request(checked: Checked) -> None:
    await checked.answer()
    checked.grafana.asked.clear()
    assert (await checked.answer()).outcome == Outcome.PASSED
    assert checked.grafana.paths == [HEALTH]
    checked.seconds = EVERY_SECONDS
    await checked.answer()
    assert checked.grafana.paths[1:] == [HEALTH, SOURCE, SEARCH]
    checked.grafana.asked.clear()
    checked.pod_name = "grafana-2"
    await checked.answer()
    assert checked.grafana.paths == [HEALTH, SOURCE, SEARCH], "another pod may have another data source"


async def test_what_does_not_apply(grafana: RecordedGrafana) -> None:
    found = await Checked(grafana, grafana={"enabled": False}).answer()
    assert (found.outcome, found.reason) == (Outcome.SKIPPED, "GrafanaDisabled")
    none = subject(*part("grafana", pod("grafana-1", "grafana", ready=False)))
    found = await check(none, grafana, LOGIN, [], State())
    assert (found.outcome, found.reason) == (Outcome.UNKNOWN, "GrafanaNotReady")
    assert grafana.asked == []


async def test_without_credentials_nothing_is_asked(checked: Checked) -> None:
    checked.login = None
    found = await checked.answer()
    assert (found.outcome, found.reason) == (Outcome.UNKNOWN, "CredentialsMissing")
    assert checked.grafana.asked == []


async def test_after_a_wrong_password_nothing_is_asked_until_the_secret_or_the_pod_changes(checked: Checked) -> None:
    """Five wrong tries lock the account."""
    checked.grafana.answers[HEALTH] = "wrong-password"
    first = await checked.said()
    assert first == (
        "WrongPassword",
        f"Grafana does not take the user and the password of Secret shop-grafana: {RESTART}sets that password {STARTS}",
    )
    for _ in range(20):
        checked.seconds += EVERY_SECONDS
        assert await checked.said() == first
    assert len(checked.grafana.asked) == 1
    # Saved again with the same password: that is no other try.
    checked.login = credentials("shop-grafana", encoded(admin_user="admin", admin_password=PASSWORD + "\n"))
    assert await checked.said() == first
    assert len(checked.grafana.asked) == 1
    checked.login = credentials("shop-grafana", encoded(admin_user="admin", admin_password="another"))
    assert await checked.said() == first
    checked.pod_name = "grafana-2"
    assert (await checked.said())[0] == "WrongPassword"
    assert len(checked.grafana.asked) == 3
    checked.grafana.answers[HEALTH] = "datasource-health-ok"
    checked.pod_name = "grafana-3"
    assert (await checked.answer()).outcome == Outcome.PASSED


async def test_no_second_request_goes_out_in_the_round_of_a_wrong_password(checked: Checked) -> None:
    checked.grafana.answers |= {HEALTH: "datasource-health-prometheus-down", SOURCE: "no-credentials"}
    assert (await checked.said())[0] == "WrongPassword"
    assert checked.grafana.paths == [HEALTH, SOURCE]


@pytest.mark.parametrize(
    ("answers", "reason", "message"),
    [
        (
            {HEALTH: "datasource-health-prometheus-down"},
            "DatasourceUnhealthy",
            "Grafana can't query Prometheus at http://shop-prometheus:9090: the connection is refused",
        ),
        (
            {HEALTH: Reply(400, b'{"message":"read udp 10.0.0.1:41734->10.96.0.10:53: i/o timeout","status":"ERROR"}')},
            "DatasourceUnhealthy",
            "Grafana can't query Prometheus at http://shop-prometheus:9090: it does not answer in time",
        ),
        (
            {HEALTH: Reply(502, b"<html>")},
            "DatasourceUnhealthy",
            "Grafana can't query Prometheus at http://shop-prometheus:9090: Grafana answers with 502: read its log",
        ),
        (
            # A missing data source is a server error of the health check: recorded so.
            {HEALTH: "datasource-missing", SOURCE: Reply(404, b'{"message":"Data source not found"}')},
            "DatasourceMissing",
            f"Grafana does not have the data source prometheus: {RESTART}reads it anew {STARTS}",
        ),
        (
            {HEALTH: Reply(403, b'{"message":"permissions needed"}')},
            "AccessDenied",
            f"the user of Secret shop-grafana is not an administrator of Grafana: {ANOTHER}",
        ),
        (
            {HEALTH: "can't be connected to"},
            "GrafanaNotAnswering",
            "port 3000 of pod grafana-1 can't be connected to: read its log",
        ),
        (
            {SOURCE: Reply(502, b"")},
            "GrafanaNotAnswering",
            f"port 3000 of pod grafana-1 answered GET {SOURCE} with 502, expected 200: read its log",
        ),
        (
            {SEARCH: Reply(500, b"")},
            "GrafanaNotAnswering",
            "port 3000 of pod grafana-1 answered GET /api/search with 500, expected 200: read its log",
        ),
    ],
    ids=lambda value: value if isinstance(value, str) and value.isalpha() else "",
)
async def test_what_is_wrong(
    answers: dict[str, str | Reply], reason: str, message: str, grafana: RecordedGrafana, checked: Checked
) -> None:
    grafana.answers |= answers
    assert await checked.said() == (reason, message)
    assert (await checked.answer()).outcome == Outcome.FAILED


async def test_a_data_source_that_somebody_edited(checked: Checked) -> None:
    checked.grafana.prometheus = r"http://evil\n\u001b[31m" + "x" * 200
    reason, message = await checked.said()
    assert reason == "DatasourceChanged"
    assert message.startswith("the data source prometheus of Grafana has the url ")
    assert message.endswith(f"..., expected http://shop-prometheus:9090: {RESTART}reads it anew {STARTS}")
    assert message.isprintable()


async def test_a_dashboard_that_is_missing(checked: Checked) -> None:
    """Grafana reads dashboards after it has started: at first that is no fault."""
    checked.dashboards = [OVERVIEW, SLO]
    found = await checked.answer()
    assert (found.outcome, found.reason) == (Outcome.UNKNOWN, "Provisioning")
    checked.seconds += PROVISIONED_SECONDS
    words = 'Grafana does not have the dashboard "Inventory SLO and error budget" (uid inventory-slo)'
    assert await checked.said() == ("DashboardMissing", f"{words}: read the log of pod grafana-1")
    uids = [{"uid": OVERVIEW.uid}, {"uid": SLO.uid}]
    checked.grafana.answers[SEARCH] = Reply(200, json.dumps(uids).encode())
    assert (await checked.answer()).outcome == Outcome.PASSED


@pytest.mark.parametrize(
    "body", [b"", b"null", b"[]", b'"x"', b"[[[[[", b"\xff", b"[" * 500_000, b'{"status": ["OK"]}']
)
async def test_answers_that_are_none_of_a_grafana(body: bytes, checked: Checked) -> None:
    for path in (HEALTH, SOURCE, SEARCH):
        before = dict(checked.grafana.answers)
        checked.grafana.answers[path] = Reply(200, body)
        checked.state = State()
        assert (await checked.answer()).outcome != Outcome.PASSED
        checked.grafana.answers = before


async def test_over_http(checked: Checked) -> None:
    """Status, body and credentials on the wire."""
    with WebServer("127.0.0.1", checked.grafana.respond) as server:
        async with asking(server.url("")) as ask:

            async def answer() -> Answer:
                return await check(checked.subject(), ask, checked.login, checked.dashboards, State())

            assert (await answer()).outcome == Outcome.PASSED
            assert checked.grafana.paths == [HEALTH, SOURCE, SEARCH]
            assert {header for _, header in checked.grafana.asked} == {LOGIN and LOGIN.authorization}
            checked.grafana.answers |= {HEALTH: "datasource-health-prometheus-down"}
            assert (await answer()).reason == "DatasourceUnhealthy"
            checked.grafana.answers |= {HEALTH: "wrong-password"}
            assert (await answer()).reason == "WrongPassword"


# The Secret, and the ConfigMap


async def test_dashboards_are_read_when_their_config_map_is_another() -> None:
    reader, asked = DashboardReader(), []
    board = {"uid": "inventory-a", "title": "A", "panels": []}
    live: dict[str, Any] | None = {"data": {"a.json": json.dumps(board)}}

    async def get(name: str) -> dict[str, Any] | None:
        asked.append(name)
        return live

    config_map = obj("ConfigMap", "shop-grafana", "grafana", data={"a.json": ""})
    for _ in range(2):
        found = await reader.read(subject(config_map), get)
        assert found
        assert [one.title for one in found.shipped] == ["A"]
    assert asked == ["shop-grafana"]
    config_map["metadata"]["resourceVersion"] = "2"
    board["title"] = "B"
    live = {"data": {"a.json": json.dumps(board)}}
    found = await reader.read(subject(config_map), get)
    assert found
    assert [one.title for one in found.shipped] == ["B"]
    config_map["metadata"]["resourceVersion"] = "3"
    live = None
    assert await reader.read(subject(config_map), get) is None
    assert await reader.read(subject(), get) is None
    assert len(asked) == 3


def test_the_administrator_is_whom_the_spec_names() -> None:
    data = encoded(admin_user="admin", admin_password="generated")
    own = obj("Secret", "shop-grafana", "grafana", data=data)
    found = administrator(subject(own), lambda _: None)
    assert found
    assert (found.secret, found.password) == ("shop-grafana", "generated")
    given = {"team-login": encoded(admin_user="team", admin_password="own")}
    found = administrator(subject(own, grafana={"adminSecretName": "team-login"}), given.get)
    assert found
    assert (found.secret, found.user, found.password) == ("team-login", "team", "own")
    assert administrator(subject(own, grafana={"adminSecretName": "other"}), given.get) is None
    assert administrator(subject(obj("Secret", "other", "grafana")), given.get) is None


@pytest.mark.parametrize(
    ("user", "password", "expected"),
    [
        ("admin", "hunter2", ("admin", "hunter2")),
        (" admin\n", "hunter2\n", ("admin", "hunter2")),
        ("admin", " hunter 2\r\nsecond line", ("admin", " hunter 2")),
        ("admin", "pässwörd", ("admin", "pässwörd")),
    ],
)
def test_credentials_are_read_as_grafana_reads_them(user: str, password: str, expected: tuple[str, str]) -> None:
    found = credentials("s", encoded(admin_user=user, admin_password=password))
    assert found
    assert (found.user, found.password) == expected
    assert base64.b64decode(found.authorization.removeprefix("Basic ")).decode() == ":".join(expected)
    assert repr(found) == "Credentials(secret='s')"


@pytest.mark.parametrize(
    "data",
    [
        None,
        {},
        encoded(admin_user="admin"),
        encoded(admin_user="admin", admin_password="\n"),
        {"admin-user": "YQ==", "admin-password": "no base64"},
        {"admin-user": "YQ==", "admin-password": "/w=="},
    ],
)
def test_a_secret_without_credentials(data: dict[str, str] | None) -> None:
    assert credentials("s", data) is None


def test_credentials_differ_by_their_values() -> None:
    assert Credentials("s", "a", "b") == Credentials("s", "a", "b")
    assert Credentials("s", "a", "b") != Credentials("s", "a", "c")
