"""Which other objects a manifest refers to by name, so that they are applied before it or hold it back.

Pure: it reads manifests as the templates render them. A reference that is optional holds nothing back.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

Object = dict[str, Any]
ObjectId = tuple[str, str]

_KINDS = {"secretKeyRef": "Secret", "secretRef": "Secret", "configMapKeyRef": "ConfigMap", "configMapRef": "ConfigMap"}


def object_id(manifest: Object) -> ObjectId:
    """Return kind and name: what tells the objects of a namespace apart."""
    return manifest["kind"], manifest["metadata"]["name"]


def object_references(manifest: Object) -> frozenset[ObjectId]:
    """Return kind and name of every object that `manifest` needs or acts on."""
    find = _FINDERS.get(manifest["kind"])
    return frozenset(find(manifest)) if find else frozenset()


def used_objects(manifest: Object, manifests: Sequence[Object]) -> frozenset[ObjectId]:
    """Return which of `manifests` are used by `manifest` without being named in it.

    A Service uses the Deployments whose pods it selects; what reads CloudNativePG's Secret, the Cluster that it is of.
    """
    secrets = [name for kind, name in object_references(manifest) if kind == "Secret"]
    found = {("Cluster", name.removesuffix("-app")) for name in secrets if name.endswith("-app")}
    if manifest["kind"] == "Service" and (selector := manifest["spec"].get("selector")):
        for one in manifests:
            if (
                one["kind"] == "Deployment"
                and selector.items() <= one["spec"]["template"]["metadata"]["labels"].items()
            ):
                found.add((one["kind"], one["metadata"]["name"]))
    known = {(one["kind"], one["metadata"]["name"]) for one in manifests}
    return frozenset(found & known)


def _of_deployment(manifest: Object) -> Iterator[ObjectId]:
    pod = manifest["spec"]["template"]["spec"]
    if account := pod.get("serviceAccountName"):
        yield "ServiceAccount", account
    for volume in pod.get("volumes", ()):
        yield from _of_volume(volume)
    for container in (*pod.get("initContainers", ()), *pod.get("containers", ())):
        sources = [variable["valueFrom"] for variable in container.get("env", ()) if "valueFrom" in variable]
        yield from _named((*sources, *container.get("envFrom", ())))


def _of_volume(volume: Object) -> Iterator[ObjectId]:
    if claim := volume.get("persistentVolumeClaim"):
        yield "PersistentVolumeClaim", claim["claimName"]
    if (secret := volume.get("secret")) and not secret.get("optional"):
        yield "Secret", secret["secretName"]
    for source in (volume, *volume.get("projected", {}).get("sources", ())):
        if (config := source.get("configMap")) and not config.get("optional"):
            yield "ConfigMap", config["name"]
        if source is not volume and (secret := source.get("secret")) and not secret.get("optional"):
            yield "Secret", secret["name"]


def _named(sources: Iterable[Object]) -> Iterator[ObjectId]:
    for source in sources:
        for field, kind in _KINDS.items():
            if (reference := source.get(field)) and not reference.get("optional"):
                yield kind, reference["name"]


def _of_binding(manifest: Object) -> Iterator[ObjectId]:
    yield manifest["roleRef"]["kind"], manifest["roleRef"]["name"]
    for subject in manifest.get("subjects", ()):
        yield subject["kind"], subject["name"]


def _of_autoscaler(manifest: Object) -> Iterator[ObjectId]:
    target = manifest["spec"]["scaleTargetRef"]
    yield target["kind"], target["name"]


def _of_ingress(manifest: Object) -> Iterator[ObjectId]:
    for rule in manifest["spec"].get("rules", ()):
        for path in rule["http"]["paths"]:
            yield "Service", path["backend"]["service"]["name"]


_FINDERS = {
    "Deployment": _of_deployment,
    "RoleBinding": _of_binding,
    "ClusterRoleBinding": _of_binding,
    "HorizontalPodAutoscaler": _of_autoscaler,
    "Ingress": _of_ingress,
}
