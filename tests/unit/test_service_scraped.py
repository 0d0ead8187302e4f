"""Which pods are targets of Prometheus, why the others are not, and what is asked to find that out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

import orjson
import pytest
from tests.framework.verification import NOW, PAGE, Pods, data, part, pod, subject, working

from inventory_operator.verification.answer import Answer, Outcome
from inventory_operator.verification.ask import Reply
from inventory_operator.verification.network_policies import closing
from inventory_operator.verification.service_scraped import check
from inventory_operator.verification.targets import Target, Targets, failed_scrape

if TYPE_CHECKING:
    from collections.abc import Mapping

Object = dict[str, Any]
NAME, PORT = "__meta_kubernetes_pod_name", "__meta_kubernetes_pod_container_port_number"
UP = {"health": "up"}
DEADLINE = 'Get "http://10.0.0.1:5000/metrics": context deadline exceeded'


class Prometheus:
    """Answers as a Prometheus that has these targets; each is given by its pod."""

    def __init__(
        self,
        active: Mapping[str, Object],
        dropped: list[tuple[str, str]] | None = None,
        steps: list[Object] | None = None,
        series: list[Object] | None = None,
    ) -> None:
        self.active = [{"discoveredLabels": {NAME: name}, **state} for name, state in active.items()]
        self.dropped = [{"discoveredLabels": {NAME: name, PORT: port}} for name, port in dropped or ()]
        self.steps, self.series = steps or [], series or []
        self.labels: Object = {}

    def __call__(self, name: str, path: str) -> Reply | str:
        if not name.startswith("prom"):
            return Reply(200, PAGE + b"x one\n")
        url = urlsplit(path)
        query = {key: values[0] for key, values in parse_qs(url.query).items()}
        if url.path == "/api/v1/query":
            return data(resultType="vector", result=self.series)
        assert query["scrapePool"] == "service"
        if url.path == "/api/v1/targets/relabel_steps":
            self.labels = orjson.loads(query["labels"])
            return data(steps=self.steps)
        assert url.path == "/api/v1/targets"
        if query["state"] == "active":
            return data(activeTargets=self.active)
        return data(droppedTargets=self.dropped)


async def found(prometheus: Any, *children: Object, **more: Any) -> tuple[Answer, Targets | None]:
    return await check(subject(*children), Pods(prometheus), NOW, **more)


async def other(state: Object | None, *children: Object, **more: Any) -> Target:
    """Return what is said of shop-2, whose target is in this state; None for none."""
    active = {"shop-1": UP} | ({"shop-2": state} if state is not None else {})
    return await the_other(Prometheus(active), *children, **more)


async def the_other(prometheus: Prometheus, *children: Object, **more: Any) -> Target:
    answer, targets = await found(prometheus, *children, **more)
    assert targets
    (target,) = targets.others
    assert (targets.expected, targets.up, target.pod) == (2, 1, "shop-2")
    assert (answer.check, answer.reason) == ("ServiceScraped", target.reason)
    assert answer.outcome is (Outcome.UNKNOWN if target.reason == "NotScrapedYet" else Outcome.FAILED)
    assert answer.message == f"pod shop-2 {target.message}"
    return target


async def test_every_pod_is_up() -> None:
    prometheus = Pods(Prometheus({"shop-1": UP, "shop-2": UP, "forged": {"health": "down"}}))
    answer, targets = await check(subject(), prometheus, NOW)
    assert (answer.outcome, answer.reason) == (Outcome.PASSED, "ServiceScraped")
    assert targets == Targets(2, 2, ())
    assert len(prometheus.asked) == 1, "a stack that is well costs one request"


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (DEADLINE, "Timeout"),
        ('Get "http://10.0.0.1:5000/metrics": dial tcp 10.0.0.1:5000: i/o timeout', "Timeout"),
        ('Get "http://10.0.0.1:5000/metrics": dial tcp 10.0.0.1:5000: connect: connection refused', "NotConnected"),
        ("server returned HTTP status 403 Forbidden", "AccessDenied"),
        ("server returned HTTP status 401 UNAUTHORIZED", "AccessDenied"),
        ("server returned HTTP status 500 INTERNAL SERVER ERROR", "UnexpectedStatus"),
        ('expected value after metric, got "one" ("INVALID") while parsing: "x one"', "BadExposition"),
        ('strconv.ParseFloat: parsing "one": invalid syntax while parsing: "x one"', "BadExposition"),
        ("non-compliant scrape target sending blank Content-Type and no fallback_scrape_protocol", "BadExposition"),
        ("sample limit exceeded", "LimitExceeded"),
        ("body size limit exceeded", "LimitExceeded"),
        ("label_limit exceeded (metric: x, number of labels: 31, limit: 30)", "LimitExceeded"),
        ("something else", "ScrapeFailed"),
        ("", "ScrapeFailed"),
    ],
)
async def test_a_scrape_that_failed(error: str, reason: str) -> None:
    target = await other({"health": "down", "lastError": error})
    assert target.reason == reason


async def test_the_line_of_an_invalid_exposition_is_named() -> None:
    target = await other({"health": "down", "lastError": 'expected value after metric, got "one" while parsing'})
    line = PAGE.count(b"\n") + 1
    assert target.message == f"exposes no valid metrics: line {line} of /metrics is not valid: correct its image"


def test_the_words_of_prometheus_are_shown_printable_and_short() -> None:
    said = failed_scrape("a", "x\n\x1b[31m\u202e" + "y" * 10_000).message
    assert said.isprintable()
    assert len(said) < 200


@pytest.mark.parametrize(
    ("dropped", "labels"), [([("shop-2", "5001"), ("shop-2", "5000")], "5000"), ([("shop-2", "5001")], "5001")]
)
async def test_the_rule_that_drops_a_target_is_named(dropped: list[tuple[str, str]], labels: str) -> None:
    kept = {"rule": {"action": "drop", "source_labels": ["a"], "regex": "x"}, "keep": True}
    rule = {"action": "keep", "source_labels": [PORT], "regex": "5003"}
    prometheus = Prometheus({"shop-1": UP}, dropped, [kept, {"rule": rule, "keep": False}, {"keep": False}])
    target = await the_other(prometheus)
    assert target.reason == "DroppedByRelabelling"
    assert f"relabel_configs[1] (keep {PORT} by 5003)" in target.message
    assert prometheus.labels == {NAME: "shop-2", PORT: labels}


async def test_a_pod_that_no_selector_selects() -> None:
    target = await other(None)
    assert target.reason == "NotSelected"


@pytest.mark.parametrize("kind", ["ServiceAccount", "Role", "RoleBinding"])
async def test_a_prometheus_without_its_role_discovers_nothing(kind: str) -> None:
    answer, targets = await found(Prometheus({}), *(one for one in working() if one["kind"] != kind))
    assert answer.reason == "AccessDenied"
    assert f"{kind} shop-prometheus, which is missing" in answer.message
    assert targets
    assert [one.pod for one in targets.others] == ["shop-1", "shop-2"]


async def test_a_prometheus_that_fails_to_look_up_pods() -> None:
    failing = Prometheus({}, series=[{"metric": {}, "value": [0, "3"]}])
    assert (await found(failing))[0].reason == "AccessDenied"
    assert (await found(Prometheus({})))[0].reason == "NotSelected"


async def test_a_new_prometheus_without_its_role_need_not_be_waited_for() -> None:
    children = [one for one in working() if one["kind"] != "Role" and one["metadata"]["name"] != "prom-1"]
    answer, _ = await found(Prometheus({}), *children, pod("prom-1", "prometheus", since=NOW))
    assert answer.reason == "AccessDenied"
    # What has a target was discovered, whoever may look up pods now.
    unscraped = {"shop-1": {"health": "unknown"}, "shop-2": {"health": "unknown"}}
    answer, _ = await found(Prometheus(unscraped), *children, pod("prom-1", "prometheus", since=NOW))
    assert answer.reason == "NotScrapedYet"


@pytest.mark.parametrize("state", [None, {"health": "unknown"}])
@pytest.mark.parametrize("new", ["shop-2", "prom-1"])
async def test_who_became_ready_a_moment_ago_may_be_unscraped(state: Object | None, new: str) -> None:
    """Three intervals of ten seconds, and ten more, before 00:10:00."""
    for since, reason in (("2026-02-02T00:09:30Z", "NotScrapedYet"), ("2026-02-02T00:09:10Z", "NotSelected")):
        children = [one for one in working() if one["metadata"]["name"] != new]
        children.append(pod(new, "service" if new == "shop-2" else "prometheus", since=since))
        assert (await other(state, *children)).reason == reason


@pytest.mark.parametrize(
    ("since", "scraped", "reason"),
    [
        ("2026-02-02T00:09:55Z", "2026-02-02T00:09:54.9Z", "NotScrapedYet"),
        ("2026-02-02T00:09:55Z", "2026-02-02T00:09:55.9Z", "NotScrapedYet"),  # its time is of whole seconds
        ("2026-02-02T00:09:55Z", "2026-02-02T00:09:56.000000001Z", "NotConnected"),
        ("2026-02-02T00:09:55Z", "yesterday", "NotConnected"),
        ("2026-02-02T00:09:10Z", "2026-02-02T00:09:05Z", "NotConnected"),  # it would have been scraped since
    ],
)
async def test_a_scrape_that_failed_before_the_pod_was_ready_says_nothing(since, scraped, reason) -> None:
    children = [one for one in working() if one["metadata"]["name"] != "shop-2"]
    state = {"health": "down", "lastError": "dial tcp: connection refused", "lastScrape": scraped}
    assert (await other(state, *children, pod("shop-2", "service", since=since))).reason == reason


async def test_what_is_wrong_comes_before_what_takes_its_time() -> None:
    children = part("service", pod("a-new", "service", since=NOW), pod("shop-1", "service"), pod("shop-2", "service"))
    answer, targets = await found(Prometheus({"shop-1": UP}), *children, *part("prometheus", pod("prom", "prometheus")))
    assert (answer.reason, answer.outcome) == ("NotSelected", Outcome.FAILED)
    assert targets
    assert [(one.pod, one.reason) for one in targets.others] == [("a-new", "NotScrapedYet"), ("shop-2", "NotSelected")]


async def test_of_many_targets_only_the_first_are_explained() -> None:
    pods = [pod(f"shop-{n}", "service") for n in range(9)]
    children = [*part("service", *pods), *part("prometheus", pod("prom-1", "prometheus"))]
    asked = Pods(Prometheus({"forged": UP}))
    _, targets = await check(subject(*children), asked, NOW)
    assert targets
    assert len(targets.others) == 9
    assert len(asked.asked) == 4


@pytest.mark.parametrize(
    ("reply", "reason", "outcome"),
    [
        ("can't be connected to", "PrometheusNotAnswering", Outcome.FAILED),
        (Reply(503, b""), "PrometheusNotAnswering", Outcome.FAILED),
        (Reply(200, b"{", cut=True), "PrometheusNotAnswering", Outcome.FAILED),
        *(
            (Reply(200, body), "PrometheusNotAnswering", Outcome.FAILED)
            for body in (b"", b"[]", b"{}", b'{"data": []}', b"[" * 100_000, b"\xff")
        ),
    ],
)
async def test_prometheus_itself_does_not_answer(reply: Reply | str, reason: str, outcome: Outcome) -> None:
    answer, targets = await found(lambda *_: reply)
    assert (answer.reason, answer.outcome, targets) == (reason, outcome, None)
    assert answer.message.startswith("pod prom-1 ")


async def test_a_prometheus_that_is_not_ready_is_not_asked() -> None:
    children = [*part("service", pod("shop-1", "service")), *part("prometheus", pod("p", "prometheus", ready=False))]
    answer, targets = await found(lambda *_: "never", *children)
    assert (answer.reason, answer.outcome, targets) == ("PrometheusNotReady", Outcome.UNKNOWN, None)


@pytest.mark.parametrize("body", [b"null", b"3", b'"x"', b"[1]", b'[{"discoveredLabels": 3}]', b'[{"health": "up"}]'])
async def test_an_answer_of_another_shape_breaks_nothing(body: bytes) -> None:
    reply = Reply(
        200, b'{"data": {"activeTargets": %b, "droppedTargets": %b, "steps": %b, "result": %b}}' % ((body,) * 4)
    )
    answer, _ = await found(lambda *_: reply)
    assert answer.reason == "NotSelected"


# Network policies

SELECT: Object = {"matchLabels": {"app.kubernetes.io/component": "service"}}
READER: Object = {"matchLabels": {"app.kubernetes.io/component": "prometheus"}}
NOBODY: Object = {"matchLabels": {"a": "b"}}


def policy(name: str = "closed", **spec: Any) -> Object:
    return {"metadata": {"name": name}, "spec": {"podSelector": {}, "policyTypes": ["Ingress"], **spec}}


OPEN = [
    [],
    [policy(podSelector=NOBODY)],
    [policy(policyTypes=["Egress"], egress=[{}])],
    [policy(ingress=[{}])],
    [policy(), policy("open", ingress=[{"from": [{"podSelector": READER}]}])],
    [policy(ingress=[{"from": [{"namespaceSelector": {}}], "ports": [{"port": 5000}]}])],
    [policy(ingress=[{"ports": [{"port": 4000, "endPort": 6000, "protocol": "TCP"}]}])],
    [policy(ingress=[{"ports": [{"port": "http"}]}])],
    [policy(ingress=[{"from": [{"ipBlock": {"cidr": "127.0.0.0/8"}}]}])],
    [policy(podSelector={"matchExpressions": [{"key": "a", "operator": "Exists"}]})],
    [
        policy(
            podSelector={
                "matchExpressions": [{"key": "app.kubernetes.io/component", "operator": "NotIn", "values": ["service"]}]
            }
        )
    ],
]
CLOSED = [
    [policy()],
    [policy(podSelector=SELECT, ingress=[{"from": [{"podSelector": NOBODY}]}])],
    [policy(ingress=[{"ports": [{"port": 5001}]}])],
    [policy(ingress=[{"ports": [{"port": 5000, "protocol": "UDP"}]}])],
    [policy(ingress=[{"from": [{"ipBlock": {"cidr": "127.0.0.0/8", "except": ["127.0.0.1/32"]}}]}])],
    [policy(podSelector=READER, policyTypes=["Egress"])],
    [policy(podSelector={"matchExpressions": [{"key": "a", "operator": "DoesNotExist"}]})],
    [
        policy(
            podSelector={
                "matchExpressions": [{"key": "app.kubernetes.io/component", "operator": "In", "values": ["service"]}]
            }
        )
    ],
]


@pytest.mark.parametrize(("policies", "names"), [*((one, []) for one in OPEN), *((one, ["closed"]) for one in CLOSED)])
def test_which_policies_close_the_way(policies: list[Object], names: list[str]) -> None:
    assert closing(policies, pod("prom", "prometheus"), pod("shop", "service"), 5000) == names


async def test_a_policy_that_closes_the_way_is_named_as_probable() -> None:
    async def policies() -> list[Object]:
        return [policy()]

    target = await other({"health": "down", "lastError": DEADLINE}, policies=policies)
    assert target.reason == "NetworkPolicyBlocks"
    assert "probably NetworkPolicy closed lets nothing through to port 5000" in target.message
    refused = await other({"health": "down", "lastError": "server returned HTTP status 500 x"}, policies=policies)
    assert refused.reason == "UnexpectedStatus"
