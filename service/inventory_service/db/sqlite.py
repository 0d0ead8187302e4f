"""Connections to a SQLite file."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import Connection, create_engine, event

if TYPE_CHECKING:
    from sqlalchemy import Engine
    from sqlalchemy.engine import URL

#: Set among the execution options of the engine whose transactions write.
WRITES: Final = "inventory_writes"
#: How long another process may hold the file's lock: a backup, or a command.
_BUSY_SECONDS: Final = 10


def new_engine(url: URL, connections: int) -> Engine:
    """Return an engine with so many connections."""
    engine = create_engine(
        url, pool_size=connections, max_overflow=0, hide_parameters=True, connect_args={"timeout": _BUSY_SECONDS}
    )
    event.listen(engine, "connect", _prepare)
    event.listen(engine, "begin", _begin)
    return engine


def _prepare(connection: Any, _record: object) -> None:
    # The module's own BEGIN comes too late and is always deferred: ours is in _begin.
    connection.isolation_level = None
    connection.execute("PRAGMA foreign_keys = ON")
    # FULL, not NORMAL: with WAL, NORMAL may lose stock changes that were acknowledged when the machine loses power.
    connection.execute("PRAGMA synchronous = FULL")


def _begin(connection: Connection) -> None:
    # A deferred transaction that starts with a read can't become a writer once another one wrote (SQLITE_BUSY).
    immediate = connection.get_execution_options().get(WRITES, False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if immediate else "BEGIN")
