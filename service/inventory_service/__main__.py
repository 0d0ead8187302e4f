"""The command line: `python -m inventory_service [serve|migrate|audit|tokens]`.

`serve` is the default.
"""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

from inventory_service.bootstrap import schema
from inventory_service.cli import audit, tokens
from inventory_service.cli.output import DONE, FAILED, USAGE, report
from inventory_service.cli.parser import new_parser
from inventory_service.db.database import Database
from inventory_service.db.faults import DatabaseUnavailable, describe
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
        sys.exit(report(str(error), USAGE))
    match given.command:
        case "migrate":
            sys.exit(_migrate(settings))
        case "audit":
            sys.exit(audit.run(given, settings))
        case "tokens":
            sys.exit(tokens.run(given, settings))
    _serve(settings)


def _serve(settings: Settings) -> None:
    # Only who serves pays for the import.
    from inventory_service.app import body_limit
    from inventory_service.server.serve import serve
    from inventory_service.wsgi import application

    logging.configure(settings.log_level)
    serve(application(), body_limit(settings))


def _migrate(settings: Settings) -> int:
    logging.configure(settings.log_level)
    database = Database(settings.database_url, connections=1)
    try:
        schema.prepare(database, settings)
    except (DatabaseUnavailable, schema.UnsuitableDatabase, OSError) as error:
        return report(f"The database can't be migrated: {describe(error)}", FAILED)
    finally:
        database.close()
    return DONE


if __name__ == "__main__":
    main()
