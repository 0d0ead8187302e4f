"""The configuration files in rendered ConfigMaps: found, parsed, and laid out as in a pod.

What is parsed once is shared: no test changes what these functions return.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

import yaml

if TYPE_CHECKING:
    from pathlib import Path

MOUNTED = "/etc/prometheus/config/"
ACCOUNT = "/var/run/secrets/kubernetes.io/serviceaccount/"


def config_map(objects: list[dict[str, Any]], component: str) -> dict[str, str]:
    """Return the data of a component's ConfigMap; empty where the component is off."""
    found = [obj for obj in objects if obj["kind"] == "ConfigMap" and obj["metadata"]["name"].endswith(component)]
    return found[0]["data"] if found else {}


@cache
def parsed(text: str) -> Any:
    """Return what a YAML file says; each text is parsed once, by libyaml."""
    return yaml.load(text, Loader=yaml.CSafeLoader)


def prometheus(objects: list[dict[str, Any]]) -> dict[str, Any]:
    """Return Prometheus' configuration."""
    found: dict[str, Any] = parsed(config_map(objects, "prometheus")["prometheus.yml"])
    return found


def scrape_jobs(objects: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    return {job["job_name"]: job for job in prometheus(objects)["scrape_configs"]}


def written(data: dict[str, str], folder: Path) -> Path:
    """Write a ConfigMap as the kubelet would; promtool insists on a token and a CA that only a pod has."""
    account = folder / "account"
    account.mkdir(parents=True)
    for file in ("token", "ca.crt"):
        (account / file).touch()
    for key, text in data.items():
        (folder / key).write_text(text.replace(MOUNTED, f"{folder}/").replace(ACCOUNT, f"{account}/"))
    return folder
