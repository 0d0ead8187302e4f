"""Connections to a PostgreSQL server, or to a PgBouncer before it: how long they wait, how their transactions begin.

What a transaction relies on is set in the transaction itself, in the round trip that begins it: neither defaults of the
server nor a connection that others used before (PgBouncer in transaction mode) change it.
"""

from __future__ import annotations

import re
import time
from typing import TYPE_CHECKING, Any, Final

import psycopg
from psycopg import sql
from psycopg.pq import TransactionStatus
from sqlalchemy import Connection, create_engine, event
from sqlalchemy.exc import DBAPIError, DisconnectionError, InvalidatePoolError

from inventory_service.db.faults import Fault, fault_of
from inventory_service.settings import session_settings

if TYPE_CHECKING:
    from collections.abc import Mapping

    from psycopg.abc import RV, PQGen
    from sqlalchemy import Engine
    from sqlalchemy.engine import URL, ExceptionContext

#: A statement that takes longer than a client waits is stopped, and a lock is waited for less than that. A transaction
#: whose client fell silent gives back its locks soon after the network is well again.
_PINNED: Final = {
    "DateStyle": "ISO",
    "TimeZone": "UTC",
    "statement_timeout": "10s",
    "lock_timeout": "3s",
    "idle_in_transaction_session_timeout": "10s",
}
#: After a lock was waited for in vain, those that come next wait less for theirs: requests for one row that somebody
#: holds must not take all connections, for as long as there are such requests.
_HURRIED: Final = {"lock_timeout": "250ms"}
_HURRY_SECONDS: Final = 5.0

#: For how much longer than the server the client waits for a statement.
_MARGIN_SECONDS: Final = 2.0
#: What libpq is told unless the URL says something else. The begin of a transaction is waited for as long as for a
#: connection. A dead peer is noticed in about 10 s, with data on its way or without.
_PARAMETERS: Final = {
    "connect_timeout": 3,
    "application_name": "inventory",
    "client_encoding": "UTF8",
    "keepalives_idle": 5,
    "keepalives_interval": 2,
    "keepalives_count": 3,
    "tcp_user_timeout": 10_000,
}
#: So often a statement is sent before it is prepared (psycopg's own default): parsing and planning are half of the
#: server's work for a restock.
_PREPARED_AFTER: Final = 5
_GENERATION: Final = "generation"
_DURATION: Final = re.compile(r"\s*(\d+)\s*(us|ms|s|min|h|d)?\s*")
_SECONDS: Final = {"us": 1e-6, "ms": 1e-3, None: 1e-3, "s": 1.0, "min": 60.0, "h": 3600.0, "d": 86400.0}


class DeadlineConnection(psycopg.Connection[Any]):
    """A connection that is closed when the server does not answer in time.

    Neither time-outs of the server nor of TCP help against a server that is stopped, whose kernel still acknowledges.
    """

    #: Seconds that each answer may take; None: as long as it takes.
    patience: float | None = None
    #: The same for what begins a transaction.
    begin_patience: float | None = None

    def allow(self, seconds: float | None) -> None:
        """Let each answer take a little longer than the server lets a statement take."""
        self.patience = seconds + _MARGIN_SECONDS if seconds else None

    def wait(self, gen: PQGen[RV], interval: float = 0.1, timeout: float | None = None) -> RV:
        """Wait for an answer. Raise OperationalError when it does not come."""
        try:
            return super().wait(gen, interval, self.patience if timeout is None else timeout)
        except psycopg.OperationalError as error:
            # Still at it, and not failed: this is the deadline. What the server will do is not known any more.
            if self.pgconn.transaction_status != TransactionStatus.ACTIVE:
                raise
            self.close()
            raise psycopg.OperationalError(f"the server did not answer within {self.patience:g} s") from error


