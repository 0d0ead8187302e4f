"""The database: short transactions, reading or writing, so many at a time.

What differs between SQLite and PostgreSQL is here, in `sqlite`, `postgresql` and `bootstrap.schema`.
"""

from __future__ import annotations

import hashlib
import random
import threading
import time
from contextlib import contextmanager, nullcontext
from typing import TYPE_CHECKING, Any, Final, TypeVar

from sqlalchemy import func, select, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import sessionmaker

from inventory_service.db import faults, sqlite
from inventory_service.db.faults import DatabaseUnavailable, Fault
from inventory_service.db.gate import Gate

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from sqlalchemy.engine import URL
    from sqlalchemy.orm import Session

    T = TypeVar("T")

#: A transaction that lost against another one is done again after up to so many seconds, three times at most.
#: PostgreSQL takes a second to find a deadlock.
_PAUSES: Final = (0.05, 0.2, 0.5)


class InFlight(Exception):  # noqa: N818 - nothing is wrong, it is only too early
    """A transaction of this name is open already."""


class Database:
    """One database, shared by all threads of the process; a session that writes carries `info`.

    As many transactions are open at a time as there are `connections`; others wait at the gate `places`.
    """

    def __init__(self, url: URL, *, connections: int, info: Mapping[str, Any] | None = None) -> None:
        self.on_sqlite = url.get_backend_name() == "sqlite"
        if self.on_sqlite:
            self.engine, self._start = sqlite.new_engine(url, connections), None
        else:
            from inventory_service.db import postgresql  # only who has such a server pays for the import

            self.engine, self._start = postgresql.new_engine(url, connections)
        self._reader = sessionmaker(self.engine, expire_on_commit=False)
        writing = self.engine.execution_options(**{sqlite.WRITES: True})
        self._writer = sessionmaker(writing, expire_on_commit=False, info=dict(info or {}))
        self._names: set[bytes] = set()
        self._names_lock = threading.Lock()
        self.places = Gate(connections)
        #: SQLite has one writer at a time. Waiting here is woken at once; waiting in SQLite sleeps and polls, unfairly.
        self.turn = Gate(1)
        #: Whether a change failed for want of a disk that takes it; until the check of readiness has seen one succeed.
        self.storage_failed = False

    @contextmanager
    def reading(self) -> Iterator[Session]:
        """Open a transaction that only reads: one consistent snapshot on SQLite, not blocked by a writer.

        Raise DatabaseUnavailable, as `writing` and `write` do.
        """
        with self._noting_faults(), self.places, self._reader.begin() as session:
            yield session

    @contextmanager
    def writing(self) -> Iterator[Session]:
        """Open a transaction that writes; it commits when the block ends well, and is undone otherwise."""
        turn = self.turn if self.on_sqlite else nullcontext()
        with self._noting_faults(), turn, self.places, self._writer.begin() as session:
            yield session

    @contextmanager
    def writing_exclusively(self, name: bytes) -> Iterator[Session]:
        """Open a transaction that writes; raise InFlight at once if one of this name is open anywhere."""
        if self.on_sqlite:
            with self._claimed(name), self.writing() as session:
                yield session
            return
        number = int.from_bytes(hashlib.sha256(name).digest()[:8], signed=True)
        with self.writing() as session:
            if not session.scalar(select(func.pg_try_advisory_xact_lock(number))):
                raise InFlight
            yield session

    def write(self, work: Callable[[Session], T], name: bytes | None = None) -> T:
        """Return what `work` does in a transaction that writes; it is done again where it lost against another one.

        With a name: raise InFlight at once if a transaction of that name is open anywhere.
        """
        for pause in (*_PAUSES, None):
            try:
                with self.writing() if name is None else self.writing_exclusively(name) as session:
                    return work(session)
            except DatabaseUnavailable as error:
                if error.fault is not Fault.CONFLICT or pause is None:
                    raise
                time.sleep(random.uniform(0, pause))  # noqa: S311 - only so that not all come back at once
        raise AssertionError  # the last try has returned or raised

    @contextmanager
    def _noting_faults(self) -> Iterator[None]:
        """Raise DatabaseUnavailable where the database itself is at fault, and remember what matters to others."""
        try:
            yield
        except DBAPIError as error:
            fault = faults.fault_of(error)
            if fault is None:
                raise
            if fault is Fault.LOCKED and self._start is not None:
                self._start.hurry()
            self.storage_failed |= fault is Fault.STORAGE
            raise DatabaseUnavailable(fault, faults.describe(error)) from error

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

    def renew(self) -> None:
        """Use no connection again that was made before: it may lead to a server that was left."""
        if self._start is not None:
            self._start.renew()

    def close(self) -> None:
        """Close the connections that are not in use; those that are, when they are given back."""
        self.engine.dispose()


def allow(session: Session, seconds: int) -> None:
    """Let every statement in the session's transaction take so long; SQLite knows no such limit."""
    if session.get_bind().dialect.name == "postgresql":
        session.execute(text(f"SET LOCAL statement_timeout = '{seconds}s'"))
        connection: Any = session.connection().connection.driver_connection
        connection.allow(seconds)
