"""Faults of the service's database: a PostgreSQL on this machine that the pod reaches by a name in the DNS."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from tests.faults.planted.fault import Group, Planted
from tests.framework import postgresql
from tests.framework.database import Databases, secret

from devcluster.node.network import NODE_ADDRESS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.faults.planted.fixture import PlantedFixture

_DATABASE, _HOST = "shop", "database"
#: The table that the service reads to see whether its schema is the right one.
_TABLE = "alembic_version"
_DNS = ("--dport", "53")
_SPEC: dict[str, Any] = {
    "alerting": {"enabled": False},
    "service": {
        "replicas": 1,
        "database": {"sqlite": None, "external": {"secretKeyRef": {"name": "db", "key": "url"}}},
    },
}


@contextmanager
def _server(fixture: PlantedFixture) -> Iterator[None]:
    with Databases() as fixture.databases, fixture.databases.database(_DATABASE):
        yield


def _name(fixture: PlantedFixture) -> None:
    """Give the database a name in the cluster's DNS, and the stack a Secret with its URL."""
    port = {"name": "postgresql", "port": fixture.databases.port, "protocol": "TCP"}
    service = {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": _HOST},
        "spec": {"clusterIP": "None", "ports": [port]},
    }
    endpoints = {
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": {"name": _HOST, "labels": {"kubernetes.io/service-name": _HOST}},
        "addressType": "IPv4",
        "endpoints": [{"addresses": [NODE_ADDRESS], "conditions": {"ready": True}}],
        "ports": [port],
    }
    fixture.kubectl.apply(service, endpoints)
    url = f"postgresql://postgres:{postgresql.PASSWORD}@{_HOST}:{fixture.databases.port}/{_DATABASE}"
    fixture.api.create(secret("db", {"url": url}), fixture.namespace)


def _down(fixture: PlantedFixture) -> None:
    fixture.undo.enter_context(fixture.databases.server.down())


def _frozen(fixture: PlantedFixture) -> None:
    fixture.undo.enter_context(fixture.databases.server.frozen())


def _slow(fixture: PlantedFixture) -> None:
    fixture.undo.enter_context(fixture.databases.server.locked(_DATABASE, _TABLE))


def _set_read_only(fixture: PlantedFixture, value: str) -> None:
    server = fixture.databases.server
    server.set_default(_DATABASE, "default_transaction_read_only", value)
    server.end_sessions(_DATABASE)


def _read_only(fixture: PlantedFixture) -> None:
    _set_read_only(fixture, "on")
    fixture.undo.callback(_set_read_only, fixture, "off")


def _no_dns(fixture: PlantedFixture) -> None:
    """Drop what the service's pod asks the DNS, and end its sessions, or it would not have to ask."""
    for protocol in ("udp", "tcp"):
        fixture.undo.enter_context(fixture.dropped("service", "-p", protocol, *_DNS, chain="OUTPUT"))
    fixture.databases.server.end_sessions(_DATABASE)


def _repair(fixture: PlantedFixture) -> None:
    fixture.undo.close()


def _fault(name: str, what: str, plant: Any, *words: str) -> Planted:
    return Planted(
        name=name,
        what=what,
        about="DatabaseAvailable",
        reason="NotReachable",
        words=("external PostgreSQL: pod shop-inventory-", *words),
        explained=("the service runs and has no database", "logs deployment/shop-inventory"),
        plant=plant,
        repair=_repair,
    )


DATABASE = Group(
    name="database",
    spec=_SPEC,
    around=_server,
    prepare=_name,
    faults=(
        _fault("database-down", "the PostgreSQL server is stopped", _down, "The database can't be reached", "refused"),
        _fault(
            "database-hangs",
            "the PostgreSQL server takes connections and answers nothing (SIGSTOP)",
            _frozen,
            "The database can't be reached",
        ),
        _fault(
            "database-slow",
            "every statement takes longer than the service waits: another has the lock",
            _slow,
            "The database can't be used",
        ),
        _fault(
            "database-read-only",
            "the PostgreSQL server takes no changes, as a standby",
            _read_only,
            "The database is read-only.",
        ),
        _fault(
            "dns-broken",
            "what the service's pod asks the DNS is dropped, and its connections are ended",
            _no_dns,
            "The database can't be reached",
        ),
    ),
)
