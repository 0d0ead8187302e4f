"""Installs the operator in a cluster, from operator/deploy, with the image names and settings that it needs there."""

from __future__ import annotations

import json
import os
import tempfile
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from devcluster.images.ownimages import OPERATOR, OWN, SERVICE, OwnImage
from devcluster.paths import REPO

if TYPE_CHECKING:
    from collections.abc import Mapping

    from devcluster.kubectl import Kubectl

NAMESPACE = "inventory-system"
DEPLOYMENT = "inventory-operator"

#: What operator/deploy leaves closed (docs/security.md) and the stacks of the demo and of examples/ ask for: metrics
#: of their containers, and hosts below a domain that is nobody's (RFC 2606).
OPENED: Mapping[str, str] = MappingProxyType(
    {
        "INVENTORY_ALLOW_KUBELET_METRICS": "true",
        "INVENTORY_ALLOWED_INGRESS_HOSTS": "example.com",
        "INVENTORY_ALLOWED_INGRESS_ANNOTATIONS": "cert-manager.io/cluster-issuer",
        "INVENTORY_ALLOWED_INGRESS_CLASSES": "nginx",
    }
)

_VARIANT = REPO / "operator" / "deploy" / "cluster-wide"
_CONTAINER = "operator"
#: Only what hangs reaches them, also on a machine that does much else meanwhile.
_SERVED_SECONDS, _ROLLOUT_SECONDS = 300, 600
_INSTALLED = "installed-images"


def install(kubectl: Kubectl, names: dict[OwnImage, str], environment: Mapping[str, str]) -> set[OwnImage]:
    """Apply the cluster-wide install, wait until the operator is ready, return the images that changed since the last.

    The name of an image stays while its content changes: a ConfigMap remembers what was installed.
    """
    installed = _installed(kubectl)
    stale = _stale(installed)
    with tempfile.TemporaryDirectory() as folder:
        source = _overlay(Path(folder), names, environment)
        kubectl("apply", "--server-side", "--force-conflicts", "-k", str(source))
    crd = "crd/inventorystacks.inventorystack.dev"
    kubectl("wait", "--for=condition=Established", crd, f"--timeout={_SERVED_SECONDS}s")
    if installed and OPERATOR in stale:
        kubectl("-n", NAMESPACE, "rollout", "restart", f"deployment/{DEPLOYMENT}")
    kubectl("-n", NAMESPACE, "rollout", "status", f"deployment/{DEPLOYMENT}", f"--timeout={_ROLLOUT_SECONDS}s")
    metadata = {"name": _INSTALLED, "namespace": NAMESPACE}
    digests = {image.short: image.digest() for image in names}
    kubectl.apply({"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": digests})
    return stale


def changed(kubectl: Kubectl) -> set[OwnImage]:
    """Return our images whose sources are not those of the last install; all of them before the first."""
    return _stale(_installed(kubectl))


def _stale(installed: Mapping[str, str]) -> set[OwnImage]:
    return {image for image in OWN if installed.get(image.short) != image.digest()}


def _installed(kubectl: Kubectl) -> dict[str, str]:
    """Return the digest of the sources of each installed image; empty before the first install."""
    if not kubectl.succeeds("-n", NAMESPACE, "get", "configmap", _INSTALLED):
        return {}
    found: dict[str, str] = kubectl.json("-n", NAMESPACE, "get", "configmap", _INSTALLED)["data"]
    return found


def uninstall(kubectl: Kubectl) -> None:
    """Delete what `install` applied; stacks should be gone before."""
    kubectl("delete", "--ignore-not-found", "-k", str(_VARIANT), "--timeout=120s")


def _overlay(folder: Path, names: dict[OwnImage, str], environment: Mapping[str, str]) -> Path:
    """Return the folder to apply, which is on top of the repository's own."""
    resource = os.path.relpath(_VARIANT, folder.resolve())
    (folder / "kustomization.yaml").write_text(json.dumps(overlay(resource, names, environment)))
    return folder.resolve()


def overlay(resource: str, names: dict[OwnImage, str], environment: Mapping[str, str]) -> dict[str, Any]:
    """Return a kustomization on top of `resource` with other `names` of images, what is opened, and `environment`."""
    repository, _, tag = names[OPERATOR].rpartition(":")
    variables = {"INVENTORY_SERVICE_IMAGE": names[SERVICE], **OPENED, **environment}
    container = {"name": _CONTAINER, "env": [{"name": name, "value": value} for name, value in variables.items()]}
    patch = {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": DEPLOYMENT},
        "spec": {"template": {"spec": {"containers": [container]}}},
    }
    return {
        "apiVersion": "kustomize.config.k8s.io/v1beta1",
        "kind": "Kustomization",
        "resources": [resource],
        "images": [{"name": OPERATOR.name.rpartition(":")[0], "newName": repository, "newTag": tag}],
        "patches": [{"patch": json.dumps(patch), "target": {"kind": "Deployment", "name": DEPLOYMENT}}],
    }
