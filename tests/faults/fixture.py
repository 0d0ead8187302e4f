"""One stack under test: created, changed and queried as its user would, with some load on its service."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tests.faults.load import Load
from tests.faults.watch import Watch
from tests.framework.api import Api, stack
from tests.framework.database import secret
from tests.framework.prometheus import Part, Prometheus
from tests.framework.stacks import is_ready

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.faults.environment import Environment

Object = dict[str, Any]

STACK = "shop"
STOCK = 50
_READY_SECONDS = 600.0
#: Shipped rules, scrape interval and limits; only what a scheduler reserves is less, for many stacks on one node.
_SERVICE = {"requests": {"cpu": "40m", "memory": "64Mi"}}
_PROMETHEUS = {"requests": {"cpu": "30m", "memory": "64Mi"}}
_ALERTMANAGER = {"requests": {"cpu": "10m", "memory": "32Mi"}}
BASE: Object = {
    "deletionPolicy": "Delete",
    "containerMetrics": "none",
    "service": {"resources": _SERVICE, "database": {"sqlite": {"storage": {"size": "64Mi"}}}},
    "prometheus": {"resources": _PROMETHEUS, "storage": {"size": "1Gi"}},
    "alerting": {
        "resources": _ALERTMANAGER,
        "storage": {"size": "64Mi"},
        "receivers": {
            "webhook": {
                "secretKeyRef": {"name": "receiver", "key": "url"},
                "severities": ["critical", "warning", "info"],
            }
        },
    },
    "grafana": {"enabled": False},
}


def merged(base: Object, more: Object) -> Object:
    """Return `base` with the fields of `more`, map by map; a list is replaced as a whole, None takes a field out."""
    both = {
        key: merged(base[key], value) if isinstance(value, dict) and isinstance(base.get(key), dict) else value
        for key, value in more.items()
    }
    return {key: value for key, value in {**base, **both}.items() if value is not None}


def _with_all(messages: list[str], words: tuple[str, ...]) -> str:
    return next((message for message in messages if all(word in message for word in words)), "")


class StackFixture:
    """A stack in a namespace of its own; `name` is also its path at the receiver."""

    def __init__(self, environment: Environment, name: str, spec: Object, rate: float) -> None:
        self._environment = environment
        self.name = name
        self.spec = merged(BASE, spec)
        self.api = Api(environment.kubeconfig)
        self.namespace = environment.namespace(name)
        self.kubectl = environment.kubectl.inside(self.namespace)
        self.service = Part(self.api, self.namespace, f"{STACK}-inventory", 5000)
        self.prometheus = Prometheus(self.api, self.namespace, STACK)
        self.alertmanager = Part(self.api, self.namespace, f"{STACK}-alertmanager", 9093)
        self.watch = Watch(self.api, self.namespace, STACK)
        products = f"api/v1/namespaces/{self.namespace}/services/{STACK}-inventory:5000/proxy/api/products"
        self.load = Load(environment.kubeconfig, products, rate)
        self.product = 0

    def make(self, prepare: Callable[[StackFixture], object]) -> None:
        """Make the namespace, what `prepare` makes there, the stack and one product, and wait until it is Ready."""
        self._environment.make_namespace(self.namespace)
        prepare(self)
        self.api.create(secret("receiver", {"url": self.receiver_url()}), self.namespace)
        with self._environment.starts:
            self.apply()
            self._wait_ready()
        body = {"name": "Mug", "sku": "MUG-1", "stock_level": STOCK}
        answer = self.service.request("POST", "api/products", body)
        assert answer.status_code == 201, answer.text
        self.product = int(answer.json()["product"]["id"])

    def receiver_url(self) -> str:
        """Return where the stack's notifications go."""
        return self._environment.receiver.url(self.name)

    def _wait_ready(self) -> None:
        try:
            self._environment.until(self.ready, _READY_SECONDS, "the stack to be Ready")
        except AssertionError as error:
            said = [f"{c['type']}={c['status']} {c['reason']}: {c['message']}" for c in self.conditions()]
            raise AssertionError(f"{error}: {'; '.join(said)}") from None

    def ready(self) -> bool:
        """Tell whether the stack says so itself, of what was last asked of it."""
        return is_ready(self.api, self.namespace, STACK)

    def apply(self, **changes: Any) -> None:
        """Apply the stack's spec with `changes`; without any it is as in the beginning."""
        self.api.apply(stack(STACK, merged(self.spec, changes)), self.namespace)

    def conditions(self) -> list[Object]:
        """Return the conditions of the stack's status."""
        found = self.api.get("InventoryStack", self.namespace, STACK)
        conditions: list[Object] = (found or {}).get("status", {}).get("conditions", [])
        return conditions

    def says(self, *words: str) -> str:
        """Return the first message in the stack's status that has all of `words`, or nothing."""
        messages = [condition["message"] for condition in self.conditions()]
        return _with_all(messages, words)

    def posted(self, *words: str) -> str:
        """Return the first message of an Event that has all of `words`, or nothing."""
        return _with_all([event.get("message", "") for event in self.api.list("Event", self.namespace)], words)

    def groups(self) -> dict[str, bool]:
        """Return Prometheus' groups of recording rules: name -> whether the last evaluation of each rule was good."""
        answer = self.prometheus.get("api/v1/rules", type="record")
        groups = answer["data"]["groups"] if answer else []
        return {group["name"]: all(rule["health"] == "ok" for rule in group["rules"]) for group in groups}

    def set_stock(self, level: int) -> None:
        """Set the stock level of the one product."""
        answer = self.service.request("PUT", f"api/products/{self.product}", {"stock_level": level})
        assert answer.status_code == 200, answer.text

    def config_map(self, name: str, **data: str) -> None:
        """Make or change a ConfigMap; a `_` in a key is a dot."""
        content = {key.replace("_", "."): text for key, text in data.items()}
        self.api.apply(
            {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": content}, self.namespace
        )

    def in_prometheus(self, *command: str) -> str:
        """Run a command in Prometheus' pod."""
        return self.kubectl("exec", f"deployment/{STACK}-prometheus", "-c", "prometheus", "--", *command)

    def scale(self, deployment: str, replicas: int) -> None:
        """Scale a Deployment of the stack behind the operator's back."""
        self.api.patch("Deployment", self.namespace, deployment, {"spec": {"replicas": replicas}})
