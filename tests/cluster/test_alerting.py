"""Alerts of a real stack are received, in Slack, by mail and by a webhook: in time, once, and to their end.

Two Alertmanagers send to the receivers of the test, which are on the node's own address. The tests build on one
another.
"""

from __future__ import annotations

import base64
import json
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from tests.cluster.notifications import Notifications, Peer
from tests.framework.api import condition, eventually, stack
from tests.framework.database import secret
from tests.framework.receivers import Mails, Posts
from tests.framework.stacks import NO_GRAFANA, is_ready

from devcluster.install import DEPLOYMENT, NAMESPACE
from devcluster.node.network import NODE_ADDRESS

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.xdist_group("alerting")

ACCOUNT, PASSWORD = "shop", "p4ss-0123456789abcdef"
#: The secret part of each URL; NEXT is what Slack's is changed to.
SLACK, HOOK, BEAT, NEXT = (f"/{name}/T0KEN-{name}-0123456789" for name in ("slack", "hook", "beat", "next"))
OUT_OF_STOCK = "ProductOutOfStock"
SUMMARY = "Mug <b>& more</b> is out of stock."


def spec(smarthost: str) -> dict[str, Any]:
    business = {"domains": ["business"]}
    mail = {"to": ["ops@shop.example", "owner@shop.example"], "from": "alerts@shop.example", "smarthost": smarthost}
    mail |= {"username": ACCOUNT, "secretKeyRef": {"name": "mail"}, "requireTLS": False}
    receivers = {
        "slack": {"secretKeyRef": {"name": "slack"}, "channel": "#stock", **business},
        "email": {**mail, **business},
        "webhook": {"secretKeyRef": {"name": "hook"}, **business},
        "pagerDuty": {"secretKeyRef": {"name": "pager"}, "severities": ["info"], "muteTimes": ["nights"], **business},
    }
    alerting = {
        "replicas": 2,
        "receivers": receivers,
        "escalation": {"to": "webhook", "after": "1m"},
        "heartbeat": {"secretKeyRef": {"name": "beat"}, "interval": "30s"},
        # It needs the list of zones, in the operator's image and in Alertmanager's.
        "muteTimes": [{"name": "nights", "location": "America/Argentina/Buenos_Aires"}],
    }
    return {**NO_GRAFANA, "containerMetrics": "none", "prometheus": {"scrapeInterval": "5s"}, "alerting": alerting}


@pytest.fixture(scope="module")
def notifications(api, installed, new_namespace) -> Iterator[Notifications]:
    """Starts without one of the Secrets, which stops only its receiver; then a product is out of stock."""
    with (
        Posts(NODE_ADDRESS) as posts,
        Mails(NODE_ADDRESS, ACCOUNT, PASSWORD) as mails,
        new_namespace("alerting") as namespace,
    ):
        for name, path in (("slack", SLACK), ("hook", HOOK), ("beat", BEAT)):
            api.create(secret(name, {"url": posts.url(path)}), namespace)
        api.create(secret("mail", {"password": PASSWORD}), namespace)
        api.apply(stack(spec=spec(mails.smarthost)), namespace)

        def named() -> bool:
            said = condition(api.get("InventoryStack", namespace, "shop"), "AlertmanagerAvailable")
            return "receivers.pagerDuty.secretKeyRef" in said.get("message", "")

        eventually(named, "the missing Secret to be named")
        eventually(lambda: len(posts.at(BEAT)) > 0, "the heartbeat all the same")
        api.create(secret("pager", {"routing-key": "never used"}), namespace)
        eventually(lambda: is_ready(api, namespace), "the stack to be Ready")
        found = Notifications(api, namespace, posts, mails)
        made = found.service.request(
            "POST", "api/products", {"name": "Mug <b>& more</b>", "sku": "MUG-1", "stock_level": 0}
        )
        assert made.status_code == 201, made.text
        yield found


def test_slack_shows_what_it_is_and_what_to_do(notifications) -> None:
    post = notifications.slack(SLACK, OUT_OF_STOCK)
    shown = post.attachment
    assert shown["title"] == f"[FIRING] {OUT_OF_STOCK} in stack {notifications.namespace}/shop"
    assert (post.body["channel"], shown["color"]) == ("#stock", "danger")
    assert "*Mug &lt;b&gt;&amp; more&lt;/b&gt; is out of stock.*" in shown["text"]
    assert "(SKU MUG-1) has no stock left" in shown["text"]
    assert "RUNBOOK.md#productoutofstock" in shown["text"]
    assert shown["title_link"].startswith("http")


def test_mail_comes_from_the_account_and_says_the_same(notifications) -> None:
    mail = notifications.mail(OUT_OF_STOCK)
    assert (mail.sender, mail.recipients) == ("alerts@shop.example", ["ops@shop.example", "owner@shop.example"])
    assert mail.message["Subject"] == f"[FIRING] {OUT_OF_STOCK} in stack {notifications.namespace}/shop"
    assert SUMMARY in mail.part("plain")
    assert "RUNBOOK.md#productoutofstock" in mail.part("plain")
    assert "Mug &lt;b&gt;&amp; more&lt;/b&gt; is out of stock." in mail.part("html")
    assert not notifications.mails.refused


def test_the_escalation_is_sent_after_its_time_and_not_before(notifications) -> None:
    post = notifications.webhook(HOOK, OUT_OF_STOCK, "escalation")
    (alert,) = post.body["alerts"]
    assert post.at - datetime.fromisoformat(alert["startsAt"]) >= timedelta(minutes=1)
    assert alert["annotations"]["summary"] == SUMMARY
    assert alert["labels"].items() >= {"stack": "shop", "namespace": notifications.namespace, "sku": "MUG-1"}.items()


