"""From a typed spec and its inputs to the desired objects, through the templates.

Same input, same output: whatever comes from the API server, a clock or chance is among the inputs.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from inventory_operator.api import metadata as meta
from inventory_operator.manifests.templates import Component, ConfigFile, manifests, registry

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from inventory_operator.api.stack import Spec


@dataclass(frozen=True, slots=True)
class RenderInputs:
    """What render must know and can't learn from the spec; gathered before, so that render asks nobody."""

    #: The image of the operator's own version of the service.
    service_image: str
    #: Where the operator runs, for the network policies; None outside a cluster.
    operator_namespace: str | None = None
    #: Owner of the ClusterRoleBinding; None where the stack gets none.
    namespace_uid: str | None = None
    #: Whether kubelets have certificates that the cluster's CA did not sign.
    kubelet_insecure_skip_verify: bool = False
    #: Where RUNBOOK.md is published; None where it is not.
    runbook_url: str | None = None
    #: Component -> HMAC of the keys it uses of the Secrets it starts with.
    secret_digests: Mapping[str, str] = field(default_factory=dict)
    #: Component -> HMAC of the keys it uses of the Secrets it reads again and again.
    mounted_digests: Mapping[str, str] = field(default_factory=dict)
    #: Component -> key of its ConfigMap -> content: the checked files of users.
    user_files: Mapping[str, Mapping[str, str]] = field(default_factory=dict)


def render(stack: meta.Stack, spec: Spec, inputs: RenderInputs) -> list[dict[str, Any]]:
    """Return every object that the stack should consist of, complete and sorted by kind and name."""
    context = {"stack": stack, "spec": spec, "inputs": inputs, "names": meta.names(stack)}
    objects = [obj for component in registry() for obj in _component(component, context)]
    return _complete(objects, stack, spec, inputs.namespace_uid)


def secrets(stack: meta.Stack, spec: Spec) -> list[dict[str, Any]]:
    """Return the Secrets among these objects: their values are generated, and inputs of the others."""
    context = {"stack": stack, "spec": spec, "names": meta.names(stack)}
    objects: list[dict[str, Any]] = []
    for component in registry():
        found = [obj for template in component.secrets for obj in manifests(template, context)]
        for obj in found:
            obj["metadata"]["labels"] = meta.labels(stack, component.name)
        objects += found
    return _complete(objects, stack, spec, None)


def _complete(
    objects: list[dict[str, Any]], stack: meta.Stack, spec: Spec, namespace_uid: str | None
) -> list[dict[str, Any]]:
    for obj in objects:
        metadata = obj["metadata"]
        if obj["kind"] == "ClusterRoleBinding":
            metadata["labels"][meta.STACK_NAMESPACE_LABEL] = stack.namespace
        else:
            metadata["namespace"] = stack.namespace
        if spec.deletion_policy == "Delete" or not _outlives(obj):
            metadata["ownerReferences"] = [_owner(obj, stack, namespace_uid)]
    return sorted(objects, key=lambda obj: (obj["kind"], obj["metadata"]["name"]))


def config_digest(config_map: Mapping[str, Any]) -> str:
    """Return the digest of all that a component reads; written on a pod it makes the kubelet refresh files at once."""
    annotations = config_map["metadata"].get("annotations", {})
    mounted = annotations.get(meta.MOUNTED_ANNOTATION)
    return _digest([config_map.get("data", {}), mounted] if mounted else config_map.get("data", {}))


def _outlives(obj: Mapping[str, Any]) -> bool:
    """Tell whether an object is kept when its stack is deleted with `Retain`: data, and generated Secrets."""
    generated = meta.GENERATE_ANNOTATION in obj["metadata"].get("annotations", {})
    return obj["kind"] in meta.KEEPS_DATA or generated


def _owner(obj: Mapping[str, Any], stack: meta.Stack, namespace_uid: str | None) -> dict[str, Any]:
    """Return who takes the object along; a namespaced stack can't own what is cluster-scoped, its namespace can."""
    if obj["kind"] == "ClusterRoleBinding":
        return {"apiVersion": "v1", "kind": "Namespace", "name": stack.namespace, "uid": namespace_uid}
    return meta.owner_reference(stack)


def _component(component: Component, context: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield the objects of one component; a component whose templates all render to nothing is off."""
    stack, inputs = context["stack"], context["inputs"]
    labels = meta.labels(stack, component.name)
    pod_labels, selector = meta.pod_labels(stack, component.name), meta.selector(stack, component.name)
    context = {**context, "pod_labels": pod_labels, "selector": selector}
    objects = [obj for template in component.children for obj in manifests(template, context)]
    if not objects:
        return
    texts = {file: file.text(context) for file in component.config}
    files = {file: text for file, text in texts.items() if text.strip()}
    if files:
        objects.append(_config_map(component.name, files, context))
    restart = _restart_digest(files, inputs.secret_digests.get(component.name))
    for obj in objects:
        obj["metadata"]["labels"] = dict(labels)
        if restart and obj["kind"] == "Deployment":
            obj["spec"]["template"]["metadata"].setdefault("annotations", {})[meta.RESTART_ANNOTATION] = restart
        yield obj


def _config_map(component: str, files: Mapping[ConfigFile, str], context: Mapping[str, Any]) -> dict[str, Any]:
    inputs = context["inputs"]
    metadata: dict[str, Any] = {"name": getattr(context["names"], component)}
    if mounted := inputs.mounted_digests.get(component):
        metadata["annotations"] = {meta.MOUNTED_ANNOTATION: mounted}
    data = {file.key: text for file, text in files.items()} | dict(inputs.user_files.get(component, {}))
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": data}


def _restart_digest(files: Mapping[ConfigFile, str], secrets: str | None) -> str | None:
    """Return the digest of exactly what a running pod can't pick up by itself; None when there is nothing such."""
    config = {file.key: text for file, text in files.items() if file.restarts}
    return _digest([config, secrets]) if config or secrets else None


def _digest(content: Any) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:32]
