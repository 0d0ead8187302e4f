"""A PostgreSQL server of the tests' own, in a temporary folder, reached through a Unix socket.

It ends with the process that started it.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import tempfile
import time
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psutil
import psycopg
from psycopg import sql
from tests.framework.api import eventually
from tests.framework.bound import bound

from devcluster import preflight

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

PASSWORD = "s3cr3t-pa55word"
#: Only a server that hangs needs so long to start or to stop.
_DEADLINE = 120.0
#: What a service is told that no standstill of the machine shall keep from its database: only what hangs takes so long.
_PATIENT = "&connect_timeout=120&options=" + "%20".join(
    f"-c%20{limit}%3D120s" for limit in ("lock_timeout", "statement_timeout", "idle_in_transaction_session_timeout")
)
#: Make a server fast whose data need not survive a crash; it has many small databases that live for one test.
_FAST = ("fsync=off", "full_page_writes=off", "wal_level=minimal", "max_wal_senders=0", "autovacuum=off")


@dataclass(eq=False)
class Cluster:
    folder: Path
    process: subprocess.Popen[bytes]
    port: int

    def url(self, database: str) -> str:
        return f"postgresql://postgres:{PASSWORD}@/{database}?host={self.folder}&port={self.port}"

    def patient_url(self, database: str) -> str:
        """Return a URL by which the service waits as long as its database takes: for what is not about waiting."""
        return self.url(database) + _PATIENT

    def execute(self, statement: str, *names: str) -> None:
        """Run one statement outside of a transaction; `{}` in it are identifiers."""
        with psycopg.connect(self.url("postgres"), autocommit=True) as connection:
            connection.execute(sql.SQL(statement).format(*map(sql.Identifier, names)))

    def create(self, database: str, template: str = "template1") -> None:
        """Create a database as a copy of another one: file by file, a fifth of the work of writing it to the WAL."""

        def copied() -> bool:
            try:
                self.execute("CREATE DATABASE {} TEMPLATE {} STRATEGY file_copy", database, template)
            except psycopg.errors.ObjectInUse:  # a session that ended is not gone yet
                return False
            return True

        eventually(copied, f"a copy of {template}")

    def make_template(self, database: str) -> None:
        """Refuse new connections to `database`: it can be copied only while no session is connected to it."""
        self.execute("ALTER DATABASE {} WITH ALLOW_CONNECTIONS false IS_TEMPLATE true", database)

    def cut_off(self, database: str) -> None:
        """Let `database` look as if its server were down, once all its sessions have ended."""
        self.execute("ALTER DATABASE {} ALLOW_CONNECTIONS false", database)
        self.end_sessions(database)

    def end_sessions(self, database: str) -> None:
        """End all sessions of `database`, and wait until they have."""
        with psycopg.connect(self.url("postgres"), autocommit=True) as connection:
            connection.execute(
                "SELECT pg_terminate_backend(pid, %s) FROM pg_stat_activity WHERE datname = %s",
                [int(_DEADLINE * 1000), database],
            )

    def bring_back(self, database: str) -> None:
        self.execute("ALTER DATABASE {} ALLOW_CONNECTIONS true", database)

    def set_default(self, database: str, name: str, value: str) -> None:
        """Let the sessions that are begun in `database` from now on have this setting."""
        self.execute(f"ALTER DATABASE {{}} SET {name} = '{value}'", database)

    @contextmanager
    def down(self) -> Iterator[None]:
        """Let the server be down while the block lasts; it is started again with the same data."""
        self.process.send_signal(signal.SIGINT)
        self.process.wait(_DEADLINE)
        try:
            yield
        finally:
            self.process = _run(self.process.args, self.folder)
            self.wait()

    @contextmanager
    def locked(self, database: str, table: str) -> Iterator[None]:
        """Let every statement about a table of `database` wait while the block lasts."""
        with psycopg.connect(self.url(database)) as connection:
            connection.execute(sql.SQL("LOCK TABLE {} IN ACCESS EXCLUSIVE MODE").format(sql.Identifier(table)))
            yield

    @contextmanager
    def frozen(self) -> Iterator[None]:
        """Stop all processes of the server while the block lasts; its kernel still takes what is sent to it."""
        server = psutil.Process(self.process.pid)
        server.suspend()  # first: it starts no other process then
        stopped = [server, *server.children()]
        try:
            for process in stopped[1:]:
                process.suspend()
            yield
        finally:
            for process in reversed(stopped):
                process.resume()

    def crash(self, database: str) -> None:
        """Kill a session of `database`: the server then ends all others, recovers from its log and goes on."""
        with psycopg.connect(self.url("postgres"), autocommit=True) as connection:
            found = connection.execute("SELECT pid FROM pg_stat_activity WHERE datname = %s", [database]).fetchall()
        psutil.Process(found[0][0]).kill()

    def use_no_index(self, database: str) -> None:
        """Let `database` read rows as they lie: in no order but the one that is asked for.

        PostgreSQL does so by its own choice where a table is small, and it knows that.
        """
        for plan in ("enable_indexscan", "enable_bitmapscan"):
            self.execute(f"ALTER DATABASE {{}} SET {plan} = off", database)

    def wait(self) -> None:
        """Return when the server takes connections."""
        until = time.monotonic() + _DEADLINE
        while True:
            try:
                psycopg.connect(self.url("postgres")).close()
            except psycopg.OperationalError:
                log = (self.folder / "log").read_text()
                assert self.process.poll() is None, f"PostgreSQL ended:\n{log}"
                assert time.monotonic() < until, f"PostgreSQL takes no connections:\n{log}"
                time.sleep(0.05)
            else:
                return


def start(address: str = "", port: int = 5432, *, fsync: bool = False, within: Sequence[str] = ()) -> Cluster:
    """Start a server on its Unix socket and, where an address is given, on that; without fsync it is only fast.

    `within` is a command that runs it somewhere else, as in another network namespace.
    """
    preflight.require_packages({"/usr/bin/pg_ctlcluster": "postgresql"})
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: int(path.parts[-3]))
    assert found, "These tests need PostgreSQL's programs under /usr/lib/postgresql: on Debian, install `postgresql`."
    folder = Path(tempfile.mkdtemp(prefix="inventory-pg-", dir="/tmp"))
    try:
        _init(found[-1], folder, address)
        settings = [f"unix_socket_directories={folder}", f"port={port}", f"listen_addresses={address}"]
        settings += ["max_connections=200", *([] if fsync else _FAST)]
        options = [word for setting in settings for word in ("-c", setting)]
        command = [*within, *bound(found[-1].with_name("postgres"), "-D", folder / "data", *options, user="postgres")]
        process = _run(command, folder)
        cluster = Cluster(folder, process, port)
        try:
            cluster.wait()
        except BaseException:
            _end(process)
            raise
    except BaseException:
        shutil.rmtree(folder)
        raise
    return cluster


def _run(command: Any, folder: Path) -> subprocess.Popen[bytes]:
    with (folder / "log").open("ab") as log:
        return subprocess.Popen(command, cwd=folder, stdin=subprocess.DEVNULL, stdout=log, stderr=log)


def stop(cluster: Cluster) -> None:
    _end(cluster.process)
    shutil.rmtree(cluster.folder)


def _init(initdb: Path, folder: Path, address: str) -> None:
    password = folder / "password"
    password.write_text(PASSWORD)
    if os.geteuid() == 0:
        for path in (folder, password):
            shutil.chown(path, "postgres", "postgres")
    options = ["-U", "postgres", "-A", "scram-sha-256", f"--pwfile={password}", "--no-sync"]
    command = bound(initdb, "-D", folder / "data", *options, user="postgres")
    done = subprocess.run(command, cwd=folder, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"initdb failed: {done.stderr}"
    if address:
        with Path(folder, "data", "pg_hba.conf").open("a") as rules:
            rules.write("host all all samenet scram-sha-256\nhost all all 10.244.0.0/16 scram-sha-256\n")


def _end(process: subprocess.Popen[bytes]) -> None:
    """End the server at once, and the processes of its connections with it."""
    process.send_signal(signal.SIGQUIT)
    try:
        process.wait(_DEADLINE)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
        raise
