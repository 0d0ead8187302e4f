"""What a stack may have beyond its namespace: closed unless the operator's settings open it, and only that waits."""

from __future__ import annotations

import pytest
from tests.framework.passes import NAMES, NOW, OPEN, Pass, raw
from tests.framework.rendered import rendered, stack

from inventory_operator import cli
from inventory_operator.components.blocker import Blocker, Turn
from inventory_operator.components.rights import host_is_allowed
from inventory_operator.controller.scope import Scope
from inventory_operator.settings import ANY, Settings

HOSTS = {"service": "shop.example.com", "grafana": "g.example.com", "prometheus": "p.example.com"}
CLOSED = Settings(operator_namespace="inventory-system")
SECRET_VALUE = "hunter2"


def settings(**allowed: tuple[str, ...]) -> Settings:
    return Settings(**{f"allowed_ingress_{name}": words for name, words in allowed.items()})


async def held(given: Settings, **spec: object) -> tuple[Blocker, ...]:
    """What holds objects of a stack back."""
    scope = await Pass(settings=given).observe(Scope(raw=raw(**spec), now=NOW))
    return scope.blockers


async def test_a_stack_that_asks_for_nothing_waits_for_nothing() -> None:
    assert await held(CLOSED) == ()
    assert await held(CLOSED, containerMetrics="none") == ()


async def test_each_ingress_is_held_back_for_itself_and_nothing_else() -> None:
    found = await held(settings(hosts=("g.example.com", "p.example.com")), ingress={"hosts": HOSTS})
    (blocker,) = found
    assert (blocker.target, blocker.component) == (("Ingress", NAMES.service), "service")
    assert (blocker.reason, blocker.turn, blocker.retry_seconds) == ("NotPermitted", Turn.USER, None)
    assert blocker.message == (
        "spec.ingress.hosts.service: shop.example.com is not permitted: the operator's setting "
        "INVENTORY_ALLOWED_INGRESS_HOSTS allows g.example.com, p.example.com; Ingress shop-inventory is left as it is "
        "until you leave it out, name what is allowed, or ask the operator's administrator to open it"
    )
    assert {one.target for one in await held(CLOSED, ingress={"hosts": HOSTS})} == {
        ("Ingress", name) for name in (NAMES.service, NAMES.grafana, NAMES.prometheus)
    }


async def test_a_part_that_is_off_asks_for_no_host() -> None:
    spec = {"ingress": {"hosts": {"grafana": "g.example.com"}}, "grafana": {"enabled": False}}
    assert await held(CLOSED, **spec) == ()


@pytest.mark.parametrize(
    ("host", "allowed", "expected"),
    [
        ("example.com", ("example.com",), True),
        ("shop.example.com", ("example.com",), True),
        ("a.b.example.com", ("example.com",), True),
        ("evilexample.com", ("example.com",), False),
        ("example.com.evil.org", ("example.com",), False),
        ("com", ("example.com",), False),
        ("example.com", ("shop.example.com",), False),
        ("shop.example.com", ("other.org", "example.com"), True),
        ("shop", ("shop",), True),
        ("a.example.com", (ANY,), True),
        ("a.example.com", (), False),
    ],
)
def test_a_host_is_one_of_those_allowed_or_below_one(host: str, allowed: tuple[str, ...], expected: bool) -> None:
    assert host_is_allowed(host, allowed) is expected


async def test_an_annotation_needs_its_whole_key_to_be_opened_and_its_value_is_never_shown() -> None:
    key = "nginx.ingress.kubernetes.io/server-snippets"
    keys = ("alb.ingress.kubernetes.io/group.name", "external-dns.alpha.kubernetes.io/hostname", "b/c", key)
    annotations = dict.fromkeys(keys, SECRET_VALUE)
    ingress = {"hosts": {"service": "shop.example.com"}, "annotations": annotations}
    opened = settings(hosts=("example.com",), annotations=(key.removesuffix("s"), "nginx.ingress.kubernetes.io"))
    (blocker,) = await held(opened, ingress=ingress)
    assert "spec.ingress.annotations: alb.ingress" in blocker.message
    assert "external-dns.alpha.kubernetes.io/hostname and 1 more is not permitted" in blocker.message
    assert "INVENTORY_ALLOWED_INGRESS_ANNOTATIONS allows" in blocker.message
    assert SECRET_VALUE not in blocker.message
    assert await held(settings(hosts=("example.com",), annotations=keys), ingress=ingress) == ()


async def test_a_class_has_to_be_opened_and_the_clusters_default_one_has_not() -> None:
    hosts = {"service": "shop.example.com"}
    opened = settings(hosts=("example.com",), classes=("internal",))
    (blocker,) = await held(opened, ingress={"hosts": hosts, "className": "nginx"})
    assert blocker.message.startswith(
        "spec.ingress.className: nginx is not permitted: the operator's setting INVENTORY_ALLOWED_INGRESS_CLASSES "
        "allows internal;"
    )
    assert await held(opened, ingress={"hosts": hosts, "className": "internal"}) == ()
    assert await held(opened, ingress={"hosts": hosts}) == ()


