"""What is kept when a test on real pods fails: events, pods and their logs, the operator's log. No Secrets."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from devcluster.install import DEPLOYMENT, NAMESPACE
from devcluster.paths import REPO

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from tests.framework.kube import Kube

FOLDER = REPO / "build" / "test" / "failures"
#: Lines of a summary that are shown in the report itself.
_SHOWN = 25


def keep(kube: Kube, test: str, namespaces: Iterable[str]) -> str:
    """Write what can be seen of `namespaces` and of the operator into a folder of the test's; return a summary."""
    folder = FOLDER / re.sub(r"[^\w.-]+", "-", test).strip("-")
    folder.mkdir(parents=True, exist_ok=True)
    log = kube.run("-n", NAMESPACE, "logs", f"deployment/{DEPLOYMENT}", "--tail=5000", check=False).stdout
    (folder / "operator.log").write_text(log)
    said = [f"kept in {folder}"]
    for namespace in namespaces:
        said += _keep_namespace(kube.inside(namespace), folder, namespace)
    return "\n".join(said)


def _keep_namespace(kube: Kube, folder: Path, namespace: str) -> list[str]:
    commands = {
        "events": ("get", "events", "--sort-by=.lastTimestamp"),
        "pods": ("describe", "pods"),
        "stacks": ("get", "inventorystacks", "-o", "yaml"),
        "objects": ("get", "deployments,replicasets,pods,services,persistentvolumeclaims,configmaps", "-o", "wide"),
    }
    texts = {name: kube.run(*words, check=False).stdout for name, words in commands.items()}
    for pod in kube.run("get", "pods", "-o", "name", check=False).stdout.split():
        words = ("logs", pod, "--all-containers", "--prefix", "--tail=2000")
        texts[pod.replace("/", "-")] = kube.run(*words, check=False).stdout
    for name, text in texts.items():
        (folder / f"{namespace}-{name}.txt").write_text(text)
    shown = [*texts["objects"].splitlines()[:_SHOWN], *texts["events"].splitlines()[-_SHOWN:]]
    return [f"namespace {namespace}:", *shown]
