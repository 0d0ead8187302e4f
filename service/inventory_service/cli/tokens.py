"""`tokens create`, `tokens list` and `tokens revoke`.

The text of a token is shown once, by `create`.
"""

from __future__ import annotations

import re
from argparse import ArgumentTypeError
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final

from inventory_service.bootstrap import schema
from inventory_service.cli.output import DONE, FAILED, iso_time, report, write, write_json, write_table
from inventory_service.db.database import Database
from inventory_service.db.faults import DatabaseUnavailable
from inventory_service.inventory import tokens
from inventory_service.inventory.tokens import TokenError

if TYPE_CHECKING:
    from argparse import Namespace

    from inventory_service.settings import Settings

_DURATION: Final = re.compile(r"([1-9][0-9]{0,5})([smhdw])")
_UNITS: Final = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}
_LONGEST: Final = timedelta(days=3650)
_HEADS: Final = ("NAME", "PREFIX", "SCOPE", "SOURCE", "CREATED", "EXPIRES", "LAST USED", "STATE")


def run(arguments: Namespace, settings: Settings) -> int:
    """Run `tokens` and return its exit code."""
    database = Database(settings.database_url, connections=1)
    try:
        if not schema.is_current(database):
            return report(
                "The database is not prepared for this version; run `python -m inventory_service migrate` first.",
                FAILED,
            )
        _COMMANDS[arguments.tokens_command](arguments, database)
    except TokenError as error:
        return report(str(error), FAILED)
    except DatabaseUnavailable as error:
        return report(f"The database can't be reached: {error}", FAILED)
    finally:
        database.close()
    return DONE


def duration(text: str) -> timedelta:
    """Parse "90d", for argparse."""
    match = _DURATION.fullmatch(text)
    if match is not None:
        given = timedelta(**{_UNITS[match[2]]: int(match[1])})
        if given <= _LONGEST:
            return given
    raise ArgumentTypeError(
        f"expected a time up to ten years like 90d, with one of s, m, h, d, w at the end, got {text!r}"
    )


def name(text: str) -> str:
    """Return a token's name, for argparse."""
    if tokens.NAME.fullmatch(text):
        return text
    raise ArgumentTypeError(f"expected a name of at most 100 letters, digits and . _ -, got {text!r}")


def _create(arguments: Namespace, database: Database) -> None:
    now = datetime.now(UTC)
    expires_at = None if arguments.expires_in is None else now + arguments.expires_in
    with database.writing() as session:
        token, text = tokens.create(session, arguments.name, arguments.scope, expires_at, now)
        prefix = token.prefix
    if arguments.output == "json":
        expires = iso_time(expires_at)
        fields = {"name": arguments.name, "scope": arguments.scope, "prefix": prefix, "expires_at": expires}
        write_json(fields | {"token": text})
    else:
        write(text)


def _list(arguments: Namespace, database: Database) -> None:
    with database.reading() as session:
        found = tokens.all_tokens(session)
    now = datetime.now(UTC)
    rows = [
        {
            "name": token.name,
            "prefix": token.prefix,
            "scope": token.scope,
            "source": token.source,
            "created_at": iso_time(token.created_at),
            "expires_at": iso_time(token.expires_at),
            "last_used_at": iso_time(token.last_used_at),
            "state": token.state(now),
        }
        for token in found
    ]
    if arguments.output == "json":
        write_json(rows)
    else:
        write_table(_HEADS, [[cell or "never" for cell in row.values()] for row in rows])


def _revoke(arguments: Namespace, database: Database) -> None:
    with database.writing() as session:
        tokens.revoke(session, arguments.name, datetime.now(UTC))
    report(f"The token {arguments.name} is revoked.", DONE)


_COMMANDS: Final = {"create": _create, "list": _list, "revoke": _revoke}
