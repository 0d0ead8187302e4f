"""What every rendered object keeps to, whatever the spec: security of pods, selectors, owners, server-side apply."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest
from tests.framework.rendered import inputs, one, sets, stack_of

from inventory_operator.api import metadata as meta
from inventory_operator.kube import kinds

OBJECTS = [
    pytest.param(name, obj, id=f"{name}-{obj['kind']}-{obj['metadata']['name']}")
    for name, objects in sets().items()
    for obj in objects
]
DEPLOYMENTS = [parameter for parameter in OBJECTS if parameter.values[1]["kind"] == "Deployment"]
CONTAINERS = [
    pytest.param(container, id=f"{parameter.id}-{container['name']}")
    for parameter in DEPLOYMENTS
    for kind in ("containers", "initContainers")
    for container in parameter.values[1]["spec"]["template"]["spec"].get(kind, [])
]
each_object = pytest.mark.parametrize(("name", "obj"), OBJECTS)
each_deployment = pytest.mark.parametrize(("name", "obj"), DEPLOYMENTS)
each_container = pytest.mark.parametrize("container", CONTAINERS)


def pod_of(deployment: dict[str, Any]) -> dict[str, Any]:
    pod: dict[str, Any] = deployment["spec"]["template"]["spec"]
    return pod


def leaves(node: Any) -> list[Any]:
    if isinstance(node, dict):
        return [leaf for value in node.values() for leaf in leaves(value)]
    if isinstance(node, list):
        return [leaf for value in node for leaf in leaves(value)]
    return [node]


@each_object
def test_every_object_is_labelled_and_placed(name: str, obj: dict[str, Any]) -> None:
    stack = stack_of(inputs()[name])
    labels = obj["metadata"]["labels"]
    assert labels[meta.STACK_LABEL] == stack.name
    assert labels[meta.UID_LABEL] == stack.uid
    assert obj["metadata"].get("namespace") == (None if obj["kind"] == "ClusterRoleBinding" else stack.namespace)
    for value in labels.values():
        assert len(value) <= 63
    assert len(obj["metadata"]["name"]) <= (253 if obj["kind"] == "ClusterRoleBinding" else 63)


@each_object
def test_every_object_fits_server_side_apply(name: str, obj: dict[str, Any]) -> None:
    """No nulls, nothing that the server writes, no stringData, and a protocol for every port."""
    assert None not in leaves(obj)
    assert not {"status", "stringData"} & obj.keys()
    assert "creationTimestamp" not in obj["metadata"]
    for port in obj["spec"].get("ports", []) if obj["kind"] == "Service" else []:
        assert port["protocol"] == ("UDP" if port["name"].endswith("-udp") else "TCP")
    assert obj == json.loads(json.dumps(obj))


@each_object
def test_only_kinds_that_the_operator_watches(name: str, obj: dict[str, Any]) -> None:
    assert kinds.of(obj) in kinds.CHILDREN
    assert kinds.of(obj).api_version == obj["apiVersion"]


@each_object
def test_small_enough_for_client_side_apply(name: str, obj: dict[str, Any]) -> None:
    assert len(json.dumps(obj)) < 262_144


@each_deployment
def test_selectors_are_the_frozen_labels_without_a_version(name: str, obj: dict[str, Any]) -> None:
    selector = obj["spec"]["selector"]["matchLabels"]
    replica = {meta.REPLICA_LABEL} if selector[meta.COMPONENT_LABEL] == "alertmanager" else set()
    assert selector.keys() == {meta.STACK_LABEL, meta.COMPONENT_LABEL} | replica
    assert selector.items() <= obj["spec"]["template"]["metadata"]["labels"].items()
    assert "app.kubernetes.io/version" not in obj["spec"]["template"]["metadata"]["labels"]


@each_deployment
def test_pods_keep_to_the_restricted_level(name: str, obj: dict[str, Any]) -> None:
    pod = pod_of(obj)
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["securityContext"]["runAsUser"] == pod["securityContext"]["fsGroup"] > 0
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert not {"hostNetwork", "hostPID", "hostIPC"} & pod.keys()
    kinds = {key for volume in pod["volumes"] for key in volume if key != "name"}
    assert kinds <= {"emptyDir", "configMap", "projected", "secret", "persistentVolumeClaim"}


@each_deployment
def test_only_prometheus_gets_a_token(name: str, obj: dict[str, Any]) -> None:
    prometheus = obj["metadata"]["labels"][meta.COMPONENT_LABEL] == "prometheus"
    assert pod_of(obj)["automountServiceAccountToken"] is prometheus


@each_deployment
def test_a_volume_is_never_shared_by_two_pods(name: str, obj: dict[str, Any]) -> None:
    claims = [volume for volume in pod_of(obj)["volumes"] if "persistentVolumeClaim" in volume]
    if claims:
        assert obj["spec"]["strategy"] == {"type": "Recreate"}
        assert obj["spec"]["replicas"] == 1
    else:
        assert obj["spec"]["strategy"]["rollingUpdate"] == {"maxUnavailable": 0, "maxSurge": 1}


@each_deployment
def test_every_mount_has_its_volume_and_every_reference_its_object(name: str, obj: dict[str, Any]) -> None:
    pod = pod_of(obj)
    volumes = {volume["name"] for volume in pod["volumes"]}
    for container in (*pod["containers"], *pod.get("initContainers", [])):
        assert {mount["name"] for mount in container["volumeMounts"]} <= volumes
        assert not [mount for mount in container["volumeMounts"] if "subPath" in mount]
    for volume in pod["volumes"]:
        if "persistentVolumeClaim" in volume:
            one(sets()[name], "PersistentVolumeClaim", volume["persistentVolumeClaim"]["claimName"])
        if "configMap" in volume:
            one(sets()[name], "ConfigMap", volume["configMap"]["name"])
    one(sets()[name], "ServiceAccount", pod["serviceAccountName"])


@each_container
def test_containers_can_do_nothing_they_need_not(container: dict[str, Any]) -> None:
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert container["imagePullPolicy"] == "IfNotPresent"
    for bound in ("requests", "limits"):
        assert container["resources"][bound].keys() == {"cpu", "memory"}


@each_deployment
def test_every_container_that_stays_is_probed_three_times(name: str, obj: dict[str, Any]) -> None:
    for container in pod_of(obj)["containers"]:
        ports = {port["name"] for port in container["ports"]}
        for probe in ("startupProbe", "livenessProbe", "readinessProbe"):
            assert container[probe]["httpGet"]["port"] in ports


@pytest.mark.parametrize("name", sets())
def test_services_lead_to_ports_of_pods(name: str) -> None:
    deployments = [obj for obj in sets()[name] if obj["kind"] == "Deployment"]
    for service in (obj for obj in sets()[name] if obj["kind"] == "Service"):
        selected = service["spec"]["selector"].items()
        behind = [one for one in deployments if selected <= one["spec"]["selector"]["matchLabels"].items()]
        assert behind
        for deployment in behind:
            ports = {port["name"]: port["containerPort"] for port in pod_of(deployment)["containers"][0]["ports"]}
            for port in service["spec"]["ports"]:
                assert ports[port["targetPort"]] == port["port"]


@pytest.mark.parametrize("name", sets())
def test_no_pod_is_selected_by_two_deployments(name: str) -> None:
    deployments = [obj["spec"] for obj in sets()[name] if obj["kind"] == "Deployment"]
    for spec in deployments:
        labels = spec["template"]["metadata"]["labels"].items()
        assert len([one for one in deployments if one["selector"]["matchLabels"].items() <= labels]) == 1


@pytest.mark.parametrize("name", sets())
def test_no_secret_value_is_rendered(name: str) -> None:
    """Nothing but the name of the administrator; what is secret is generated by the engine or named by the user."""
    for secret in (obj for obj in sets()[name] if obj["kind"] == "Secret"):
        values = {key: base64.b64decode(value) for key, value in secret.get("data", {}).items()}
        assert values in ({}, {"admin-user": b"admin"})
        generated = secret["metadata"]["annotations"][meta.GENERATE_ANNOTATION].split(",")
        assert generated
        assert not values.keys() & set(generated)


@pytest.mark.parametrize("name", sets())
def test_sorted_and_each_once(name: str) -> None:
    keys = [(obj["kind"], obj["metadata"]["name"]) for obj in sets()[name]]
    assert keys == sorted(set(keys))
