"""The connection to the database: one engine, short transactions, reading or writing.

It never knows the tables; SQLite and PostgreSQL differ here and in `schema` only.
"""

from __future__ import annotations

import hashlib
import threading
from contextlib import contextmanager, nullcontext
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import Connection, create_engine, event, func, select
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.orm import Session, sessionmaker

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from contextlib import AbstractContextManager

    from sqlalchemy import Engine
    from sqlalchemy.engine import URL

#: Errors of the database's side (down, locked, too slow): trying again later may help.
UNAVAILABLE: Final = (OperationalError, InterfaceError, PoolTimeoutError)

_WRITES: Final = "inventory_writes"
_BUSY_SECONDS: Final = 10
_CONNECT_SECONDS: Final = 3
#: A statement that takes longer than a client waits is stopped, and a lock is waited for less than that. What the URL's
#: own `options` say comes after this, and counts.
_POSTGRESQL_OPTIONS: Final = "-c statement_timeout=10s -c lock_timeout=5s -c idle_in_transaction_session_timeout=30s"


class InFlight(Exception):  # noqa: N818 - nothing is wrong, it is only too early
    """A transaction of this name is open already."""


class Database:
    """One database, shared by all threads of the process; a session that writes carries `info`."""

    def __init__(self, url: URL, *, connections: int, info: Mapping[str, Any] | None = None) -> None:
        self.on_sqlite = url.get_backend_name() == "sqlite"
        self.engine = _sqlite_engine(url, connections) if self.on_sqlite else _postgresql_engine(url, connections)
        self._reader = sessionmaker(self.engine, expire_on_commit=False)
        writing = self.engine.execution_options(**{_WRITES: True})
        self._writer = sessionmaker(writing, expire_on_commit=False, info=dict(info or {}))
        self._names: set[bytes] = set()
        self._names_lock = threading.Lock()
        #: SQLite has one writer at a time. Waiting here is woken at once; waiting in SQLite sleeps and polls, unfairly.
        self._turn = threading.Lock()
        #: How long a writer waits for its turn.
        self.patience: float = _BUSY_SECONDS

    @contextmanager
    def reading(self) -> Iterator[Session]:
        """Open a transaction that only reads: one consistent snapshot on SQLite, never blocked by a writer."""
        with self._reader.begin() as session:
            yield session

    @contextmanager
    def writing(self) -> Iterator[Session]:
        """Open a transaction that writes; it commits when the block ends well, and is undone otherwise."""
        turn: AbstractContextManager[None] = self._in_turn() if self.on_sqlite else nullcontext()
        with turn, self._writer.begin() as session:
            yield session

    @contextmanager
    def writing_alone(self, name: bytes) -> Iterator[Session]:
        """Open a transaction that writes, unless another one of this name is open anywhere. Raise InFlight at once."""
        if self.on_sqlite:
            with self._claimed(name), self.writing() as session:
                yield session
            return
        number = int.from_bytes(hashlib.sha256(name).digest()[:8], signed=True)
        with self.writing() as session:
            if not session.scalar(select(func.pg_try_advisory_xact_lock(number))):
                raise InFlight
            yield session

    @contextmanager
    def _in_turn(self) -> Iterator[None]:
        """Write alone in this process. Raise one of UNAVAILABLE where others take too long."""
        if not self._turn.acquire(timeout=self.patience):
            raise PoolTimeoutError(f"other writers took longer than {self.patience:g} s")
        try:
            yield
        finally:
            self._turn.release()

    @contextmanager
    def _claimed(self, name: bytes) -> Iterator[None]:
        """Hold a name in this process, the only one that serves a SQLite database."""
        with self._names_lock:
            if name in self._names:
                raise InFlight
            self._names.add(name)
        try:
            yield
        finally:
            with self._names_lock:
                self._names.remove(name)

    def close(self) -> None:
        """Close the connections that are not in use."""
        self.engine.dispose()


def describe_unavailable(error: BaseException) -> str:
    """Return the first line of what the driver said: it names host and reason, and never a password."""
    cause = error.orig if isinstance(error, DBAPIError) and error.orig is not None else error
    return (str(cause).strip() or type(cause).__name__).splitlines()[0]


def _postgresql_engine(url: URL, connections: int) -> Engine:
    given = {"connect_timeout": _CONNECT_SECONDS, "application_name": "inventory"}
    options = " ".join((_POSTGRESQL_OPTIONS, *url.normalized_query.get("options", ())))
    return create_engine(
        url,
        pool_size=connections,
        max_overflow=0,
        pool_timeout=5,
        pool_pre_ping=True,
        hide_parameters=True,
        connect_args={key: value for key, value in given.items() if key not in url.query} | {"options": options},
    )


def _sqlite_engine(url: URL, connections: int) -> Engine:
    engine = create_engine(
        url,
        pool_size=connections,
        max_overflow=0,
        pool_timeout=_BUSY_SECONDS,
        hide_parameters=True,
        connect_args={"timeout": _BUSY_SECONDS},
    )
    event.listen(engine, "connect", _prepare_sqlite_connection)
    event.listen(engine, "begin", _begin_sqlite_transaction)
    return engine


def _prepare_sqlite_connection(connection: Any, _record: object) -> None:
    # The module's own BEGIN comes too late and is always deferred: ours is in _begin_sqlite_transaction.
    connection.isolation_level = None
    connection.execute("PRAGMA foreign_keys = ON")
    # FULL, not NORMAL: with WAL, NORMAL may lose stock changes that were acknowledged when the machine loses power.
    connection.execute("PRAGMA synchronous = FULL")


def _begin_sqlite_transaction(connection: Connection) -> None:
    # A deferred transaction that starts with a read can't become a writer once another one wrote (SQLITE_BUSY).
    immediate = connection.get_execution_options().get(_WRITES, False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if immediate else "BEGIN")
