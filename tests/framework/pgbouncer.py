"""A PgBouncer in transaction mode before a PostgreSQL server: each transaction on whichever connection is free."""

from __future__ import annotations

import shutil
import socket
import subprocess
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from tests.framework.bound import bound
from tests.framework.postgresql import PASSWORD
from tests.framework.processes import ending
from tests.framework.server import DEADLINE, free_port

from devcluster import preflight

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.framework.postgresql import Cluster

_PROGRAM = "/usr/sbin/pgbouncer"
_CONFIGURATION = """\
[databases]
* = host={cluster.folder} port={cluster.port} user=postgres password={password}
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {port}
unix_socket_dir =
auth_type = any
pool_mode = transaction
default_pool_size = 3
"""


@contextmanager
def before(cluster: Cluster) -> Iterator[int]:
    """Run a PgBouncer with little more than Debian's settings; give its port."""
    preflight.require_packages({_PROGRAM: "pgbouncer"})
    port = free_port()
    with tempfile.TemporaryDirectory(prefix="inventory-pgbouncer-", dir="/tmp") as folder:
        file = Path(folder, "pgbouncer.ini")
        file.write_text(_CONFIGURATION.format(cluster=cluster, password=PASSWORD, port=port))
        if Path(folder).owner() == "root":
            for path in (folder, file):
                shutil.chown(path, "postgres", "postgres")
        with (
            Path(folder, "log").open("wb") as log,
            ending(subprocess.Popen(bound(_PROGRAM, file, user="postgres"), stdout=log, stderr=log)) as process,
        ):
            until = time.monotonic() + DEADLINE
            while not _listens(port):
                assert process.poll() is None, Path(folder, "log").read_text()
                assert time.monotonic() < until
                time.sleep(0.02)
            yield port


def _listens(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=DEADLINE).close()
    except ConnectionRefusedError:
        return False
    return True
