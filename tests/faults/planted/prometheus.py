"""Faults of Prometheus: what it may look up, its configuration, and its volume."""

from __future__ import annotations

import os
import subprocess
import tempfile
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml
from tests.faults.fixture import STACK
from tests.faults.planted.fault import AFTER_TIMEOUT, Group, Planted

from inventory_operator.verification.targets import JOB

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.faults.planted.fixture import PlantedFixture

_FILE = "prometheus.yml"
_SIZE = "512Mi"
_BYTES = 512 * 2**20
_USER = 65534


@contextmanager
def _small_volume(fixture: PlantedFixture) -> Iterator[None]:
    """Make a volume for Prometheus that can really be full: a file system in a sparse file."""
    with tempfile.TemporaryDirectory(prefix="faults-volume-") as name:
        image, fixture.volume = Path(name, "image"), Path(name, "mount")
        fixture.volume.mkdir()
        _run("truncate", f"--size={_BYTES}", image)
        _run("mkfs.ext4", "-q", "-m", "0", "-E", f"root_owner={_USER}:{_USER}", image)
        _run("mount", "-o", "loop", image, fixture.volume)
        try:
            yield
        finally:
            fixture.environment.kubectl(
                "delete", "persistentvolume", fixture.namespace, "--ignore-not-found", "--wait=false"
            )
            # A pod of the stack may still have it open.
            _run("umount", "--lazy", fixture.volume)


def _run(*command: str | Path) -> None:
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{command[0]}: {done.stderr}"


def _volume(fixture: PlantedFixture) -> None:
    """Give the volume to the claim of the stack's Prometheus."""
    claim = {"namespace": fixture.namespace, "name": f"{STACK}-prometheus"}
    spec = {
        "accessModes": ["ReadWriteOnce"],
        "capacity": {"storage": _SIZE},
        "claimRef": claim,
        "hostPath": {"path": str(fixture.volume), "type": "Directory"},
        "persistentVolumeReclaimPolicy": "Retain",
        "storageClassName": "faults",
    }
    volume = {"apiVersion": "v1", "kind": "PersistentVolume", "metadata": {"name": fixture.namespace}, "spec": spec}
    fixture.environment.kubectl.apply(volume)


def _fill(fixture: PlantedFixture) -> None:
    """Take all blocks that are free, without writing them."""
    for size in (2**20, 2**12):
        with (fixture.volume / f"filler-{size}").open("wb") as file, suppress(OSError):
            for number in range(_BYTES // size):
                os.posix_fallocate(file.fileno(), number * size, size)


def _empty(fixture: PlantedFixture) -> None:
    for file in fixture.volume.glob("filler-*"):
        file.unlink()


def _without(fixture: PlantedFixture, kind: str) -> None:
    """Delete what lets Prometheus look up pods, and let it begin anew: what it has discovered stays for minutes."""
    fixture.api.delete(kind, fixture.namespace, f"{STACK}-prometheus")
    fixture.delete_pod("prometheus")


def _job(fixture: PlantedFixture, change: Callable[[Any], None]) -> None:
    """Change the job of the service in Prometheus' ConfigMap."""

    def changed(text: str) -> str:
        config = yaml.safe_load(text)
        change(next(job for job in config["scrape_configs"] if job["job_name"] == JOB))
        return yaml.safe_dump(config, sort_keys=False)

    fixture.change_file("prometheus", _FILE, changed)


def _select_none(job: Any) -> None:
    job["kubernetes_sd_configs"][0]["selectors"] = [{"role": "pod", "label": "example.com/none=yes"}]


def _keep_none(job: Any) -> None:
    next(rule for rule in job["relabel_configs"] if rule["action"] == "keep")["regex"] = "5003"


def _unknown_field(job: Any) -> None:
    job["scrape_intervall"] = "10s"


_SPEC: dict[str, Any] = {
    "alerting": {"enabled": False},
    "prometheus": {"storage": {"size": _SIZE, "storageClassName": "faults"}},
}

PROMETHEUS = Group(
    name="prometheus",
    spec=_SPEC,
    around=_small_volume,
    prepare=_volume,
    # So long after a start a target that is not discovered may just be late: three intervals and ten seconds.
    settles=45.0,
    faults=(
        Planted(
            name="target-not-selected",
            what="the job of the service in Prometheus' ConfigMap selects other pods",
            about="ServiceScraped",
            reason="NotSelected",
            words=("pod shop-inventory-", "no selector of its job service selects it"),
            explained=("others changed Prometheus' configuration or the pod's labels",),
            plant=partial(_job, change=_select_none),
            paused=True,
            limit=AFTER_TIMEOUT,
            slower="Prometheus has to load its configuration, and to discover pods anew",
        ),
        Planted(
            name="target-dropped",
            what="a rule of the job of the service in Prometheus' ConfigMap keeps another port",
            about="ServiceScraped",
            reason="DroppedByRelabelling",
            words=("pod shop-inventory-", "dropped by relabelling", "by 5003)"),
            explained=("the named rule of the job service drops the pod",),
            plant=partial(_job, change=_keep_none),
            paused=True,
        ),
        Planted(
            name="configuration-broken",
            what="the job of the service in Prometheus' ConfigMap has a field that Prometheus does not know",
            about="ConfigurationLoaded",
            reason="ConfigurationRefused",
            words=("Prometheus refuses its configuration", "correct ConfigMap shop-prometheus"),
            explained=("ConfigMap",),
            plant=partial(_job, change=_unknown_field),
            paused=True,
        ),
        Planted(
            name="role-missing",
            what="the Role of Prometheus' service account is deleted, and its pod",
            about="ServiceScraped",
            reason="AccessDenied",
            words=("pod shop-inventory-", "may not look up pods without Role shop-prometheus, which is missing"),
            explained=("Prometheus may not look up pods (its ServiceAccount, Role or RoleBinding is missing)",),
            plant=partial(_without, kind="Role"),
            paused=True,
        ),
        Planted(
            name="volume-full",
            what="Prometheus' volume of 512Mi has no free block",
            about="HistoryStored",
            reason="VolumeFull",
            words=("can't write to its volume", "raise spec.prometheus.storage.size"),
            explained=("spec.prometheus.storage.size",),
            plant=_fill,
            repair=_empty,
            limit=AFTER_TIMEOUT,
            slower="Prometheus has to fail to write, and its next sample to be late",
        ),
    ),
)
