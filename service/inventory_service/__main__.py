"""The command line: `python -m inventory_service [serve|migrate]`.

It never serves itself: it checks the settings, then becomes gunicorn.
"""

from __future__ import annotations

import argparse
import os
import sys
from typing import TYPE_CHECKING, Final, NoReturn

from inventory_service import logs, schema
from inventory_service.database import UNAVAILABLE, Database, describe_unavailable
from inventory_service.settings import DEFAULT_DATABASE_URL, Settings, SettingsError, load

if TYPE_CHECKING:
    from collections.abc import Sequence

_HELP: Final = f"""\
settings (environment variables):
  DATABASE_URL         postgresql://user:password@host/database, sqlite:////folder/file or a path
                       [{DEFAULT_DATABASE_URL}]
  DATABASE_URL_FILE    a file that holds it instead
  LOW_STOCK_THRESHOLD  threshold of a new product that names none [10]
  LOW_STOCK_HYSTERESIS units that a stock must rise above its threshold before the next alert [0]
  LOAD_SAMPLE_DATA     true: create sample products in a new inventory [false]
  PORT, INGRESS_PORT   where to serve everything, and everything but /metrics [5000, 5001]
  BIND_ADDRESS         the address to serve at [0.0.0.0]
  THREADS              requests answered at once [8]
  DRAIN_SECONDS        serve on for so long after SIGTERM, not ready [5]
  MAX_BODY_BYTES       larger bodies are refused [65536]
  RATE_LIMIT           requests per client and pod, like 100/minute [off]
  REQUIRE_IF_MATCH     true: refuse a change of a product without If-Match [false]
  REQUIRE_TOKENS       true: refuse requests without a valid API token [false]
  TOKENS_DIR           a folder of API tokens: one file each, named NAME.SCOPE [none]
  IDEMPOTENCY_HOURS    how long the answer to an Idempotency-Key is kept [24]
  AUDIT_SECONDS        time between two audits of the ledger; 0: none [300]
  METRICS_MAX_PRODUCTS products with series of their own at /metrics [10000]
  IMPORT_MAX_BYTES     larger files are not imported [10485760]
  LOG_LEVEL            debug, info, warning or error [info]

examples:
  DATABASE_URL=/tmp/inventory.db LOAD_SAMPLE_DATA=true python -m inventory_service
  DATABASE_URL=postgresql://shop:secret@db/shop python -m inventory_service migrate
  curl localhost:5000/api/products
"""


def main(arguments: Sequence[str] | None = None) -> None:
    """Run one command; exit with 2 if a setting can't be used, with 1 if the command fails."""
    parser = argparse.ArgumentParser(
        prog="python -m inventory_service",
        description="The inventory service: products, stock, and a ledger of every change, over HTTP.",
        epilog=_HELP,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "command",
        nargs="?",
        choices=["serve", "migrate"],
        default="serve",
        help="serve: migrate the database, then answer requests (the default); migrate: only migrate, and exit",
    )
    command = parser.parse_args(arguments).command
    try:
        settings = load(os.environ)
    except SettingsError as error:
        sys.exit(_complain(str(error), 2))
    if command == "migrate":
        sys.exit(_migrate(settings))
    _serve()


def _serve() -> NoReturn:
    """Become gunicorn: one process less, and signals reach it directly."""
    module = ["-m", "gunicorn", "--config", "python:inventory_service.server.config", "--no-control-socket"]
    os.execv(sys.executable, [sys.executable, *module, "inventory_service.wsgi:application()"])  # noqa: S606 - no shell wanted


def _migrate(settings: Settings) -> int:
    logs.configure(settings.log_level)
    database = Database(settings.database_url, connections=1)
    try:
        schema.prepare(database, settings)
    except (*UNAVAILABLE, OSError) as error:
        return _complain(f"The database can't be migrated: {describe_unavailable(error)}", 1)
    finally:
        database.close()
    return 0


def _complain(sentence: str, status: int) -> int:
    sys.stderr.write(f"{sentence}\n")
    return status


if __name__ == "__main__":
    main()