async def test_everything_that_is_wrong_is_told() -> None:
    ingress = {"hosts": {"service": "a.org"}, "className": "nginx", "annotations": {"a/b": "c"}}
    found = await held(CLOSED, ingress=ingress)
    assert [one.message.split(":")[0] for one in found] == [
        "spec.ingress.hosts.service",
        "spec.ingress.className",
        "spec.ingress.annotations",
    ]


@pytest.mark.parametrize("asked", [{}, {"containerMetrics": "kubelet"}])
async def test_closed_kubelet_metrics_bind_nothing_and_are_not_asked_for_by_prometheus(asked: dict[str, str]) -> None:
    for given, there in ((OPEN, True), (CLOSED, False)):
        scope = await Pass(settings=given).planned(**asked)
        kinds = {one["kind"] for one in scope.desired}
        (config,) = [
            one["data"]["prometheus.yml"]
            for one in scope.desired
            if (one["kind"], one["metadata"]["name"]) == ("ConfigMap", NAMES.prometheus)
        ]
        assert ("ClusterRoleBinding" in kinds, "cadvisor" in config) == (there, there)


async def test_only_a_stack_that_insists_on_kubelet_metrics_is_stalled() -> None:
    (blocker,) = await held(CLOSED, containerMetrics="kubelet")
    assert (blocker.target, blocker.component) == (("ClusterRoleBinding", NAMES.kubelet_binding), "prometheus")
    assert blocker.message == (
        "spec.containerMetrics: kubelet is not permitted: the operator's setting INVENTORY_ALLOW_KUBELET_METRICS is "
        "false; leave it out, set it to none, or ask the operator's administrator to open it"
    )
    assert await held(OPEN, containerMetrics="kubelet") == ()


async def test_in_a_single_namespace_nobody_can_open_kubelet_metrics_so_it_is_a_note() -> None:
    single = Settings(namespace="ns", operator_namespace="ns", allow_kubelet_metrics=True)
    assert await held(single, containerMetrics="kubelet") == ()
    scope = await Pass(settings=single).planned(containerMetrics="kubelet")
    assert "ClusterRoleBinding" not in {one["kind"] for one in scope.desired}


def test_an_ingress_has_no_host_but_the_one_that_was_judged() -> None:
    ingress = {"hosts": HOSTS, "tls": {"secretName": "cert"}}
    made = [one for one in rendered(stack(ingress=ingress)) if one["kind"] == "Ingress"]
    assert len(made) == len(HOSTS)
    for one in made:
        (rule,), (tls,) = one["spec"]["rules"], one["spec"]["tls"]
        assert rule["host"] in HOSTS.values()
        assert tls["hosts"] == [rule["host"]]
        assert "defaultBackend" not in one["spec"]


# The settings


def test_the_defaults_are_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    found = cli.settings(cli.arguments([]))
    assert found == Settings(identity=found.identity)
    assert not found.allow_kubelet_metrics
    for name in ("HOSTS", "ANNOTATIONS", "CLASSES"):
        monkeypatch.setenv(f"INVENTORY_ALLOWED_INGRESS_{name}", "")
    monkeypatch.setenv("INVENTORY_ALLOW_KUBELET_METRICS", "false")
    assert cli.settings(cli.arguments([])) == found


def test_lists_are_read_from_the_environment_as_dns_compares_hosts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("INVENTORY_ALLOWED_INGRESS_HOSTS", " Shop.Example.COM., ,b.org,")
    monkeypatch.setenv("INVENTORY_ALLOWED_INGRESS_ANNOTATIONS", "cert-manager.io/cluster-issuer, a/B")
    monkeypatch.setenv("INVENTORY_ALLOWED_INGRESS_CLASSES", "nginx")
    monkeypatch.setenv("INVENTORY_ALLOW_KUBELET_METRICS", "true")
    found = cli.settings(cli.arguments([]))
    assert found.allowed_ingress_hosts == ("shop.example.com", "b.org")
    assert found.allowed_ingress_annotations == ("cert-manager.io/cluster-issuer", "a/B")
    assert (found.allowed_ingress_classes, found.allow_kubelet_metrics) == (("nginx",), True)
    assert cli.settings(cli.arguments(["--allowed-ingress-hosts", "a.org,*"])).allowed_ingress_hosts == (ANY,)


@pytest.mark.parametrize(
    ("flag", "text", "words"),
    [
        ("--allowed-ingress-hosts", "a.org,*.example.com", "expected a host name like shop.example.com"),
        ("--allowed-ingress-hosts", ".example.com", "expected a host name"),
        ("--allowed-ingress-hosts", "10.0.0.1", "expected a host name"),
        ("--allowed-ingress-annotations", "nginx.ingress.kubernetes.io/*", "expected annotation keys like cert-man"),
        ("--allowed-ingress-annotations", "kubernetes.io/ingress.class", "expected annotation keys like cert-man"),
        ("--allowed-ingress-classes", "*", "expected the name of an object"),
    ],
)
def test_what_can_not_be_opened_is_refused_at_the_start(
    flag: str, text: str, words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        cli.arguments([flag, text])
    assert ended.value.code == 2
    said = capsys.readouterr().err
    assert f"argument {flag}: {words}" in said
    assert f"got {text.rpartition(',')[2]!r}" in said
