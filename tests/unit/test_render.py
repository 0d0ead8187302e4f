"""Rendering: data stays data, what is off is gone, and a pod restarts for exactly what it can't load by itself."""

from __future__ import annotations

import dataclasses
import re
from typing import Any

import pytest
import yaml
from tests.framework.rendered import INPUTS, ROOT, inputs, one, rendered, sets, stack, stack_of

from inventory_operator.api import metadata as meta
from inventory_operator.api.stack import Spec, parse
from inventory_operator.components.user_files import LARGEST_TOGETHER
from inventory_operator.manifests import render, templates

HOSTILE = [
    '"}\n  evil: true\n#',
    "x: y",
    "- a",
    "no",
    "null",
    "1e3",
    "{{ 7 * 7 }}",
    "{% raw %}",
    "__hole_0__",
    "a\u2028b\x85c",
    "'; DROP TABLE products; --",
    "*anchor &anchor !!python/object",
    "$(reboot) `reboot` ${reboot}",
]


def template_of(objects: list[dict[str, Any]], name: str) -> dict[str, Any]:
    found: dict[str, Any] = one(objects, "Deployment", name)["spec"]["template"]
    return found


def strings(node: Any) -> list[str]:
    if isinstance(node, dict):
        return [text for key, value in node.items() for text in (*strings(key), *strings(value))]
    if isinstance(node, list):
        return [text for value in node for text in strings(value)]
    return [node] if isinstance(node, str) else []


def shape(node: Any) -> Any:
    """Return the structure without the strings."""
    if isinstance(node, dict):
        return {key: shape(value) for key, value in node.items()}
    if isinstance(node, list):
        return [shape(value) for value in node]
    return type(node)


def unchecked(**texts: str) -> tuple[Spec, Spec]:
    """Return a spec with `texts` in fields that are strings, past the parser, and the same with harmless ones."""
    raw = {
        "service": {"database": {"external": {"secretKeyRef": {"name": "db"}}}, "image": "image"},
        "prometheus": {"storage": {"storageClassName": "fast"}},
        "grafana": {"adminSecretName": "admin"},
        "ingress": {"hosts": {"grafana": "host"}, "className": "class", "tls": {"secretName": "tls"}},
    }
    plain = parse(stack(**raw))
    text = texts["text"]
    assert plain.service.database.external
    assert plain.ingress
    reference = plain.service.database.external.secret_key_ref.model_copy(update={"name": text, "key": text})
    external = plain.service.database.external.model_copy(update={"secret_key_ref": reference})
    database = plain.service.database.model_copy(update={"external": external})
    storage = plain.prometheus.storage.model_copy(update={"storage_class_name": text})
    update = {
        "service": plain.service.model_copy(update={"image": text, "database": database}),
        "prometheus": plain.prometheus.model_copy(update={"storage": storage, "image": text}),
        "alerting": plain.alerting.model_copy(update={"image": text}),
        "grafana": plain.grafana.model_copy(update={"admin_secret_name": text, "image": text}),
        "ingress": plain.ingress.model_copy(
            update={
                "hosts": plain.ingress.hosts.model_copy(update={"grafana": text}),
                "class_name": text,
                "annotations": {},
                "tls": plain.ingress.tls.model_copy(update={"secret_name": text}) if plain.ingress.tls else None,
            }
        ),
    }
    return plain, plain.model_copy(update=update)


@pytest.mark.parametrize("text", HOSTILE)
def test_a_string_can_never_become_structure(text: str) -> None:
    """The parser would refuse these; templates must be safe without it."""
    plain, hostile = unchecked(text=text)
    identity = meta.Stack("shop", "shop", "uid")
    expected, actual = (render.render(identity, spec, INPUTS) for spec in (plain, hostile))
    assert [shape(obj) for obj in actual] == [shape(obj) for obj in expected]
    pod = template_of(actual, "shop-inventory")["spec"]["containers"][0]
    assert pod["image"] == text
    assert one(actual, "PersistentVolumeClaim", "shop-prometheus")["spec"]["storageClassName"] == text
    assert one(actual, "Ingress", "shop-grafana")["spec"]["rules"][0]["host"] == text
    assert not [found for found in strings(actual) if "__hole_" in found and found != text and text not in found]


@pytest.mark.parametrize("text", HOSTILE)
def test_a_string_in_a_configuration_file_stays_one_value(text: str) -> None:
    plain = parse(stack(prometheus={"externalLabels": {"region": "eu"}}))
    labels = plain.prometheus.model_copy(update={"external_labels": {"region": text}})
    objects = render.render(meta.Stack("shop", "shop", "uid"), plain.model_copy(update={"prometheus": labels}), INPUTS)
    config = yaml.safe_load(one(objects, "ConfigMap", "shop-prometheus")["data"]["prometheus.yml"])
    assert config["global"]["external_labels"] == {"namespace": "shop", "stack": "shop", "region": text}


