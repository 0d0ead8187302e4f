"""Write the list of all fields of a scrape job, from the sources of the Prometheus that is pinned.

Run as `make scrape-fields`; it needs Go. The program is built like the servers of the
local cluster (devcluster/build), so that Go has most of it in its cache.
"""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from devcluster.build.gotool import ENVIRONMENT
from devcluster.build.recipes import FLAGS
from devcluster.paths import MODULES
from devcluster.preflight import require_go
from inventory_operator.checks.scrape_policy import KNOWN_FILE

PROGRAM = Path(__file__).parent / "scrapefields" / "main.go"
_PROMETHEUS = "github.com/prometheus/prometheus"


def fields() -> str:
    """Return the list as it should be."""
    # Their releases v3.x.y are modules v0.3xx.y, two digits for the minor.
    module, folder = _go("list", "-mod=readonly", "-m", "-f", "{{.Version}} {{.Dir}}", _PROMETHEUS).split()
    return head(released(module)) + _go("run", *FLAGS, str(PROGRAM), folder)


def released(module: str) -> str:
    """Return the version of Prometheus that a version of its module is: v3.16.0 is v0.316.0."""
    _, minor, patch = module.split(".")
    return f"v{minor[0]}.{int(minor[1:])}.{patch}"


def head(version: str) -> str:
    """Return the first line of the list for a version of Prometheus."""
    return f"# Every field of a scrape job that Prometheus {version} reads. Made by make scrape-fields; do not edit.\n"


def _go(*arguments: str) -> str:
    command = [str(require_go()), *arguments]
    folder, environment = MODULES / "servers", {**os.environ, **ENVIRONMENT}
    done = subprocess.run(command, cwd=folder, env=environment, check=True, text=True, stdout=subprocess.PIPE)
    return str(done.stdout)


if __name__ == "__main__":
    KNOWN_FILE.write_text(fields(), "utf-8")
