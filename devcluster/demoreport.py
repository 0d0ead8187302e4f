"""What `make demo` says at its end: about Grafana, and what to open next, with commands to paste.

A command stands alone on its line: not every shell takes comments in what is typed.
"""

from __future__ import annotations

import json
import shlex
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from devcluster.demostack import NAMESPACE, STACK, grafana_patch
from devcluster.paths import REPO

if TYPE_CHECKING:
    from collections.abc import Mapping

_PORTS = {"inventory": 5000, "prometheus": 9090, "alertmanager": 9093, "grafana": 3000}


@dataclass(frozen=True, slots=True)
class Grafana:
    """What became of Grafana: what was asked for (auto, on, off), its image, and why that can't be pulled."""

    asked: str
    image: str
    missing: str = ""

    @property
    def enabled(self) -> bool:
        """Whether the stack has it."""
        return self.asked == "on" or (self.asked == "auto" and not self.missing)

    @property
    def works(self) -> bool:
        """Whether it can be opened."""
        return self.enabled and not self.missing


@dataclass(frozen=True, slots=True)
class Commands:
    """The commands of this cluster: kubectl with its kubeconfig, and the variables of `make`."""

    kubectl: tuple[str, ...]
    variables: Mapping[str, str]

    def stack(self, *words: str) -> str:
        """Return a kubectl command in the demo's namespace."""
        return shlex.join([*self.kubectl, "-n", NAMESPACE, *words])

    def forward(self, part: str) -> str:
        """Return the command that brings a part of the stack to a port of this machine."""
        return self.stack("port-forward", f"svc/{STACK}-{part}", str(_PORTS[part]))

    def make(self, target: str, *variables: str) -> str:
        """Return a make command with those of `variables` that this run was given."""
        given = [f"{name}={self.variables[name]}" for name in variables if self.variables.get(name)]
        return shlex.join(["make", "-C", str(REPO), target, *given])


def _inventory(commands: Commands, *words: str) -> str:
    """Return a command of `kubectl inventory`, as the development environment has it."""
    access = [word for word in commands.kubectl if word.startswith("--kubeconfig=")]
    return shlex.join([str(REPO / ".venv/bin/inventory"), *words, *access, "-n", NAMESPACE])


def about_grafana(grafana: Grafana, commands: Commands) -> str:
    """Return one sentence for a Grafana that can't be opened, and the command in it; empty for one that can."""
    if grafana.works:
        return ""
    preview = commands.make("dashboards-preview", "CLUSTER", "REGISTRY", "GRAFANA")
    meanwhile = f"`{preview}` draws the dashboards meanwhile"
    patch = json.dumps(grafana_patch(enabled=not grafana.enabled), separators=(",", ":"))
    switch = commands.stack("patch", "invstack", STACK, "--type=merge", "-p", patch)
    why = f"its image {grafana.image} can't be pulled here ({grafana.missing})"
    if grafana.enabled:
        return (
            f"All but Grafana works: {why}, the cluster keeps trying, {meanwhile}, and this gives it up:\n  {switch}\n"
        )
    if grafana.missing:
        return (
            f"Grafana is off, because {why}: {meanwhile},"
            f" and this switches Grafana on once the image can be pulled:\n  {switch}\n"
        )
    return (
        f"Grafana is off, because GRAFANA=off was asked for: `{preview}` draws the dashboards without it,"
        f" and this switches it on:\n  {switch}\n"
    )


def checks(stack: Mapping[str, Any]) -> str:
    """Return what each check of a stack answered, a line each."""
    answers = stack["status"]["verification"]["checks"]
    width = max((len(one["check"]) for one in answers), default=0)
    lines = [f"  {one['check']:<{width}}  {one['status']:<8} {one['message']}" for one in answers]
    return "\n".join(["What the operator asked the running parts, and what they answered:", "", *lines, ""])


def what_next(grafana: Grafana, commands: Commands) -> str:
    """Return what there is to open and to do, each with its command."""
    steps = {
        "The pages of the shop, to open first: http://localhost:5000": [commands.forward("inventory")],
        "Prometheus (the image built here has no pages, but answers): http://localhost:9090/api/v1/alerts": [
            commands.forward("prometheus")
        ],
        "Alertmanager: http://localhost:9093": [commands.forward("alertmanager")],
    }
    if grafana.works:
        password = commands.stack("get", "secret", f"{STACK}-grafana", "-o", "jsonpath={.data.admin-password}")
        steps["Grafana: http://localhost:3000, user admin, with the password that the second command prints"] = [
            commands.forward("grafana"),
            f"{password} | base64 -d; echo",
        ]
    steps |= {
        "What runs there, as a tree": [commands.make("venv"), _inventory(commands, "status", STACK)],
        "Send known traffic for a minute, and find exactly it in the metrics": [
            _inventory(commands, "verify", STACK, "--load", "60s")
        ],
        "Change the stack, and watch the operator follow": [
            commands.stack("edit", "invstack", STACK),
            commands.stack("get", "invstack", STACK, "--watch"),
        ],
        "Remove all of it; a cluster of yours stays": [commands.make("demo-down", "CLUSTER")],
    }
    lines = ["What next (each command works when pasted; Ctrl-C ends a port-forward):", ""]
    for what, words in steps.items():
        lines += [what, *(f"  {word}" for word in words)]
    return "\n".join(lines)
