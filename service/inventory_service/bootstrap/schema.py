"""The state of the schema: bring it up to date under a lock, and tell whether it is.

Several pods may start at once: exactly one migrates, the others wait and find nothing to do. It never downgrades.
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

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy.orm import Session

    from inventory_service.db.database import Database
    from inventory_service.settings import Settings

#: Any number, the same for ever: it is what the pods meet at.
_ADVISORY_LOCK: Final = 5_180_924_713
_MIGRATIONS: Final = Path(__file__).parents[1] / "db/migrations"


def prepare(database: Database, settings: Settings) -> None:
    """Migrate to the newest revision, then load sample products and the tokens of files if asked to: all or nothing."""
    with _alone(database), database.writing() as session:
        if not database.on_sqlite:
            # Waiting for another pod's migration may take long; waiting for a table's lock must not stop the shop.
            session.execute(text("SET LOCAL statement_timeout = 0"))
            session.execute(text("SET LOCAL lock_timeout = 0"))
            session.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _ADVISORY_LOCK})
            session.execute(text("SET LOCAL lock_timeout = '5s'"))
        config = _config()
        config.attributes["connection"] = session.connection()
        if not _is_current(session):
            command.upgrade(config, "head")
        if settings.load_sample_data:
            sample_data.load(session, settings.low_stock_threshold)
        if settings.tokens_dir is not None:
            token_files.load(session, settings.tokens_dir)


def is_current(database: Database) -> bool:
    """Tell whether the schema is at our revision, or past it: a newer pod only adds to what we use."""
    with database.reading() as session:
        return _is_current(session)


def _is_current(session: Session) -> bool:
    head, older = _revisions()
    revision = MigrationContext.configure(session.connection()).get_current_revision()
    return revision == head or (revision is not None and revision not in older)


@contextmanager
def _alone(database: Database) -> Iterator[None]:
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
