"""`make demo`: a whole stack from nothing, with traffic, and then what a person wants to do next.

Uses only what a user would: kubectl apply, kubectl get, port-forward. Safe to repeat.
"""

from __future__ import annotations

import shutil
import sys
import time
from typing import TYPE_CHECKING, Any

from devcluster import install, traffic
from devcluster.errors import ClusterError
from devcluster.images.ownimages import SERVICE
from devcluster.kubectl import Kubectl
from devcluster.paths import REPO

if TYPE_CHECKING:
    from pathlib import Path

    from devcluster.targets import Target

NAMESPACE = STACK = "shop"
_EXAMPLE = REPO / "examples" / "shop.yaml"
_NEEDED = ("ServiceAvailable", "DatabaseAvailable", "PrometheusAvailable", "AlertmanagerAvailable")
_OPTIONAL = "GrafanaAvailable"
_NOT_PULLED = ("ImagePullBackOff", "ErrImagePull")
_WAIT_SECONDS = 600
_TRAFFIC_SECONDS = 10

_NEXT = """
What next (each line works when pasted; Ctrl-C ends a port-forward):

  {kubectl} -n shop get invstack shop -o wide
  {kubectl} -n shop get pods,services,pvc
  {kubectl} -n shop port-forward svc/shop-inventory 5000      # http://localhost:5000
  {kubectl} -n shop port-forward svc/shop-prometheus 9090     # http://localhost:9090
  {kubectl} -n shop port-forward svc/shop-alertmanager 9093   # http://localhost:9093
  {kubectl} -n shop port-forward svc/shop-grafana 3000        # http://localhost:3000, user admin, password:
  {kubectl} -n shop get secret shop-grafana -o jsonpath='{{.data.admin-password}}' | base64 -d; echo
  {kubectl} -n shop edit invstack shop                        # change it and watch
  make -C {repo} demo-down                                    # stop and remove all of it
"""


def run(target: Target) -> None:
    """Bring everything up and say how to use it; ClusterError when a needed part does not come."""
    _say("starting the cluster" if target.up() else "the cluster is running")
    names = target.load()
    kubectl = Kubectl(target.kubeconfig())
    _say("installing the operator in the namespace " + install.NAMESPACE)
    changed = install.install(kubectl, names, target.environment)
    _say(f"applying {_EXAMPLE.relative_to(REPO)} in the namespace {NAMESPACE}")
    kubectl.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}})
    existed = kubectl.succeeds("-n", NAMESPACE, "get", f"deployment/{STACK}-inventory")
    kubectl("-n", NAMESPACE, "apply", "--server-side", "--force-conflicts", "-f", str(_EXAMPLE))
    if existed and SERVICE in changed:
        kubectl("-n", NAMESPACE, "rollout", "restart", f"deployment/{STACK}-inventory")
        kubectl("-n", NAMESPACE, "rollout", "status", f"deployment/{STACK}-inventory", "--timeout=180s")
    missing = _await_stack(kubectl)
    _send_traffic(target.kubeconfig())
    _tell(kubectl, target.kubeconfig(), missing)


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


def pending(stack: dict[str, Any]) -> tuple[str, str]:
    """Return (what is still waited for, what is missing for good); both empty when everything is available."""
    conditions = {it["type"]: it for it in stack.get("status", {}).get("conditions", ())}
    generation = stack["metadata"]["generation"]
    stalled = conditions.get("Stalled", {})
    if stalled.get("status") == "True":
        raise ClusterError(f"the stack is stalled: {stalled.get('message')}")
    for name in (*_NEEDED, _OPTIONAL):
        condition = conditions.get(name)
        if condition is None or condition.get("observedGeneration", generation) != generation:
            return f"{name}: not reported yet", ""
        if condition["status"] == "True":
            continue
        said = f"{name}: {condition.get('message') or condition.get('reason')}"
        if name == _OPTIONAL and any(it in f"{condition.get('reason')} {said}" for it in _NOT_PULLED):
            return "", said
        return said, ""
    return "", ""


def _await_stack(kubectl: Kubectl) -> str:
    """Wait until every part is available, saying what is waited for; return what can't be had here."""
    deadline, last = time.monotonic() + _WAIT_SECONDS, ""
    while time.monotonic() < deadline:
        waiting, missing = pending(kubectl.json("-n", NAMESPACE, "get", "inventorystack", STACK))
        if not waiting:
            return missing
        if waiting != last:
            _say(f"waiting for {waiting}")
            last = waiting
        time.sleep(0.5)
    raise ClusterError(f"after {_WAIT_SECONDS} s the stack still waits for {last}")


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


def _tell(kubectl: Kubectl, kubeconfig: Path, missing: str) -> None:
    program = "kubectl" if shutil.which("kubectl") else str(kubectl.program)
    print()
    print(kubectl("-n", NAMESPACE, "get", "invstack"), end="")
    print(_NEXT.format(kubectl=f"{program} --kubeconfig {kubeconfig}", repo=REPO))
    if missing:
        print(f"Everything works but Grafana: its image can't be pulled from here ({missing}).")


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
