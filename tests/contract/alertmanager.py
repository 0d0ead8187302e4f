"""What is rendered for Alertmanager, laid out on this machine as in a pod, for the real programs.

Only the folders in it are changed.
"""

from __future__ import annotations

import itertools
from contextlib import contextmanager
from functools import cache
from typing import TYPE_CHECKING, Any

import requests
import yaml
from tests.framework import processes
from tests.framework.api import PATIENCE, eventually
from tests.framework.configurations import parsed
from tests.framework.rendered import ROOT, rendered, stack
from tests.framework.server import free_port

from devcluster.build.binaries import binary

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

POD_FOLDER = "/etc/alertmanager/"
RULES = ROOT / "templates/prometheus/config/reload"

Objects = list[dict[str, Any]]
Labels = dict[str, str]


def alerting(**fields: Any) -> Objects:
    """Return the objects of a stack with these fields under `alerting`."""
    return rendered(stack(alerting=fields))


def files(objects: Objects) -> dict[str, str]:
    """Return what lies in Alertmanager's folder for configuration."""
    (found,) = [obj["data"] for obj in objects if "alertmanager.yml" in obj.get("data", {})]
    return dict(found)


def config(objects: Objects) -> dict[str, Any]:
    found: dict[str, Any] = parsed(files(objects)["alertmanager.yml"])
    return found


def written(objects: Objects, folder: Path) -> Path:
    """Write the files below `folder` instead of POD_FOLDER, and return the path of the configuration."""
    (folder / "config").mkdir(parents=True)
    for name, text in files(objects).items():
        (folder / "config" / name).write_text(text.replace(POD_FOLDER, f"{folder}/"))
    return folder / "config" / "alertmanager.yml"


@cache
def alerts() -> dict[str, Labels]:
    """Return the labels of every alert that ships, by its name."""
    found = {}
    for file in RULES.glob("*.rules.yml"):
        for group in parsed(file.read_text())["groups"]:
            found |= {rule["alert"]: rule["labels"] for rule in group["rules"] if "alert" in rule}
    return found


class Running:
    """A real Alertmanager on this machine."""

    def __init__(self, url: str) -> None:
        self._url = f"{url}/api/v2/alerts"
        self._numbers = itertools.count()

    def fire(self, *alerts: dict[str, Any]) -> None:
        """Send alerts as Prometheus does."""
        requests.post(self._url, json=alerts, timeout=PATIENCE).raise_for_status()

    def settle(self) -> None:
        """Wait until all that was fired is taken into account: Alertmanager does so after it has answered, in order."""
        stack = f"settled{next(self._numbers)}"
        for name in ("ProductOutOfStock", "ProductLowStock"):
            self.fire({"labels": alerts()[name] | {"alertname": name, "namespace": stack, "stack": stack}})
        eventually(lambda: (stack, "ProductLowStock") in self.held_back(), "what was fired to be looked at")

    def held_back(self) -> set[tuple[str, str]]:
        """Return stack and name of each alert that another one holds back."""
        shown = requests.get(self._url, timeout=PATIENCE).json()
        held = [alert["labels"] for alert in shown if alert["status"]["inhibitedBy"]]
        return {(labels["stack"], labels["alertname"]) for labels in held}


@contextmanager
def running(objects: Objects, folder: Path, **settings: str) -> Iterator[Running]:
    """Start Alertmanager with what was rendered, alone, and end it; `settings` are global ones, for the test only."""
    file = written(objects, folder)
    file.write_text(file.read_text() + yaml.safe_dump({"global": settings}))
    address = f"127.0.0.1:{free_port()}"
    command = [
        str(binary("alertmanager")),
        f"--config.file={file}",
        f"--storage.path={folder / 'data'}",
        f"--web.listen-address={address}",
        "--cluster.listen-address=",
    ]
    with (folder / "log").open("w") as log, processes.running(command, stdout=log, stderr=log):
        eventually(lambda: _ready(f"http://{address}"), f"Alertmanager to start, see {folder / 'log'}")
        yield Running(f"http://{address}")


def _ready(url: str) -> bool:
    try:
        return requests.get(f"{url}/-/ready", timeout=PATIENCE).ok
    except requests.ConnectionError:
        return False
