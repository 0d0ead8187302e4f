"""A real PostgreSQL for pods: on the node's own address, with a user and a database for each that asks."""

from __future__ import annotations

import base64
from contextlib import contextmanager
from socket import socket
from typing import TYPE_CHECKING, Any, Self

import psycopg
from tests.framework import postgresql

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
        with socket() as probe:
            probe.bind((NODE_ADDRESS, 0))
            self._port = int(probe.getsockname()[1])
        self._cluster = postgresql.start(NODE_ADDRESS, self._port)
        return self

    def __exit__(self, *_: object) -> None:
        postgresql.stop(self._cluster)

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
