"""The state of the schema: migrates it under a lock, and tells whether it is current.

Several pods may start at once: one migrates, the others wait and find nothing to do. There are no downgrades.
"""

from __future__ import annotations

import fcntl
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Final

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import text

from inventory_service.bootstrap import sample_data, token_files
from inventory_service.db.advisory_locks import AdvisoryLock
from inventory_service.db.database import allow

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy.orm import Session

    from inventory_service.db.database import Database
    from inventory_service.settings import Settings

#: A migration of a large table, or the wait for another pod's, takes no longer.
_MIGRATION_SECONDS: Final = 3600
_MIGRATIONS: Final = Path(__file__).parents[1] / "db/migrations"


class UnsuitableDatabase(Exception):  # noqa: N818 - it is the database that is at fault
    """The database can't be used as it was made; the text says why."""


def prepare(database: Database, settings: Settings) -> None:
    """Migrate to the newest revision, then load sample products and the tokens of files if asked to: all or nothing.

    Raise UnsuitableDatabase, and DatabaseUnavailable.
    """
    with _locked_sqlite(database), database.writing() as session:
        if not database.on_sqlite:
            _require_utf8(session)
            # Waiting for another pod's migration may take long; waiting for a table's lock must not stop the shop.
            allow(session, _MIGRATION_SECONDS)
            session.execute(text("SET LOCAL lock_timeout = 0"))
            session.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": AdvisoryLock.MIGRATION})
            session.execute(text("SET LOCAL lock_timeout = '5s'"))
        config = _config()
        config.attributes["connection"] = session.connection()
        if not is_at_head(session):
            command.upgrade(config, "head")
        if settings.load_sample_data:
            sample_data.load(session, settings.low_stock_threshold)
        if settings.tokens_dir is not None:
            token_files.load(session, settings.tokens_dir)


def is_current(database: Database) -> bool:
    """Tell whether the schema is at our revision, or past it: a newer pod only adds to what we use."""
    with database.reading() as session:
        return is_at_head(session)


def _require_utf8(session: Session) -> None:
    """Raise UnsuitableDatabase where some texts could not be stored, or would be read as others."""
    for name, remedy in (
        ("server_encoding", "create the database with ENCODING 'UTF8'"),
        ("client_encoding", "take client_encoding out of the URL"),
    ):
        found = session.scalar(text("SELECT current_setting(:name)"), {"name": name})
        if found != "UTF8":
            raise UnsuitableDatabase(f"The database's {name} is {found}, expected UTF8: {remedy}.")


def is_at_head(session: Session) -> bool:
    """Tell the same in a transaction that is open already."""
    head, older = _revisions()
    revision = MigrationContext.configure(session.connection()).get_current_revision()
    return revision == head or (revision is not None and revision not in older)


@contextmanager
def _locked_sqlite(database: Database) -> Iterator[None]:
    """On SQLite: hold a lock file beside the database, and switch it to WAL, which no transaction can do."""
    path = database.engine.url.database
    if not database.on_sqlite or path is None:
        yield
        return
    with Path(f"{path}.lock").open("a", encoding="utf-8") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        connection = database.engine.raw_connection()
        try:
            connection.cursor().execute("PRAGMA journal_mode = WAL")
        finally:
            connection.close()
        yield


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(_MIGRATIONS).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    return config


def newest() -> str:
    """Return the revision that this version of the service wants."""
    return _revisions()[0]


@cache
def _revisions() -> tuple[str, frozenset[str]]:
    """Return our newest revision and the ones before it."""
    scripts = ScriptDirectory.from_config(_config())
    newest, *older = [script.revision for script in scripts.walk_revisions()]
    return newest, frozenset(older)
