"""Where everything lives: sources, cache, state, sockets. The names only; the folders are made by who uses them."""

from __future__ import annotations

import os
from pathlib import Path

PACKAGE = Path(__file__).resolve().parent
REPO = PACKAGE.parent
MODULES = PACKAGE / "build" / "modules"

#: The one-node cluster: there is one per machine, so its places are fixed.
STATE = Path("/var/lib/inventory-cluster")
RUN = Path("/run/inventory-cluster")
LOCK = Path("/run/inventory-cluster.lock")
KUBECONFIG = STATE / "admin.kubeconfig"
AUDIT_LOG = STATE / "log" / "audit.log"
SOCKET = RUN / "containerd.sock"


def cache() -> Path:
    """Return the folder for what is expensive to make: binaries, image archives."""
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "inventory-cluster"