def test_the_heartbeat_is_sent_to_its_receiver_only(notifications) -> None:
    eventually(lambda: len(notifications.posts.at(BEAT)) >= 3, "three beats")
    assert {name for post in notifications.posts.at(BEAT) for name in post.alerts} == {"Watchdog"}
    others = [post.body for path in (SLACK, HOOK) for post in notifications.posts.at(path)]
    assert "Watchdog" not in json.dumps(others) + str([mail.message["Subject"] for mail in notifications.mails.kept])


def test_a_new_url_is_used_without_a_restart(notifications, kubectl) -> None:
    before = notifications.peers()
    url = notifications.posts.url(NEXT)
    notifications.api.patch(
        "Secret", notifications.namespace, "slack", {"data": {"url": base64.b64encode(url.encode()).decode()}}
    )
    for peer in before:
        words = ("exec", peer.pod["metadata"]["name"], "--", "cat", "/etc/alertmanager/secrets/slack/url")
        read = kubectl.inside(notifications.namespace).run
        eventually(lambda words=words, read=read: read(*words, check=False).stdout == url, "the new value")
    for peer in before:
        peer.fire("Rotated")
    notifications.slack(NEXT, "Rotated")
    notifications.webhook(HOOK, "Rotated", "webhook")
    after = notifications.peers()
    assert [peer.pod["metadata"]["uid"] for peer in after] == [peer.pod["metadata"]["uid"] for peer in before]
    assert [restarts(peer) for peer in after] == [restarts(peer) for peer in before]


def restarts(peer: Peer) -> int:
    return int(peer.pod["status"]["containerStatuses"][0]["restartCount"])


def test_the_loss_of_a_peer_loses_no_alert(notifications) -> None:
    lost, left = notifications.peers()
    notifications.api.delete("Pod", notifications.namespace, lost.pod["metadata"]["name"])
    left.fire("Lonely")
    notifications.slack(NEXT, "Lonely")

    def another() -> bool:
        uids = [peer.pod["metadata"]["uid"] for peer in notifications.peers()]
        return lost.pod["metadata"]["uid"] not in uids

    eventually(another, "another peer")
    for peer in notifications.peers():
        peer.fire("Lonely")
        peer.fire("Again")
    notifications.slack(NEXT, "Again")


def test_no_secret_is_anywhere_but_in_its_secret(notifications, kubectl) -> None:
    texts = [PASSWORD, "T0KEN"]
    texts += [
        base64.b64encode(text.encode()).decode()
        for text in (PASSWORD, *map(notifications.posts.url, (SLACK, HOOK, BEAT)))
    ]
    inside = kubectl.inside(notifications.namespace)

    def listed() -> set[str]:
        found = kubectl.run("api-resources", "--namespaced", "--verbs=list", "-o", "name", check=False)
        # Another worker adds CloudNativePG's kinds, which this stack has none of, and takes them away at any time.
        kept = {kind for kind in found.stdout.split() if not kind.endswith(".postgresql.cnpg.io")}
        return kept - {"secrets"} if found.returncode == 0 else set()

    kinds = eventually(listed, "all kinds")
    assert {"configmaps", "deployments.apps", "events", "pods", "inventorystacks.inventorystack.dev"} <= kinds
    seen = {kind: inside("get", kind, "-o", "yaml") for kind in sorted(kinds)}
    seen["the operator's log"] = kubectl("-n", NAMESPACE, "logs", f"deployment/{DEPLOYMENT}", "--tail=-1")
    for peer in notifications.peers():
        name = peer.pod["metadata"]["name"]
        seen |= {f"the log of {name}": inside("logs", name), f"the status of {name}": str(peer.get("api/v2/status"))}
    assert not [place for place, text in seen.items() if any(hidden in text for hidden in texts)]
    values = {
        one["metadata"]["name"]: " ".join(base64.b64decode(value).decode() for value in one.get("data", {}).values())
        for one in notifications.api.list("Secret", notifications.namespace)
    }
    holders = {name for name, value in values.items() if PASSWORD in value or "T0KEN" in value}
    assert holders == {"slack", "hook", "beat", "mail"}


def test_the_end_is_sent_and_each_message_was_sent_once(notifications) -> None:
    """It is the last test: two peers have had minutes to tell something twice."""
    (mug,) = notifications.service.read("api/products")["products"]
    assert notifications.service.request("POST", f"api/products/{mug['id']}/restock", {"quantity": 500}).ok
    resolved = notifications.slack(NEXT, OUT_OF_STOCK, "RESOLVED").attachment
    assert resolved["color"] == "good"
    assert "Resolved: Mug &lt;b&gt;&amp; more&lt;/b&gt; is out of stock." in resolved["text"]
    assert f"Resolved: {SUMMARY}" in notifications.mail(OUT_OF_STOCK, "RESOLVED").part("plain")
    notifications.webhook(HOOK, OUT_OF_STOCK, "escalation", "resolved")
    slacked = [post.attachment["title"] for path in (SLACK, NEXT) for post in notifications.posts.at(path)]
    hooked = [
        (post.body["receiver"], post.body["status"], *sorted(post.alerts)) for post in notifications.posts.at(HOOK)
    ]
    mailed = [mail.message["Subject"] for mail in notifications.mails.kept]
    for messages in (slacked, hooked, mailed):
        assert len(set(messages)) == len(messages) >= 2
