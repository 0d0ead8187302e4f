"""What the receivers of one stack's alerts got, and the stack's Alertmanagers one by one."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from tests.framework.api import eventually
from tests.framework.prometheus import Part
from tests.framework.stacks import pods

if TYPE_CHECKING:
    from tests.framework.api import Api
    from tests.framework.receivers import Mail, Mails, Post, Posts


class Peer(Part):
    """One of the two Alertmanagers, asked itself."""

    def __init__(self, api: Api, pod: dict[str, Any]) -> None:
        self.pod = pod
        self._api = api
        namespace, name = pod["metadata"]["namespace"], pod["metadata"]["name"]
        self._path = f"api/v1/namespaces/{namespace}/pods/{name}:9093/proxy"

    def fire(self, name: str) -> None:
        """Send a warning that began two minutes ago, so that it waits for no others like it."""
        now = datetime.now(UTC)
        namespace = self.pod["metadata"]["namespace"]
        labels = {"alertname": name, "severity": "warning", "domain": "business", "namespace": namespace}
        alert = {"labels": labels | {"stack": "shop"}, "annotations": {"summary": f"{name} it is."}}
        alert |= {
            "startsAt": (now - timedelta(minutes=2)).isoformat(),
            "endsAt": (now + timedelta(hours=1)).isoformat(),
        }
        assert self.request("POST", "api/v2/alerts", [alert]).ok

    def sees(self) -> int:
        """How many peers it is one of; 0 while it does not answer."""
        status = self.get("api/v2/status")
        return len(status["cluster"].get("peers") or ()) if status else 0


#: Seconds for an alert to reach a receiver: rules wait up to three minutes, Alertmanager one more.
FIRES = 600.0


class Notifications:
    """A stack whose alerts reach the receivers of the test."""

    def __init__(self, api: Api, namespace: str, posts: Posts, mails: Mails) -> None:
        self.api, self.namespace, self.posts, self.mails = api, namespace, posts, mails
        self.service = Part(api, namespace, "shop-inventory", 5000)

    def peers(self) -> list[Peer]:
        """Both Alertmanagers, once they know each other."""

        def found() -> list[Peer]:
            peers = [Peer(self.api, pod) for pod in pods(self.api, self.namespace, "shop", "alertmanager")]
            return peers if [peer.sees() for peer in peers] == [2, 2] else []

        return eventually(found, "the peers to find each other")

    def slack(self, path: str, alert: str, status: str = "FIRING") -> Post:
        """The one message about an alert at a path of Slack's."""

        def found() -> list[Post]:
            return [p for p in self.posts.at(path) if p.attachment["title"].startswith(f"[{status}] {alert} ")]

        (post,) = eventually(found, f"{status} {alert} at {path.split('/')[1]}", FIRES)
        return post

    def webhook(self, path: str, alert: str, receiver: str, status: str = "firing") -> Post:
        """The one message about an alert at the webhook."""

        def found() -> list[Post]:
            posts = [p for p in self.posts.at(path) if (p.body["receiver"], p.body["status"]) == (receiver, status)]
            return [post for post in posts if alert in post.alerts]

        (post,) = eventually(found, f"{status} {alert} at the webhook", FIRES)
        return post

    def mail(self, alert: str, status: str = "FIRING") -> Mail:
        """The one mail about an alert."""

        def found() -> list[Mail]:
            return [m for m in self.mails.kept if m.message["Subject"].startswith(f"[{status}] {alert} ")]

        (mail,) = eventually(found, f"the mail {status} {alert}", FIRES)
        return mail
