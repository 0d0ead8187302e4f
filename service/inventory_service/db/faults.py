"""What can be wrong with the database itself, by what it says: one table, for PostgreSQL and SQLite.

Everything that is not in it is a defect of ours.
"""

from __future__ import annotations

import sqlite3
from enum import Enum, auto
from typing import Final

from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError, SQLAlchemyError


class Fault(Enum):
    """What is wrong with the database; all of it may be over when the request is sent again."""

    #: It does not answer, or ends the connection.
    UNREACHABLE = auto()
    #: It takes no changes, as a standby does.
    READ_ONLY = auto()
    #: Its disk is full, or fails.
    STORAGE = auto()
    #: The transaction lost against another one, and succeeds if it is done again.
    CONFLICT = auto()
    #: A lock was not to be had in time.
    LOCKED = auto()
    #: The statement took too long.
    TOO_SLOW = auto()
    #: There are more requests than it, or the service, takes at a time.
    BUSY = auto()


#: https://www.postgresql.org/docs/current/errcodes-appendix.html
_BY_SQLSTATE: Final = {
    "25006": Fault.READ_ONLY,
    "25P03": Fault.UNREACHABLE,  # idle_in_transaction_session_timeout: it has ended the connection
    "25P04": Fault.TOO_SLOW,  # transaction_timeout
    "40001": Fault.CONFLICT,
    "40P01": Fault.CONFLICT,
    "53100": Fault.STORAGE,
    "55P03": Fault.LOCKED,
    "57014": Fault.TOO_SLOW,
    "58030": Fault.STORAGE,
}
#: Connection exception; insufficient resources; operator intervention (it shuts down, has crashed, or starts up).
_BY_CLASS: Final = {"08": Fault.UNREACHABLE, "53": Fault.BUSY, "57": Fault.UNREACHABLE}
#: By the primary code: https://www.sqlite.org/rescode.html
_BY_SQLITE_CODE: Final = {
    sqlite3.SQLITE_BUSY: Fault.BUSY,
    sqlite3.SQLITE_LOCKED: Fault.BUSY,
    sqlite3.SQLITE_READONLY: Fault.READ_ONLY,
    sqlite3.SQLITE_IOERR: Fault.STORAGE,
    sqlite3.SQLITE_FULL: Fault.STORAGE,
    sqlite3.SQLITE_CANTOPEN: Fault.UNREACHABLE,
}
_PRIMARY: Final = 0xFF


class DatabaseUnavailable(SQLAlchemyError):  # noqa: N818 - as in "503 Service Unavailable"
    """The database can't do it now; trying again later may help. Its text names host and reason, and no password."""

    def __init__(self, fault: Fault, reason: str) -> None:
        super().__init__(reason)
        self.fault = fault


def fault_of(error: DBAPIError) -> Fault | None:
    """Return what is wrong with the database, None where the error is about something else."""
    sqlstate = getattr(error.orig, "sqlstate", None)
    if sqlstate is not None:
        return _BY_SQLSTATE.get(sqlstate) or _BY_CLASS.get(sqlstate[:2])
    code = getattr(error.orig, "sqlite_errorcode", None)
    if code is not None:
        return _BY_SQLITE_CODE.get(code & _PRIMARY)
    # What has no code did not come from the server: the connection broke, or was never made.
    lost = error.connection_invalidated or isinstance(error, (OperationalError, InterfaceError))
    return Fault.UNREACHABLE if lost else None


def describe(error: BaseException) -> str:
    """Return the first line of what the driver said: it names host and reason, and no password."""
    cause = error.orig if isinstance(error, DBAPIError) and error.orig is not None else error
    return (str(cause).strip() or type(cause).__name__).splitlines()[0]
