"""Databases of the service: migrated once and copied for each test, broken on purpose, and asked for their plans."""

from __future__ import annotations

import shutil
import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING, Any

from sqlalchemy import event, text

from inventory_service.bootstrap import schema
from inventory_service.db.database import Database
from inventory_service.settings import load

if TYPE_CHECKING:
    from pathlib import Path

    from tests.framework.postgresql import Cluster


def migrated_file(folder: Path) -> Path:
    """Make a migrated SQLite database and return its file, which holds all of it."""
    path = folder / "inventory.db"
    _migrate(f"sqlite:///{path}")
    with closing(sqlite3.connect(path)) as connection:
        (busy, *_frames) = connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
        assert not busy
    assert not path.with_name(f"{path.name}-wal").exists()
    return path


def migrated_template(cluster: Cluster) -> str:
    """Make a migrated PostgreSQL database and return its name, to be copied only."""
    name = "migrated"
    cluster.create(name)
    _migrate(cluster.url(name))
    cluster.make_template(name)
    return name


def copied_file(migrated: Path, folder: Path, name: str = "inventory.db") -> str:
    """Copy a migrated file into a folder and return the copy's URL."""
    return f"sqlite:///{shutil.copyfile(migrated, folder / name)}"


def _migrate(database_url: str) -> None:
    settings = load({"DATABASE_URL": database_url})
    database = Database(settings.database_url, connections=1)
    try:
        schema.prepare(database, settings)
    finally:
        database.close()


def corrupt(database: Database, statement: str) -> None:
    """Do to the database what the service never would: without its triggers."""
    with database.writing() as session:
        if database.on_sqlite:
            triggers = session.execute(text("SELECT name FROM sqlite_master WHERE type = 'trigger'")).scalars()
            for trigger in triggers.all():
                session.execute(text(f"DROP TRIGGER {trigger}"))
        else:
            session.execute(text("SET LOCAL session_replication_role = replica"))
        session.execute(text(statement))


class Plans:
    """How the database carries out each statement of these kinds that it is given meanwhile."""

    def __init__(self, database: Database, *kinds: str) -> None:
        self._kinds = kinds or ("SELECT",)
        self.found: list[str] = []
        self._engine = database.engine
        self._explain = "EXPLAIN QUERY PLAN " if database.on_sqlite else "EXPLAIN "

    def __enter__(self) -> list[str]:
        event.listen(self._engine, "before_cursor_execute", self._note)
        return self.found

    def __exit__(self, *_error: object) -> None:
        event.remove(self._engine, "before_cursor_execute", self._note)

    def _note(self, _connection: Any, cursor: Any, statement: str, parameters: Any, _context: Any, _many: bool) -> None:
        if statement.startswith(self._kinds):
            other = cursor.connection.cursor()
            other.execute(self._explain + statement, parameters)
            self.found.append("\n".join(str(row[-1]) for row in other.fetchall()))
