"""No byte of a user's file or Secret is in what the operator writes and says, but in the file's own place.

Each place has a text of its own that is looked for. Of the places of one component only the first is in a status: so
each is the only one of its component in a stack.
"""

from __future__ import annotations

import base64
import itertools
import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest
from tests.framework.api import CHILD_KINDS, Api, eventually, stack

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.framework.operators import Operator

pytestmark = pytest.mark.xdist_group("operator")

#: In the texts below it stands for that of the place; what is made of it is not cut, as `user:pa...` is.
C = "CANARY"
KEY = "f"
NAMESPACES = ("canaries-a", "canaries-b")
TARGETS = {"additionalRules": ".rules.yml", "additionalScrapeConfigs": ".scrape.yml", "dashboards": ".json"}


@dataclass(slots=True)
class Place:
    """A file or Secret of a user; `name` is that of its ConfigMap or Secret."""

    component: str
    what: str
    spec: dict[str, Any]
    data: dict[str, str]
    kind: str = "ConfigMap"
    #: Whether the status names it.
    refused: bool = True
    name: str = ""
    canary: str = ""
    stack: tuple[str, str] = field(default=("", ""))

    @property
    def target(self) -> str:
        """The file's own key in a ConfigMap of ours."""
        (fields,) = self.spec.values()
        return f"user-{self.name}_{KEY}{TARGETS[next(iter(fields))]}"

    def filled(self, value: Any) -> Any:
        """Return a value with the name and the canary of this place in it."""
        return json.loads(json.dumps(value).replace(C, self.canary).replace("NAME", self.name))

    def source(self) -> dict[str, Any]:
        """Return what the user writes."""
        data = {self.filled(key): self.filled(text) for key, text in self.data.items()}
        field_ = "data"
        if self.kind == "Secret":
            data = {key: base64.b64encode(text.encode()).decode() for key, text in data.items()}
        elif any("BYTES" in text for text in data.values()):
            field_ = "binaryData"
            data = {key: base64.b64encode(b"\xff" + text.encode()).decode() for key, text in data.items()}
        return {"apiVersion": "v1", "kind": self.kind, "metadata": {"name": self.name}, field_: data}


def rules(what: str, text: str, *, refused: bool = True) -> Place:
    return _file("prometheus", "additionalRules", f"rules, {what}", text, refused=refused)


def rule(what: str, *, refused: bool = True, **fields: Any) -> Place:
    content = {"groups": [{"name": "g", "rules": [{"alert": "A", "expr": "up", **fields}]}]}
    return rules(what, json.dumps(content), refused=refused)


def jobs(what: str, text: str, *, refused: bool = True) -> Place:
    return _file("prometheus", "additionalScrapeConfigs", f"jobs, {what}", text, refused=refused)


def job(what: str, *, refused: bool = True, **fields: Any) -> Place:
    return jobs(what, json.dumps({"scrape_configs": [{"job_name": "j", **fields}]}), refused=refused)


def board(what: str, content: Any, *, refused: bool = True) -> Place:
    text = content if isinstance(content, str) else json.dumps(content)
    return _file("grafana", "dashboards", f"board, {what}", text, refused=refused)


def _file(component: str, list_: str, what: str, text: str, *, refused: bool) -> Place:
    return Place(component, what, {component: {list_: [{"name": "NAME", "key": KEY}]}}, {KEY: text}, refused=refused)


def secret(component: str, what: str, data: dict[str, str], *, refused: bool = False, **spec: Any) -> Place:
    return Place(component, f"secret, {what}", spec, data, "Secret", refused)


def receiver(what: str, data: dict[str, str], *, refused: bool = False, kind: str, **fields: Any) -> Place:
    receivers = {kind: {"secretKeyRef": {"name": "NAME"}, **fields}}
    return secret("alertmanager", f"{kind}, {what}", data, refused=refused, alerting={"receivers": receivers})


def write(what: str, data: dict[str, str], *, refused: bool = False, **credentials: Any) -> Place:
    remote = [{"url": "https://a.example.com/write", **credentials}]
    return secret("prometheus", f"remoteWrite, {what}", data, refused=refused, prometheus={"remoteWrite": remote})


def database(what: str, data: dict[str, str], *, refused: bool = False) -> Place:
    spec = {"database": {"external": {"secretKeyRef": {"name": "NAME"}}}}
    return secret("service", f"database, {what}", data, refused=refused, service=spec)


def tokens(what: str, data: dict[str, str], *, refused: bool = False) -> Place:
    spec = {"authentication": {"tokensSecretName": "NAME"}}
    return secret("service", f"tokens, {what}", data, refused=refused, service=spec)


def login(what: str, data: dict[str, str], *, refused: bool = False) -> Place:
    return secret("grafana", f"login, {what}", data, refused=refused, grafana={"adminSecretName": "NAME"})