def test_same_input_same_bytes() -> None:
    raw = stack(prometheus={"externalLabels": {"b": "1", "a": "2"}})
    turned = stack(prometheus={"externalLabels": {"a": "2", "b": "1"}})
    assert repr(rendered(raw)) == repr(rendered(raw)) == repr(rendered(turned))


def test_rendered_objects_are_not_shared() -> None:
    """A caller that edits its objects must not edit the next ones."""
    for obj in rendered(stack()):
        obj["metadata"]["labels"].clear()
        obj.get("spec", {}).clear()
    assert template_of(rendered(stack()), "shop-inventory")["metadata"]["labels"]


@pytest.mark.parametrize("name", sorted(sets()))
def test_a_stack_that_is_created_again_has_the_same_deployments(name: str) -> None:
    """Its uid is in no spec, so that children which were left with `--cascade=orphan` restart nothing."""
    stack = stack_of(inputs()[name])
    again = render.render(dataclasses.replace(stack, uid="another"), parse(inputs()[name]), INPUTS)
    specs = [[one["spec"] for one in objects if one["kind"] == "Deployment"] for objects in (sets()[name], again)]
    assert specs[0] == specs[1] != []


@pytest.mark.parametrize("component", ["alertmanager", "grafana"])
def test_a_part_that_is_off_leaves_nothing(component: str) -> None:
    field = "alerting" if component == "alertmanager" else component
    names = {obj["metadata"]["name"] for obj in rendered(stack(**{field: {"enabled": False}}))}
    assert f"shop-{component}" not in names
    assert "shop-prometheus" in names


@pytest.mark.parametrize(("policy", "kept"), [("Retain", True), ("Delete", False)])
def test_volumes_and_generated_secrets_outlive_the_stack_if_retained(policy: str, kept: bool) -> None:
    objects = rendered(stack(deletionPolicy=policy))
    free = {(obj["kind"], obj["metadata"]["name"]) for obj in objects if "ownerReferences" not in obj["metadata"]}
    expected = {
        *(("PersistentVolumeClaim", f"shop-{name}") for name in ("inventory", "prometheus", "alertmanager", "grafana")),
        *(("Secret", name) for name in ("shop-digest-key", "shop-grafana")),
    }
    assert free == (expected if kept else set())


@pytest.mark.parametrize(("policy", "kept"), [("Retain", True), ("Delete", False)])
def test_a_cluster_of_postgresql_is_kept_like_a_volume(policy: str, kept: bool) -> None:
    database = {"cloudNativePG": {"instances": 3, "storage": {"size": "2Gi", "storageClassName": "fast"}}}
    objects = rendered(stack(deletionPolicy=policy, service={"database": database}))
    cluster = one(objects, "Cluster", "shop-database")
    assert cluster["spec"] == {"instances": 3, "storage": {"size": "2Gi", "storageClass": "fast"}}
    assert ("ownerReferences" not in cluster["metadata"]) is kept
    variables = template_of(objects, "shop-inventory")["spec"]["containers"][0]["env"]
    reference = {"secretKeyRef": {"name": "shop-database-app", "key": "uri"}}
    assert {"name": "DATABASE_URL", "valueFrom": reference} in variables


def test_what_a_stack_does_not_use_leaves_no_trace_in_its_pods() -> None:
    """A pinned image must not be restarted by an operator that has learned something new."""
    container = template_of(rendered(stack()), "shop-inventory")["spec"]["containers"][0]
    names = [variable["name"] for variable in container["env"]]
    assert names == ["DATABASE_URL", "LOW_STOCK_THRESHOLD", "LOAD_SAMPLE_DATA", "DRAIN_SECONDS"]


def test_tokens_are_mounted_and_never_in_the_environment() -> None:
    pod = template_of(rendered(stack(service={"authentication": {"tokensSecretName": "t"}})), "shop-inventory")["spec"]
    environment = {variable["name"]: variable["value"] for variable in pod["containers"][0]["env"]}
    assert (environment["REQUIRE_TOKENS"], environment["TOKENS_DIR"]) == ("true", "/etc/inventory/tokens")
    (mount,) = [mount for mount in pod["containers"][0]["volumeMounts"] if mount["name"] == "tokens"]
    assert (mount["mountPath"], mount["readOnly"]) == ("/etc/inventory/tokens", True)
    (volume,) = [volume for volume in pod["volumes"] if volume["name"] == "tokens"]
    assert volume["secret"]["secretName"] == "t"


