"""A real PostgreSQL for pods: on the node's own address, with a user and a database for each that asks."""

from __future__ import annotations

import base64
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Self

import psycopg
from tests.framework import postgresql
from tests.framework.server import free_port

from devcluster.node.network import NODE_ADDRESS

if TYPE_CHECKING:
    from collections.abc import Iterator


def secret(name: str, values: dict[str, str]) -> dict[str, Any]:
    """A Secret as the API server takes it."""
    data = {key: base64.b64encode(value.encode()).decode() for key, value in values.items()}
    return {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}, "data": data}


class Databases:
    """A context manager around one server of the tests' own."""

    def __enter__(self) -> Self:
        self._port = free_port()
        self._cluster = postgresql.start(NODE_ADDRESS, self._port)
        return self

    def __exit__(self, *_: object) -> None:
        postgresql.stop(self._cluster)

    @property
    def server(self) -> postgresql.Cluster:
        """The server itself, for what happens to one."""
        return self._cluster

    @property
    def port(self) -> int:
        """Its port at the node's address."""
        return self._port

    @contextmanager
    def database(self, name: str) -> Iterator[str]:
        """Make an empty database and give the URL by which a pod reaches it."""
        self._cluster.execute("CREATE DATABASE {}", name)
        yield f"postgresql://postgres:{postgresql.PASSWORD}@{NODE_ADDRESS}:{self._port}/{name}"

    def count(self, name: str, table: str) -> int:
        """The number of rows of a table."""
        with psycopg.connect(self._cluster.url(name)) as connection:
            row = connection.execute(f"SELECT count(*) FROM {table}").fetchone()
        assert row is not None
        return int(row[0])