MAIL = {"to": ["a@example.com"], "from": "b@example.com", "smarthost": "mail.example.com:587", "username": "shop"}
BASIC = {"basicAuth": {"username": "shop", "secretKeyRef": {"name": "NAME"}}}
BEARER = {"authorization": {"secretKeyRef": {"name": "NAME"}}}
REDIS = {"rateLimit": "5/second", "rateLimitStore": {"secretKeyRef": {"name": "NAME"}}}
HEARTBEAT = {"heartbeat": {"secretKeyRef": {"name": "NAME"}}}

PLACES = [
    rules("a quote that is not closed", f"groups: '{C}"),
    rules("a tab", f"groups:\n\t- {C}: 1"),
    rules("an alias", f"groups: *{C}"),
    rules("a tag", f"groups: !{C} []"),
    rules("a second document", f"groups: []\n---\n{C}: 1"),
    rules("a group twice", json.dumps({"groups": [{"name": C}, {"name": C}]})),
    rules("bytes", f"BYTES {C}"),
    rules("too large", C + "x" * 700_001),
    rules("a comment", f"groups: []  # {C}", refused=False),
    rule("an expression that does not end", expr=f"sum({C}"),
    rule("a function", expr=f"{C}(up)"),
    rule("a matcher", expr=f'up{{a=~"({C}"}}'),
    rule("a duration", **{"for": C}),
    rule("a template in an annotation", annotations={"a": f"{{{{ {C} }}}}"}),
    rule("a template in a label", labels={C: f"{{{{ template {C} }}}}"}),
    rule("a field", **{C: C}),
    rule("an annotation", annotations={"a": C}, refused=False),
    jobs("a quote that is not closed", f'scrape_configs: [{{job_name: "{C}'),
    jobs("a key that is bytes", f"scrape_configs:\n- ? !!binary {C}\n  : 1"),
    jobs("a merge", f"scrape_configs:\n- <<: {{bearer_token: {C}}}"),
    jobs("a key twice", f"scrape_configs:\n- {C}: 1\n  {C}: 2"),
    jobs("another field", f"{C}: []"),
    jobs("a comment", f"scrape_configs: []  # {C}", refused=False),
    job("a password", basic_auth={"username": "a", "password": C}),
    job("credentials", authorization={"credentials": C}),
    job("a header's value", http_headers={"X-Key": {"values": [C]}}),
    job("a header's secret", http_headers={C: {"secrets": [C]}}),
    job("a proxy's header", proxy_connect_header={"Proxy-Authorization": [C]}),
    job("a parameter", params={"token": [C]}),
    job("a user in a URL", proxy_url=f"http://a:{C}@b"),
    job("a client's secret", oauth2={"client_id": "a", "client_secret": C}),
    job("an unknown field", **{C: C}),
    job("a type", scrape_interval=C, metrics_path=[C]),
    job("a regular expression", relabel_configs=[{"regex": f"({C}"}]),
    job("a file", bearer_token_file=f"/{C}"),
    job("a label", static_configs=[{"targets": ["a:1"], "labels": {"a": C}}], refused=False),
    board("no JSON", f'{{"title": "{C}'),
    board("an escape", f'{{"title": "\\q{C}"}}'),
    board("no title", {C: C}),
    board("a name of ours", {"title": C, "uid": f"inventory-{C}"}),
    board("another format", {"title": C, "uid": "a", "apiVersion": C, "elements": {}}),
    board("an input", {"title": C, "uid": "a", "__inputs": [{"name": C, "type": C}]}),
    board("a key twice", f'{{"title": "a", "uid": "b", "{C}": 1, "{C}": 2}}'),
    board("a title", {"title": C, "uid": "a"}, refused=False),
    receiver("a URL", {"url": f"https://hooks.example.com/{C}"}, kind="slack"),
    receiver("no URL", {"url": f"{C} ://\n{C}"}, kind="webhook"),
    receiver("another key", {C: C}, kind="slack", refused=True),
    receiver("an empty value", {"url": "", "a": C}, kind="webhook", refused=True),
    receiver("a password", {"password": C}, kind="email", **MAIL),
    receiver("another key", {"pasword": C}, kind="email", refused=True, **MAIL),
    receiver("a key of several lines", {"routing-key": f"{C}\n{C}"}, kind="pagerDuty"),
    secret("alertmanager", "heartbeat, another key", {C: C}, refused=True, alerting=HEARTBEAT),
    write("a password", {"password": f'"{C}\n'}, **BASIC),
    write("a token", {"token": C}, **BEARER),
    write("another key", {"tokens": C}, refused=True, **BEARER),
    secret("prometheus", "prometheus, mounted", {C: C}, prometheus={"secrets": ["NAME"]}),
    secret("prometheus", "prometheus, an empty value", {C: "", "b": C}, refused=True, prometheus={"secrets": ["NAME"]}),
    database("a URL", {"url": f"postgresql://a:{C}@b/c"}),
    database("no URL", {"url": f"{C}\x00{C}"}),
    database("another key", {f"{C}.url": C}, refused=True),
    secret("service", "redis, a URL", {"url": f"redis://:{C}@a"}, service=REDIS),
    tokens("a token", {"till.write": f"{C}-{C}-{C}"}),
    tokens("another kind of key", {"till.write": f"{C}-{C}", C: C}, refused=True),
    tokens("a key without a value", {"till.write": f"{C}-{C}", f"{C}.read": ""}, refused=True),
    login("a password", {"admin-user": C, "admin-password": C}),
    login("another key", {"admin-user": C, "password": C}, refused=True),
]
for _number, _place in enumerate(PLACES):
    _place.name, _place.canary = f"place-{_number:02}", f"xk{_number:02}canary"


