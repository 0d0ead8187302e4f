"""What the one wheel holds: three packages, the templates, and the programs."""

from __future__ import annotations

import configparser
import subprocess
import sys
import zipfile
from typing import TYPE_CHECKING

from tests.framework.rendered import ROOT

if TYPE_CHECKING:
    from pathlib import Path

PROGRAMS = {"inventory-operator", "inventory-service", "inventory", "kubectl-inventory", "kubectl_complete-inventory"}


def test_the_wheel_has_all_packages_and_programs(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", tmp_path]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert not done.returncode, done.stdout + done.stderr
    (wheel,) = tmp_path.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
        (entries,) = (name for name in names if name.endswith("entry_points.txt"))
        parser = configparser.ConfigParser()
        parser.optionxform = str  # type: ignore[assignment,method-assign]
        parser.read_string(archive.read(entries).decode())
    assert set(parser["console_scripts"]) == PROGRAMS
    for name in (
        "inventory_cli/app.py",
        "inventory_cli/commands/status.py",
        "inventory_cli/reasons.json",
        "inventory_operator/__main__.py",
        "inventory_operator/templates/_pod.yaml.j2",
        "inventory_service/__main__.py",
    ):
        assert name in names