def test_nothing_asks_the_api_where_tokens_are_required() -> None:
    """Health checks and the scrape have no token: they ask only for what the service leaves open."""
    container = template_of(sets()["inputs-everything"], "everything-inventory")["spec"]["containers"][0]
    paths = {container[probe]["httpGet"]["path"] for probe in ("startupProbe", "livenessProbe", "readinessProbe")}
    assert paths == {"/livez", "/readyz"}
    config = yaml.safe_load(
        one(sets()["inputs-everything"], "ConfigMap", "everything-prometheus")["data"]["prometheus.yml"]
    )
    assert {
        job.get("metrics_path", "/metrics") for job in config["scrape_configs"] if job["job_name"] == "service"
    } == {"/metrics"}


def test_switching_the_policy_changes_owners_only() -> None:
    def without_owners(policy: str) -> list[dict[str, Any]]:
        objects = rendered(stack(deletionPolicy=policy))
        for obj in objects:
            obj["metadata"].pop("ownerReferences", None)
        return objects

    assert without_owners("Retain") == without_owners("Delete")


def test_the_binding_belongs_to_the_namespace() -> None:
    (binding,) = [obj for obj in rendered(stack()) if obj["kind"] == "ClusterRoleBinding"]
    (owner,) = binding["metadata"]["ownerReferences"]
    assert owner == {"apiVersion": "v1", "kind": "Namespace", "name": "shop", "uid": INPUTS.namespace_uid}
    assert binding["roleRef"]["name"] == meta.KUBELET_CLUSTER_ROLE


def restart_of(objects: list[dict[str, Any]], name: str) -> str | None:
    annotations: dict[str, str] = template_of(objects, name)["metadata"].get("annotations", {})
    return annotations.get(meta.RESTART_ANNOTATION)


def test_configuration_that_reloads_restarts_nothing() -> None:
    before, after = (
        rendered(stack()),
        rendered(stack(prometheus={"retention": "24h"}, service={"lowStockThreshold": 3})),
    )
    digests = [render.config_digest(one(objects, "ConfigMap", "shop-prometheus")) for objects in (before, after)]
    assert digests[0] != digests[1]
    assert template_of(before, "shop-prometheus") == template_of(after, "shop-prometheus")
    assert restart_of(before, "shop-prometheus") is None


def test_a_changed_datasource_restarts_grafana_only() -> None:
    before, after = rendered(stack()), rendered(stack(prometheus={"scrapeInterval": "30s"}))
    changed = {
        obj["metadata"]["name"]
        for obj, other in zip(before, after, strict=True)
        if obj["kind"] == "Deployment" and obj != other
    }
    assert changed == {"shop-grafana"}
    assert restart_of(before, "shop-grafana") != restart_of(after, "shop-grafana")


def test_a_changed_dashboard_does_not_restart_grafana(monkeypatch: pytest.MonkeyPatch) -> None:
    (grafana,) = [component for component in templates.registry() if component.name == "grafana"]
    reloaded = {file.key for file in grafana.config if not file.restarts}
    assert reloaded == {file.name for file in (ROOT / "templates/grafana/config/reload").glob("*.json")}
    assert {file.key for file in grafana.config if file.restarts} >= {"grafana.ini", "datasource.yaml"}


@pytest.mark.parametrize(("component", "name"), [("service", "shop-inventory"), ("grafana", "shop-grafana")])
def test_a_changed_secret_restarts_what_uses_it(component: str, name: str) -> None:
    objects = [rendered(stack(), dataclasses.replace(INPUTS, secret_digests={component: text})) for text in ("a", "b")]
    assert restart_of(objects[0], name) != restart_of(objects[1], name)
    others = {"shop-inventory", "shop-prometheus", "shop-alertmanager", "shop-grafana"} - {name}
    assert [restart_of(objects[0], other) for other in others] == [restart_of(objects[1], other) for other in others]


def test_an_upgraded_operator_restarts_only_the_service() -> None:
    upgraded = rendered(stack(), dataclasses.replace(INPUTS, service_image="inventory-service:9.9.9"))
    changed = [old["metadata"]["name"] for old, new in zip(rendered(stack()), upgraded, strict=True) if old != new]
    assert changed == ["shop-inventory"]


def test_replicas_belong_to_the_autoscaler() -> None:
    database = {"external": {"secretKeyRef": {"name": "db"}}}
    fixed = one(rendered(stack(service={"replicas": 3, "database": database})), "Deployment", "shop-inventory")
    assert fixed["spec"]["replicas"] == 3
    scaled = rendered(stack(service={"autoscaling": {"maxReplicas": 4}, "database": database}))
    assert "replicas" not in one(scaled, "Deployment", "shop-inventory")["spec"]
    assert one(scaled, "HorizontalPodAutoscaler", "shop-inventory")["spec"]["maxReplicas"] == 4


