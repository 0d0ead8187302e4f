"""A PostgreSQL cluster of the tests' own, in a temporary folder, reached through a Unix socket.

It never touches a cluster that runs on the machine already.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

import psycopg
from psycopg import sql

from devcluster import preflight

PASSWORD = "s3cr3t-pa55word"


@dataclass(frozen=True)
class Cluster:
    folder: Path
    programs: Path
    port: int = 5432

    def url(self, database: str) -> str:
        return f"postgresql://postgres:{PASSWORD}@/{database}?host={self.folder}&port={self.port}"

    def execute(self, statement: str, *names: str) -> None:
        """Run one statement outside of a transaction; `{}` in it are identifiers."""
        with psycopg.connect(self.url("postgres"), autocommit=True) as connection:
            connection.execute(sql.SQL(statement).format(*map(sql.Identifier, names)))

    def cut_off(self, database: str) -> None:
        """Let `database` look as if its server were down."""
        self.execute("ALTER DATABASE {} ALLOW_CONNECTIONS false", database)
        with psycopg.connect(self.url("postgres"), autocommit=True) as connection:
            connection.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", [database])

    def bring_back(self, database: str) -> None:
        self.execute("ALTER DATABASE {} ALLOW_CONNECTIONS true", database)

    def use_no_index(self, database: str) -> None:
        """Let `database` read rows as they lie: in no order but the one that is asked for.

        PostgreSQL does so by its own choice where a table is small, and it knows that.
        """
        for plan in ("enable_indexscan", "enable_bitmapscan"):
            self.execute(f"ALTER DATABASE {{}} SET {plan} = off", database)

    def run(self, program: str, *arguments: str) -> None:
        as_postgres = ["runuser", "-u", "postgres", "--"] if os.geteuid() == 0 else []
        log = subprocess.run(
            [*as_postgres, str(self.programs / program), *arguments],
            cwd=self.folder,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
        assert log.returncode == 0, f"{program} failed: {log.stderr}"


def start(address: str = "", port: int = 5432, *, fsync: bool = False) -> Cluster:
    """Start a cluster on its Unix socket and, where an address is given, on that; without fsync it is only fast."""
    preflight.require_packages({"/usr/bin/pg_ctlcluster": "postgresql"})
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: int(path.parts[-3]))
    assert found, "These tests need PostgreSQL's programs under /usr/lib/postgresql: on Debian, install `postgresql`."
    cluster = Cluster(Path(tempfile.mkdtemp(prefix="inventory-pg-", dir="/tmp")), found[-1].parent, port)
    password = cluster.folder / "password"
    password.write_text(PASSWORD)
    if os.geteuid() == 0:
        for path in (cluster.folder, password):
            shutil.chown(path, "postgres", "postgres")
    data = str(cluster.folder / "data")
    cluster.run("initdb", "-D", data, "-U", "postgres", "-A", "scram-sha-256", f"--pwfile={password}", "--no-sync")
    if address:
        with Path(data, "pg_hba.conf").open("a") as rules:
            rules.write("host all all samenet scram-sha-256\nhost all all 10.244.0.0/16 scram-sha-256\n")
    options = f"-k {cluster.folder} -p {port} -c listen_addresses='{address}' -c max_connections=200"
    options += f" -c fsync={'on' if fsync else 'off'}"
    cluster.run("pg_ctl", "-D", data, "-w", "-l", str(cluster.folder / "log"), "-o", options, "start")
    return cluster


def stop(cluster: Cluster) -> None:
    cluster.run("pg_ctl", "-D", str(cluster.folder / "data"), "-w", "-m", "immediate", "stop")
    shutil.rmtree(cluster.folder)
