"""kubectl for the cluster tests: objects in, objects out, and waiting for a condition instead of sleeping."""

from __future__ import annotations

import json
import subprocess
from typing import TYPE_CHECKING, Any

from devcluster.build.binaries import binary

if TYPE_CHECKING:
    from pathlib import Path

BASE_IMAGE = "docker.io/library/python:3.13-slim-bookworm"


class Kube:
    """The built kubectl with one kubeconfig and, when given, one namespace."""

    def __init__(self, kubeconfig: Path, namespace: str | None = None) -> None:
        self.kubeconfig = kubeconfig
        self.namespace = namespace

    def inside(self, namespace: str) -> Kube:
        return Kube(self.kubeconfig, namespace)

    def command(self, *words: str) -> list[str]:
        scope = ["--namespace", self.namespace] if self.namespace else []
        return [str(binary("kubectl")), f"--kubeconfig={self.kubeconfig}", *scope, *words]

    def run(self, *words: str, stdin: str | None = None, check: bool = True) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(self.command(*words), input=stdin, capture_output=True, text=True, check=False)
        if check and done.returncode:
            raise AssertionError(f"kubectl {' '.join(words)}: {done.stderr.strip()}")
        return done

    def __call__(self, *words: str, stdin: str | None = None) -> str:
        return self.run(*words, stdin=stdin).stdout

    def json(self, *words: str) -> Any:
        return json.loads(self(*words, "-o", "json"))

    def get(self, kind: str, name: str) -> dict[str, Any] | None:
        """The object, or None when there is none."""
        text = self("get", kind, name, "--ignore-not-found", "-o", "json")
        return json.loads(text) if text.strip() else None

    def items(self, kind: str, selector: str = "") -> list[dict[str, Any]]:
        return self.json("get", kind, *(["-l", selector] if selector else []))["items"]

    def apply(self, *objects: dict[str, Any]) -> None:
        content = json.dumps({"apiVersion": "v1", "kind": "List", "items": list(objects)})
        self("apply", "--server-side", "--force-conflicts", "-f", "-", stdin=content)

    def raw(self, path: str) -> str:
        return self("get", "--raw", path)


def restricted_pod(name: str, command: list[str], **spec: Any) -> dict[str, Any]:
    """A pod of one container `main` that the restricted Pod Security level admits; `mounts` are its volume mounts."""
    container = {
        "name": "main",
        "image": BASE_IMAGE,
        "imagePullPolicy": "IfNotPresent",
        "command": command,
        "volumeMounts": spec.pop("mounts", []),
        "securityContext": {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}},
    }
    security = {"runAsNonRoot": True, "runAsUser": 1000, "seccompProfile": {"type": "RuntimeDefault"}}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "labels": {"app": name}},
        "spec": {
            "containers": [container],
            "securityContext": security,
            "terminationGracePeriodSeconds": 0,
            **spec,
        },
    }