def stacks() -> list[tuple[str, dict[str, Any]]]:
    """Return the stacks with the places in them, each with its namespace."""
    by_component: dict[str, list[Place]] = {}
    for place in PLACES:
        by_component.setdefault(place.component, []).append(place)
    found = []
    for number, together in enumerate(itertools.zip_longest(*by_component.values())):
        namespace, name = NAMESPACES[number % len(NAMESPACES)], f"s{number}"
        # What no place is about is left out.
        spec: dict[str, Any] = {"containerMetrics": "none"}
        spec |= {part: {"enabled": False} for part in ("alerting", "grafana")}
        for place in filter(None, together):
            place.stack = (namespace, name)
            own = place.filled(place.spec)
            spec |= {part: {**spec.get(part, {}), "enabled": True, **fields} for part, fields in own.items()}
        for part in ("service", "prometheus"):
            spec.get(part, {}).pop("enabled", None)
        found.append((namespace, stack(name, spec)))
    return found


@dataclass(slots=True)
class Found:
    """Everything that the operator wrote and said."""

    #: What users wrote is not in it, and what became of each file is in `own`, by the name of its place.
    text: str
    own: dict[str, str]


@pytest.fixture(scope="module")
def found(api: Api, operator: Operator) -> Iterator[Found]:
    wanted = stacks()
    for namespace in NAMESPACES:
        api.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}})
    for place in PLACES:
        api.create(place.source(), place.stack[0])
    for namespace, one in wanted:
        api.create(one, namespace)

    for place in PLACES:
        eventually(lambda place=place: shown(api, place), f"{place.what} in stack {place.stack} as {place.name}")
    yield collected(api, operator)
    for namespace, one in wanted:
        api.delete("InventoryStack", namespace, one["metadata"]["name"])
    for namespace in NAMESPACES:
        api.delete("Namespace", None, namespace)


def shown(api: Api, place: Place) -> bool:
    """Return whether the operator is done with a place: its status names it, or what is made of it is there."""
    namespace, name = place.stack
    status = (api.get("InventoryStack", namespace, name) or {}).get("status", {})
    named = any(place.name in one["message"] for one in status.get("conditions", ()))
    if place.refused or place.kind == "Secret":
        return bool(status) and named == place.refused
    config = api.get("ConfigMap", namespace, f"{name}-{place.component}")
    return not named and place.target in (config or {}).get("data", {})


def collected(api: Api, operator: Operator) -> Found:
    own: dict[str, str] = {}
    text = [operator.log.read_text(), operator.metrics()]
    sources = {place.name for place in PLACES}
    targets = {(place.stack[0], place.target): place.name for place in PLACES if place.kind == "ConfigMap"}
    for namespace, kind in itertools.product(NAMESPACES, (*CHILD_KINDS, "InventoryStack", "Event")):
        for one in api.list(kind, namespace):
            if one["metadata"]["name"] in sources:
                continue
            if kind == "ConfigMap":
                for key in [key for key in one.get("data", {}) if (namespace, key) in targets]:
                    own[targets[namespace, key]] = one["data"].pop(key)
            if kind == "Secret":
                text += [base64.b64decode(value).decode(errors="replace") for value in one.get("data", {}).values()]
            text.append(json.dumps(one))
    return Found("\n".join(text), own)


def test_there_are_many() -> None:
    assert len(PLACES) >= 60


@pytest.mark.parametrize("place", PLACES, ids=lambda place: place.what)
def test_nothing_of_it_is_elsewhere(place: Place, found: Found) -> None:
    # Its beginning, for messages may cut a text.
    assert place.canary[:4] not in found.text
    if place.kind == "ConfigMap":
        assert (place.name in found.own) is not place.refused
    others = {name: text for name, text in found.own.items() if name != place.name}
    assert place.canary[:4] not in json.dumps(others)


def test_what_is_looked_for_would_be_found(found: Found) -> None:
    written = [place for place in PLACES if place.name in found.own and "comment" not in place.what]
    assert len(written) == 3
    assert all(place.canary in found.own[place.name] for place in written)
    assert all(place.name in found.text for place in PLACES if place.refused)