class TransactionStart:
    """Begins the transactions of one engine: once for each connection that is taken from the pool.

    That statement is also what finds out whether the connection still works; if not, a new one is made.
    """

    def __init__(self, given: Mapping[str, str]) -> None:
        pinned = {**_PINNED, **given}
        self._normal = _begin_statement(pinned)
        self._hurried = _begin_statement({**_PINNED, **_HURRIED, **given})
        self._hurry_until = 0.0
        self._generation = 0
        self._limit = _seconds(pinned["statement_timeout"])

    def hurry(self) -> None:
        """Let the next transactions wait for locks for a moment only."""
        self._hurry_until = time.monotonic() + _HURRY_SECONDS

    def renew(self) -> None:
        """Replace each connection that was made before, when it is to be used again."""
        self._generation += 1

    def on_checkout(self, connection: DeadlineConnection, record: Any, _fairy: object) -> None:
        """Begin on a connection from the pool."""
        generation = record.info.get(_GENERATION)  # None: it was made just now
        if generation not in {None, self._generation}:
            raise DisconnectionError
        connection.patience = connection.begin_patience
        try:
            connection.execute(self._statement())
        except psycopg.OperationalError as error:
            if connection.closed and generation is not None:
                raise InvalidatePoolError from error
            raise
        record.info[_GENERATION] = self._generation
        connection.allow(self._limit)

    def on_begin(self, connection: Connection) -> None:
        """Begin again where one connection has several transactions."""
        driver: Any = connection.connection.driver_connection
        if driver.pgconn.transaction_status == TransactionStatus.IDLE:
            connection.exec_driver_sql(self._statement().decode())

    def _statement(self) -> bytes:
        return self._hurried if time.monotonic() < self._hurry_until else self._normal


def new_engine(url: URL, connections: int) -> tuple[Engine, TransactionStart]:
    """Return an engine with so many connections, and what begins its transactions."""
    engine = create_engine(
        url.difference_update_query(["options"]),
        pool_size=connections,
        max_overflow=0,
        hide_parameters=True,
        use_native_hstore=False,  # it would be looked for with a statement at the start
        connect_args={key: value for key, value in _PARAMETERS.items() if key not in url.query}
        | {"prepare_threshold": None, "autocommit": True},  # BEGIN is ours, as for SQLite
    )
    start = TransactionStart(session_settings(url) or {})
    event.listen(engine, "do_connect", _connect)
    event.listen(engine, "checkout", start.on_checkout)
    event.listen(engine, "begin", start.on_begin)
    event.listen(engine, "handle_error", _drop_if_read_only)
    return engine, start


def _connect(_dialect: object, _record: object, arguments: list[Any], parameters: dict[str, Any]) -> DeadlineConnection:
    connection = DeadlineConnection.connect(*arguments, **parameters)
    connection.patience = connection.begin_patience = max(float(parameters["connect_timeout"]), 0.0) or None
    try:
        (served_by,) = connection.execute("SELECT pg_backend_pid()").fetchone() or (None,)
    except psycopg.Error:
        connection.close()
        raise
    # A pooler in between makes up a process id, for the connection to a server changes with each transaction: what is
    # prepared on one would be missing on the next.
    if served_by == connection.info.backend_pid:
        connection.prepare_threshold = _PREPARED_AFTER
    return connection


def _drop_if_read_only(context: ExceptionContext) -> None:
    """Let no connection stay with a server that became a standby: a new one may lead to the new primary."""
    error = context.sqlalchemy_exception
    if isinstance(error, DBAPIError) and fault_of(error) is Fault.READ_ONLY:
        context.is_disconnect = True


def _begin_statement(settings: Mapping[str, str]) -> bytes:
    """Return one text of several statements; no SELECT among them, which would take the transaction's snapshot."""
    each = (sql.SQL("SET LOCAL {} = {}").format(sql.Identifier(name), value) for name, value in settings.items())
    return sql.SQL("; ").join([sql.SQL("BEGIN ISOLATION LEVEL READ COMMITTED"), *each]).as_bytes(None)


def _seconds(duration: str) -> float | None:
    """Return a time as PostgreSQL writes it, in seconds; None for what it will refuse itself."""
    match = _DURATION.fullmatch(duration)
    return int(match[1]) * _SECONDS[match[2]] if match else None