@pytest.mark.parametrize(("replicas", "budgets"), [(1, 0), (2, 1)])
def test_a_disruption_budget_only_above_one_replica(replicas: int, budgets: int) -> None:
    database = {"external": {"secretKeyRef": {"name": "db"}}}
    objects = rendered(stack(service={"replicas": replicas, "database": database}))
    assert len([obj for obj in objects if obj["kind"] == "PodDisruptionBudget"]) == budgets


def test_the_url_of_the_database_is_never_in_the_open() -> None:
    database = {"external": {"secretKeyRef": {"name": "db", "key": "dsn"}}}
    objects = rendered(stack(service={"database": database}))
    environment = template_of(objects, "shop-inventory")["spec"]["containers"][0]["env"]
    assert environment[0] == {"name": "DATABASE_URL", "valueFrom": {"secretKeyRef": {"name": "db", "key": "dsn"}}}
    assert not [
        obj for obj in objects if (obj["kind"], obj["metadata"]["name"]) == ("PersistentVolumeClaim", "shop-inventory")
    ]


def peers(objects: list[dict[str, Any]], name: str) -> list[dict[str, Any]] | None:
    (rule,) = one(objects, "NetworkPolicy", name)["spec"]["ingress"]
    found: list[dict[str, Any]] | None = rule.get("from")
    return found


def test_network_policies_open_what_is_needed() -> None:
    closed = rendered(stack())
    inside = [
        {"podSelector": {"matchLabels": {meta.STACK_LABEL: "shop"}}},
        {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "inventory-system"}}},
    ]
    assert peers(closed, "shop-inventory") is None
    for name in ("shop-prometheus", "shop-alertmanager", "shop-grafana"):
        assert peers(closed, name) == inside
    reachable = rendered(stack(ingress={"hosts": {"grafana": "grafana.example.com"}}))
    assert peers(reachable, "shop-grafana") is None
    assert peers(reachable, "shop-prometheus") == inside
    outside = rendered(stack(), dataclasses.replace(INPUTS, operator_namespace=None))
    assert peers(outside, "shop-prometheus") == inside[:1]


def test_the_ingress_of_the_service_never_shows_its_metrics() -> None:
    objects = sets()["inputs-everything"]
    backends = {
        obj["metadata"]["name"]: obj["spec"]["rules"][0]["http"]["paths"][0]["backend"]["service"]["port"]["name"]
        for obj in objects
        if obj["kind"] == "Ingress"
    }
    assert backends == {
        "everything-inventory": "ingress",
        "everything-grafana": "http",
        "everything-prometheus": "http",
    }


def test_the_password_comes_from_standard_input() -> None:
    pod = template_of(rendered(stack(grafana={"adminSecretName": "mine"})), "shop-grafana")["spec"]
    (setter,) = pod["initContainers"]
    assert setter["command"][-1].endswith("--password-from-stdin < /etc/inventory/credentials/admin-password")
    (credentials,) = [volume for volume in pod["volumes"] if volume["name"] == "credentials"]
    assert credentials["secret"]["secretName"] == "mine"
    assert not [variable for variable in pod["containers"][0].get("env", []) if "PASSWORD" in variable["name"]]


def test_identity_of_the_stack_of_a_test() -> None:
    assert stack_of(stack("other")).name == "other"


@pytest.mark.parametrize("name", sorted(sets()))
def test_our_config_maps_leave_room_for_what_users_add(name: str) -> None:
    for obj in sets()[name]:
        if obj["kind"] == "ConfigMap":
            ours = {key: text for key, text in obj["data"].items() if not key.startswith(meta.USER_FILE)}
            assert sum(len(text.encode()) for pair in ours.items() for text in pair) + LARGEST_TOGETHER <= 1 << 20


@pytest.mark.parametrize(
    ("address", "target"), [("10.0.0.7", "10.0.0.7:8000"), ("fd00::7", "[fd00::7]:8000"), ("::1", "[::1]:8000")]
)
def test_the_port_of_an_annotation_is_put_to_an_address_of_either_family(address: str, target: str) -> None:
    config = yaml.safe_load(one(rendered(stack()), "ConfigMap", "shop-prometheus")["data"]["prometheus.yml"])
    rules = [rule for job in config["scrape_configs"] for rule in job.get("relabel_configs", ())]
    port = "__meta_kubernetes_pod_annotation_prometheus_io_port"
    matching = [rule for rule in rules if rule.get("source_labels") == ["__meta_kubernetes_pod_ip", port]]
    # As Prometheus does: the whole of the values, joined by semicolons.
    found = [(rule, re.fullmatch(rule["regex"], f"{address};8000")) for rule in matching]
    made = [rule["replacement"].replace("$1", match[1]).replace("$2", match[2]) for rule, match in found if match]
    assert made == [target]
