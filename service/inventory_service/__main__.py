"""The command line: `python -m inventory_service [serve|migrate|audit|tokens]`.

It never serves itself: it checks the settings, then becomes gunicorn.
"""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, NoReturn

from inventory_service.bootstrap import schema
from inventory_service.cli import audit, tokens
from inventory_service.cli.output import DONE, FAILED, USAGE, complain
from inventory_service.cli.parser import new_parser
from inventory_service.db.database import UNAVAILABLE, Database, describe_unavailable
from inventory_service.settings import Settings, SettingsError, load
from inventory_service.telemetry import logging

if TYPE_CHECKING:
    from collections.abc import Sequence


def main(arguments: Sequence[str] | None = None) -> None:
    """Run one command; exit with 2 if a setting can't be used, with 1 (or as `audit` says) if the command fails."""
    given = new_parser().parse_args(arguments)
    try:
        settings = load(os.environ)
    except SettingsError as error:
        sys.exit(complain(str(error), USAGE))
    match given.command:
        case "migrate":
            sys.exit(_migrate(settings))
        case "audit":
            sys.exit(audit.run(given, settings))
        case "tokens":
            sys.exit(tokens.run(given, settings))
    _serve()


def _serve() -> NoReturn:
    """Become gunicorn: one process less, and signals reach it directly."""
    module = ["-m", "gunicorn", "--config", "python:inventory_service.server.config", "--no-control-socket"]
    os.execv(sys.executable, [sys.executable, *module, "inventory_service.wsgi:application()"])  # noqa: S606 - no shell wanted


def _migrate(settings: Settings) -> int:
    logging.configure(settings.log_level)
    database = Database(settings.database_url, connections=1)
    try:
        schema.prepare(database, settings)
    except (*UNAVAILABLE, OSError) as error:
        return complain(f"The database can't be migrated: {describe_unavailable(error)}", FAILED)
    finally:
        database.close()
    return DONE


if __name__ == "__main__":
    main()
