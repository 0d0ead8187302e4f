"""The example files for Argo CD and Flux, and what is in them for programs."""

from __future__ import annotations

from typing import Any

import yaml
from tests.framework.rendered import ROOT

from inventory_operator.api import metadata as meta

FILES = sorted((ROOT / "examples/gitops").glob("*.yaml"))


def example(name: str) -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load((ROOT / "examples/gitops" / name).read_text("utf-8"))
    return found


def health_script() -> str:
    """The Lua script, under the key by which Argo CD finds it."""
    script: str = example("argocd-cm.yaml")["data"][f"resource.customizations.health.{meta.GROUP}_{meta.KIND}"]
    return script


def expressions() -> dict[str, str]:
    """The CEL expressions of Flux, by what they stand for."""
    (found,) = example("flux-kustomization.yaml")["spec"]["healthCheckExprs"]
    assert (found.pop("apiVersion"), found.pop("kind")) == (meta.API_VERSION, meta.KIND)
    assert found.keys() == {"inProgress", "failed", "current"}
    return dict(found)
