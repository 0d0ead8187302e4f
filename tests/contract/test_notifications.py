"""What a real Alertmanager with the rendered configuration sends, to whom, and what it holds back."""

from __future__ import annotations

import itertools
import re
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from tests.contract.alertmanager import Labels, Running, alerting, alerts, running
from tests.framework.api import eventually
from tests.framework.receivers import Mails, Post, Posts
from tests.framework.rendered import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

HOST, PASSWORD = "127.0.0.1", "swordfish"
SERVICE = {name for name, labels in alerts().items() if labels["domain"] == "service"}
BURN = {f"{what}BudgetBurn{how}" for what in ("Availability", "Latency") for how in ("Fast", "Slow")}
#: Which alert fires, and which others are then held back.
HOLDS_BACK = {
    "ProductOutOfStock": {"ProductLowStock", "ProductStockOutPredicted"},
    "ProductLowStock": {"ProductStockOutPredicted"},
    "InventoryDown": SERVICE - {"InventoryDown"},
    "InventoryDatabaseDown": BURN
    | {"ServiceErrorsHigh", "ServiceSlow", "InventoryStockCollectorDown", "ServicePodDown"},
    "AvailabilityBudgetBurnFast": {"AvailabilityBudgetBurnSlow"},
    "LatencyBudgetBurnFast": {"LatencyBudgetBurnSlow"},
    "OperatorDown": {name for name, labels in alerts().items() if labels["domain"] == "operator"} - {"OperatorDown"},
}
RUNBOOK, DASHBOARD = "https://example.com/RUNBOOK.md#productoutofstock", "https://grafana.example/d/overview?a=1&b=2"
TEXTS = {
    "summary": "<!channel> & Mug is out of stock.",
    "description": "It can't be sold.",
    "runbook_url": RUNBOOK,
    "dashboard_url": DASHBOARD,
}
TITLE = "[FIRING] ProductOutOfStock in stack shop/shop"


def alert(name: str, annotations: Labels | None = None, **labels: str) -> dict[str, Any]:
    """Return an alert as Prometheus sends it; it began two minutes ago, so that it is not grouped with later ones."""
    known = alerts().get(name, {}) | {"alertname": name, "namespace": "shop", "stack": "shop", "product_id": "1"}
    since = datetime.now(UTC) - timedelta(minutes=2)
    return {"labels": known | labels, "annotations": annotations or {}, "startsAt": since.isoformat()}


