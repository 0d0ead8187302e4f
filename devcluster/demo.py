"""`make demo`: a whole stack from nothing, with traffic, and then what a person wants to do next.

Uses only what a user would: kubectl apply, kubectl get, port-forward. Safe to repeat.
"""

from __future__ import annotations

import shutil
import sys
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from devcluster import demoreport, demostack, install, traffic
from devcluster.demoreport import Commands, Grafana
from devcluster.demostack import NAMESPACE, STACK
from devcluster.errors import ClusterError, RefusedError
from devcluster.images.ownimages import SERVICE
from devcluster.kubectl import Kubectl
from devcluster.paths import REPO

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from devcluster.targets import Target

#: Whether the stack has Grafana: where its image can be had, in any case, or not at all.
GRAFANA = ("auto", "on", "off")
_TRAFFIC_SECONDS = 10


def check_grafana(asked: str) -> str:
    """Return `asked` when it is known; nothing means auto."""
    if asked and asked not in GRAFANA:
        raise RefusedError(f"GRAFANA={asked} is not known: it is one of {', '.join(GRAFANA)}")
    return asked or "auto"


def run(target: Target, asked: str, variables: Mapping[str, str]) -> None:
    """Bring everything up and say how to use it; ClusterError when a needed part does not come.

    `asked` is one of GRAFANA, `variables` are those of `make` that the next commands need.
    """
    _say("starting the cluster" if target.up() else "the cluster is running")
    names = target.load()
    kubectl = Kubectl(target.kubeconfig())
    _say("installing the operator in the namespace " + install.NAMESPACE)
    _say("its stacks may have " + ", ".join(f"{name}={value}" for name, value in install.OPENED.items()))
    changed = install.install(kubectl, names, target.environment)
    labels = {"pod-security.kubernetes.io/enforce": "restricted"}
    kubectl.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE, "labels": labels}})
    grafana = find_grafana(target, kubectl, asked)
    _say(f"applying {demostack.EXAMPLE.relative_to(REPO)} in the namespace {NAMESPACE}")
    existed = kubectl.succeeds("-n", NAMESPACE, "get", f"deployment/{STACK}-inventory")
    demostack.apply(kubectl, grafana=grafana.enabled)
    if existed and SERVICE in changed:
        kubectl("-n", NAMESPACE, "rollout", "restart", f"deployment/{STACK}-inventory")
        kubectl("-n", NAMESPACE, "rollout", "status", f"deployment/{STACK}-inventory", "--timeout=180s")
    grafana = await_stack(kubectl, grafana)
    _send_traffic(target.kubeconfig())
    stack = demostack.wait_verified(kubectl)
    _tell(kubectl, stack, grafana, variables)


def remove(target: Target) -> None:
    """Remove the demo; a cluster that this package started goes with it."""
    from devcluster.targets import Current  # late: targets would need this module's neighbours for nothing else

    if isinstance(target, Current):
        kubectl = Kubectl(target.kubeconfig())
        if kubectl.succeeds("get", "crd", "inventorystacks.inventorystack.dev"):
            kubectl("-n", NAMESPACE, "delete", "invstack", STACK, "--ignore-not-found", "--timeout=120s")
        kubectl("delete", "namespace", NAMESPACE, "--ignore-not-found", "--timeout=180s")
        install.uninstall(kubectl)
    target.down(keep=False)
    _say("the demo is gone")


def find_grafana(target: Target, kubectl: Kubectl, asked: str) -> Grafana:
    """Return whether the stack is to have Grafana; with auto that depends on whether its image can be had."""
    image = demostack.grafana_image(demostack.apply(kubectl, grafana=True, dry_run=True))
    grafana = Grafana(asked, image)
    if asked != "auto":
        return grafana
    missing = target.missing_reason(image)
    if missing:
        _say("it can't be pulled here: the stack is applied without Grafana")
    return replace(grafana, missing=missing)


def await_stack(kubectl: Kubectl, grafana: Grafana) -> Grafana:
    """Wait until the stack is ready; with auto, a Grafana whose image can't be pulled after all is switched off."""
    if grafana.enabled:
        demostack.retry_pull(kubectl)
    missing = demostack.wait(kubectl)
    if not missing:
        return grafana
    grafana = replace(grafana, missing=missing)
    if not grafana.enabled:
        _say("Grafana's image can't be pulled: switching Grafana off")
        demostack.apply(kubectl, grafana=False)
        demostack.wait(kubectl)
    return grafana


def _send_traffic(kubeconfig: Path) -> None:
    _say(f"sending {_TRAFFIC_SECONDS} s of traffic: looks, sales, restocks, wrong links")
    with traffic.forwarded(kubeconfig, NAMESPACE, f"{STACK}-inventory", 5000) as address:
        answers = traffic.send(address, _TRAFFIC_SECONDS)
    if not answers.get(200):
        raise ClusterError(f"the service answered no request with 200: {answers}")
    _say(
        f"{sum(answers.values())} requests: "
        + ", ".join(f"{count} x {code}" for code, count in sorted(answers.items()))
    )


def _tell(kubectl: Kubectl, stack: Mapping[str, Any], grafana: Grafana, variables: Mapping[str, str]) -> None:
    program = "kubectl" if shutil.which("kubectl") else str(kubectl.program)
    commands = Commands((program, f"--kubeconfig={kubectl.kubeconfig}"), variables)
    print()
    print(kubectl("-n", NAMESPACE, "get", "invstack", STACK))
    print(demoreport.checks(stack))
    if sentence := demoreport.about_grafana(grafana, commands):
        print(sentence)
    print(demoreport.what_next(grafana, commands))


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
