"""What a manifest refers to by name: each way of each kind that templates render, and nothing that is optional."""

from __future__ import annotations

from typing import Any

import pytest
from tests.framework.rendered import rendered, stack

from inventory_operator.kube.object_references import object_references, used_objects

POD = {
    "serviceAccountName": "account",
    "initContainers": [{"env": [{"name": "A", "valueFrom": {"configMapKeyRef": {"name": "first", "key": "a"}}}]}],
    "containers": [
        {
            "env": [
                {"name": "A", "value": "a"},
                {"name": "B", "valueFrom": {"secretKeyRef": {"name": "key", "key": "b"}}},
                {"name": "C", "valueFrom": {"secretKeyRef": {"name": "no", "key": "c", "optional": True}}},
                {"name": "D", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}},
            ],
            "envFrom": [{"secretRef": {"name": "all"}}, {"configMapRef": {"name": "no", "optional": True}}],
        }
    ],
    "volumes": [
        {"emptyDir": {}},
        {"persistentVolumeClaim": {"claimName": "claim"}},
        {"secret": {"secretName": "mounted"}},
        {"secret": {"secretName": "no", "optional": True}},
        {"configMap": {"name": "files"}},
        {"projected": {"sources": [{"configMap": {"name": "part"}}, {"secret": {"name": "no", "optional": True}}]}},
        {"projected": {"sources": [{"secret": {"name": "projected"}}, {"serviceAccountToken": {}}]}},
    ],
}
SECRETS = {("Secret", name) for name in ("key", "all", "mounted", "projected")}
FILES = {("ConfigMap", name) for name in ("first", "files", "part")}
BINDING = {"roleRef": {"kind": "Role", "name": "role"}, "subjects": [{"kind": "ServiceAccount", "name": "account"}]}
BACKEND = {"backend": {"service": {"name": "web"}}}


@pytest.mark.parametrize(
    ("kind", "body", "references"),
    [
        (
            "Deployment",
            {"spec": {"template": {"spec": POD}}},
            {("ServiceAccount", "account"), ("PersistentVolumeClaim", "claim"), *SECRETS, *FILES},
        ),
        ("RoleBinding", BINDING, {("Role", "role"), ("ServiceAccount", "account")}),
        ("ClusterRoleBinding", BINDING, {("Role", "role"), ("ServiceAccount", "account")}),
        (
            "HorizontalPodAutoscaler",
            {"spec": {"scaleTargetRef": {"kind": "Deployment", "name": "pods"}}},
            {("Deployment", "pods")},
        ),
        ("Ingress", {"spec": {"rules": [{"http": {"paths": [BACKEND]}}]}}, {("Service", "web")}),
        ("ConfigMap", {"data": {"a": "b"}}, set()),
    ],
)
def test_every_reference_is_found(kind: str, body: dict[str, Any], references: set[tuple[str, str]]) -> None:
    assert object_references({"kind": kind, **body}) == references


def test_what_is_used_without_being_named_is_found() -> None:
    labels = {"app": "a", "part": "b"}
    deployments = [
        {
            "kind": "Deployment",
            "metadata": {"name": name},
            "spec": {"template": {"metadata": {"labels": of}, "spec": {}}},
        }
        for name, of in {"selected": labels, "other": {"app": "a"}}.items()
    ]
    cluster = {"kind": "Cluster", "metadata": {"name": "db"}}
    known = [*deployments, cluster]
    service = {"kind": "Service", "metadata": {"name": "s"}, "spec": {"selector": {"part": "b"}}}
    assert used_objects(service, known) == {("Deployment", "selected")}
    assert used_objects({**service, "spec": {}}, known) == set()
    variables = [
        {"valueFrom": {"secretKeyRef": {"name": name, "key": "uri"}}} for name in ("db-app", "other-app", "db")
    ]
    pod = {"containers": [{"env": variables}]}
    reader = {"kind": "Deployment", "metadata": {"name": "r"}, "spec": {"template": {"spec": pod}}}
    assert used_objects(reader, known) == {("Cluster", "db")}


FULL = {
    "service": {
        "autoscaling": {"minReplicas": 1, "maxReplicas": 2},
        "database": {"external": {"secretKeyRef": {"name": "pg"}}},
    },
    "ingress": {"hosts": {"service": "shop.example.com", "grafana": "grafana.example.com"}},
}


@pytest.mark.parametrize("fields", [{}, FULL], ids=["the defaults", "everything"])
def test_what_the_templates_render_refers_to_each_other_without_a_circle(fields: dict[str, Any]) -> None:
    objects = rendered(stack(**fields))
    pending = {(o["kind"], o["metadata"]["name"]): object_references(o) | used_objects(o, objects) for o in objects}
    outside = {one for references in pending.values() for one in references if one not in pending}
    assert {name for kind, name in outside if kind != "ClusterRole"} <= {"pg"}
    while pending:
        wave = {one for one, references in pending.items() if not references & pending.keys()}
        assert wave
        pending = {one: it for one, it in pending.items() if one not in wave}