@pytest.fixture(scope="module")
def silent(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """An Alertmanager without receivers; its tests use different stacks."""
    with running(alerting(), tmp_path_factory.mktemp("silent")) as alertmanager:
        yield alertmanager


def test_one_cause_sends_one_alert(silent: Running) -> None:
    """Of any two alerts that fire together, which one is held back."""
    pairs = list(itertools.combinations(sorted(alerts()), 2))
    silent.fire(*(alert(name, stack="-".join(pair)) for pair in pairs for name in pair))
    silent.settle()
    expected = {
        ("-".join(sorted((source, target))), target) for source, targets in HOLDS_BACK.items() for target in targets
    }
    assert {(stack, name) for stack, name in silent.held_back() if "-" in stack} == expected


def test_alerts_of_other_products_and_stacks_are_sent(silent: Running) -> None:
    silent.fire(
        alert("ProductOutOfStock", stack="one"),
        alert("ProductLowStock", stack="one", product_id="2"),
        alert("ProductLowStock", stack="two"),
        alert("ServicePodDown", stack="one"),
        alert("InventoryDown", stack="two"),
    )
    silent.settle()
    assert not {stack for stack, _ in silent.held_back()} & {"one", "two"}


def test_critical_holds_back_the_warning_about_the_same_thing_only(silent: Running) -> None:
    silent.fire(
        alert("Mine", stack="three", severity="critical", pod="a"),
        alert("Mine", stack="three", severity="warning", pod="b"),
    )
    silent.settle()
    assert ("three", "Mine") not in silent.held_back()
    silent.fire(alert("Mine", stack="three", severity="warning", pod="a"))
    silent.settle()
    assert ("three", "Mine") in silent.held_back()


class Notifications:
    """Every kind of receiver, and an Alertmanager that sends to them."""

    def __init__(self, posts: Posts, mails: Mails, alertmanager: Running) -> None:
        self.posts, self.mails, self.alertmanager = posts, mails, alertmanager


@pytest.fixture(scope="module")
def notifications(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Notifications]:
    folder = tmp_path_factory.mktemp("notifications")
    with Posts(HOST) as posts, Mails(HOST, "shop", PASSWORD) as mails:
        values = {f"{kind}/url": posts.url(f"/{kind}") for kind in ("slack", "webhook", "heartbeat")}
        values |= {"email/password": PASSWORD, "pagerduty/routing-key": "R0UTE"}
        for path, value in values.items():
            file = folder / "secrets" / path
            file.parent.mkdir(parents=True)
            file.write_text(value + "\n")
        mail = {"to": ["a@x.example", "b@x.example"], "from": "shop@x.example", "smarthost": mails.smarthost}
        mail |= {"username": "shop", "secretKeyRef": {"name": "mail"}, "requireTLS": False}
        objects = alerting(
            receivers={
                "slack": {"secretKeyRef": {"name": "a"}, "channel": "#stock", "severities": ["critical", "info"]},
                "email": mail,
                "webhook": {"secretKeyRef": {"name": "b"}, "muteTimes": ["always"], "severities": ["info", "warning"]},
                "pagerDuty": {"secretKeyRef": {"name": "d"}, "severities": ["critical"]},
            },
            escalation={"to": "slack", "after": "1m"},
            heartbeat={"secretKeyRef": {"name": "c"}, "interval": "30s"},
            muteTimes=[{"name": "always"}],
        )
        with running(objects, folder, pagerduty_url=posts.url("/pagerduty")) as alertmanager:
            alertmanager.fire(
                alert("Watchdog"),
                alert("ProductOutOfStock", TEXTS),
                alert("Warned", severity="warning"),
            )
            yield Notifications(posts, mails, alertmanager)


def test_slack_is_notified_late_and_shown_what_to_do(notifications: Notifications) -> None:
    """It is who escalations go to, so that it gets what is critical by them only."""

    def critical() -> list[Any]:
        return [post for post in notifications.posts.at("/slack") if "ProductOutOfStock" in str(post.body)]

    (post,) = eventually(critical, "the escalation")
    assert post.body["channel"] == "#stock"
    shown = post.attachment
    assert shown["title"] == "[FIRING, ESCALATED] ProductOutOfStock in stack shop/shop"
    assert (shown["title_link"], shown["color"], shown["fallback"]) == (DASHBOARD, "danger", shown["title"])
    assert shown["text"].splitlines() == [
        "Nobody has ended or silenced it in time.",
        "*&lt;!channel&gt; &amp; Mug is out of stock.*",
        "It can't be sold.",
        f"<{DASHBOARD.replace('&', '&amp;')}|Dashboard>",
        f"<{RUNBOOK}|Runbook>",
    ]


def test_a_long_list_is_cut(notifications: Notifications) -> None:
    """Of alerts that began long ago Alertmanager tells at once: of as many as it has read by then, often of all."""
    stacks = (f"many{number}" for number in itertools.count())

    def of_all() -> Post | None:
        stack = next(stacks)
        twelve = [alert("Many", {"summary": f"{n}."}, severity="info", stack=stack, number=str(n)) for n in range(12)]
        notifications.alertmanager.fire(*twelve)

        def sent() -> list[Post]:
            posts = notifications.posts.at("/slack")
            return [post for post in posts if post.attachment["title"].endswith(f" Many in stack shop/{stack}")]

        first = eventually(sent, f"the message about {stack}")[0]
        return first if first.attachment["title"] == f"[FIRING: 12] Many in stack shop/{stack}" else None

    post = eventually(of_all, "a message about all twelve")
    assert post is not None
    assert post.attachment["color"] == "warning"
    lines = post.attachment["text"].splitlines()
    assert (len(lines), lines[-1]) == (11, "These are 10 of 12.")


def test_mail_says_the_same_as_text_and_as_html(notifications: Notifications) -> None:
    def found() -> list[Any]:
        return [mail for mail in notifications.mails.kept if "ProductOutOfStock" in mail.message["Subject"]]

    (mail,) = eventually(found, "the mail")
    assert (mail.sender, mail.recipients) == ("shop@x.example", ["a@x.example", "b@x.example"])
    assert (mail.message["Subject"], mail.message["To"]) == (TITLE, "a@x.example, b@x.example")
    assert mail.part("plain").splitlines() == [
        TITLE,
        "",
        TEXTS["summary"],
        TEXTS["description"],
        f"Dashboard: {DASHBOARD}",
        f"Runbook: {RUNBOOK}",
    ]
    html = mail.part("html")
    assert "<strong>&lt;!channel&gt; &amp; Mug is out of stock.</strong>" in html
    assert f'<a href="{RUNBOOK}">Runbook</a>' in html
    assert f'<a href="{DASHBOARD.replace("&", "&amp;")}">Dashboard</a>' in html
    assert not notifications.mails.refused


def test_pagerduty_gets_what_its_api_wants(notifications: Notifications) -> None:
    """The names are those of its Events API v2; nothing was sent to PagerDuty itself."""
    (post,) = eventually(lambda: notifications.posts.at("/pagerduty"), "the event")
    event, payload = post.body, post.body["payload"]
    assert (event["routing_key"], event["event_action"], event["client"]) == ("R0UTE", "trigger", "InventoryStack")
    assert payload["summary"] == f"{TITLE}: {TEXTS['summary']}"
    assert (payload["severity"], payload["source"], payload["component"]) == ("critical", "shop/shop", "business")
    assert event["links"] == [{"href": DASHBOARD, "text": "Dashboard"}, {"href": RUNBOOK, "text": "Runbook"}]


def test_the_heartbeat_is_sent_to_its_receiver_only(notifications: Notifications) -> None:
    first, *_ = eventually(lambda: notifications.posts.at("/heartbeat"), "the heartbeat")
    assert first.alerts == {"Watchdog"}
    posts, mails = notifications.posts.at("/slack"), notifications.mails.kept
    sent = str([post.body for post in posts] + [str(mail.message) for mail in mails])
    assert "Watchdog" not in sent


def test_a_muted_receiver_gets_nothing(notifications: Notifications) -> None:
    eventually(lambda: [m for m in notifications.mails.kept if "Warned" in m.message["Subject"]], "the other mails")
    assert not notifications.posts.at("/webhook")


def test_a_secret_that_changes_is_used_at_once_and_a_missing_one_stops_no_other(tmp_path: Path) -> None:
    receivers = {
        "slack": {"secretKeyRef": {"name": "missing"}},
        "webhook": {"secretKeyRef": {"name": "hook"}},
    }
    file = tmp_path / "secrets" / "webhook" / "url"
    file.parent.mkdir(parents=True)
    with Posts(HOST) as posts, running(alerting(receivers=receivers), tmp_path) as alertmanager:
        for path in ("/old", "/new"):
            file.write_text(posts.url(path))
            alertmanager.fire(alert(f"To{path.strip('/').title()}", severity="critical"))
            (post,) = eventually(lambda path=path: posts.at(path), f"the message at {path}")
            assert post.alerts == {f"To{path.strip('/').title()}"}


def test_the_page_about_alerts_lists_each_where_it_belongs() -> None:
    rows = re.findall(r"^\| (\w+)[ ³]*\| (\[.*) \|$", (ROOT / "docs/alerting.md").read_text("utf-8"), re.MULTILINE)
    listed = {
        name: (severity, domain)
        for domain, cells in rows
        for severity, cell in zip(("critical", "warning", "info"), cells.split("|"), strict=True)
        for name in re.findall(r"\[(\w+)\]", cell)
    }
    shipped = {name: (labels["severity"], labels["domain"]) for name, labels in alerts().items()}
    assert listed | {"Watchdog": ("none", "monitoring")} == shipped
