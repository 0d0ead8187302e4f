"""The parser of the command line: commands, options, and the help on them and on the settings."""

from __future__ import annotations

from argparse import ArgumentParser, RawDescriptionHelpFormatter
from typing import TYPE_CHECKING, Any, Final

from inventory_service.cli import tokens
from inventory_service.inventory.tokens import SCOPES
from inventory_service.settings import DEFAULT_DATABASE_URL

if TYPE_CHECKING:
    from argparse import _SubParsersAction

_PROGRAM: Final = "python -m inventory_service"
_EPILOG: Final = f"""\
settings (environment variables):
  DATABASE_URL         postgresql://user:password@host/database, sqlite:////folder/file or a path
                       [{DEFAULT_DATABASE_URL}]
  DATABASE_URL_FILE    a file that holds it instead
  LOW_STOCK_THRESHOLD  threshold of a new product that names none [10]
  LOW_STOCK_HYSTERESIS units that a stock must rise above its threshold before the next alert [0]
  LOAD_SAMPLE_DATA     true: create sample products in a new inventory [false]
  PORT, INGRESS_PORT   where to serve everything, and everything but /metrics [5000, 5001]
  PROBE_PORT           where to answer /livez and /readyz, whatever the clients do [5002]
  BIND_ADDRESS         the one address to serve at [all, IPv6 and IPv4]
  TRUSTED_PROXIES      networks whose X-Forwarded-For counts, like 10.42.0.0/16,2001:db8::/32
                       [who comes to INGRESS_PORT]
  THREADS              requests answered at once [8]
  DRAIN_SECONDS        serve on for so long after SIGTERM, not ready [5]
  MAX_BODY_BYTES       larger bodies are refused [65536]
  RATE_LIMIT           requests per client, like 100/minute [off]
  RATE_LIMIT_STORE     redis://:password@host:6379/0 to count in for all pods [each pod counts by itself]
  RATE_LIMIT_STORE_FILE  a file that holds it instead
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
  python -m inventory_service tokens create shop-front --scope write --expires-in 90d
  python -m inventory_service audit || echo "the stock and its ledger disagree"
"""
_TOKENS: Final = f"""\
examples:
  {_PROGRAM} tokens create shop-front --scope write --expires-in 90d
  {_PROGRAM} tokens list -o json
  {_PROGRAM} tokens revoke shop-front

exit codes: 0 it is done, 1 it can't be done, 2 it was asked in a way that can't be
"""
_AUDIT: Final = f"""\
examples:
  {_PROGRAM} audit
  {_PROGRAM} audit -o json

exit codes: 0 nothing was found, 1 something was, 2 it was asked in a way that can't be, 3 the database doesn't answer
"""


def new_parser() -> ArgumentParser:
    """Return the parser; without a command it gives "serve"."""
    parser = ArgumentParser(
        prog=_PROGRAM,
        description="The inventory service: products, stock, and a ledger of every change, over HTTP.",
        epilog=_EPILOG,
        formatter_class=RawDescriptionHelpFormatter,
    )
    parser.set_defaults(command="serve")
    commands = parser.add_subparsers(metavar="COMMAND", title="commands")
    _add(commands, "serve", "migrate the database, then answer requests (the default)")
    _add(commands, "migrate", "only migrate, and exit")
    audit = _add(commands, "audit", "compare the stock of every product with its movements", epilog=_AUDIT)
    _add_output(audit)
    _add_tokens(_add(commands, "tokens", "create, list and revoke API tokens", epilog=_TOKENS))
    return parser


def _add_tokens(parser: ArgumentParser) -> None:
    commands = parser.add_subparsers(dest="tokens_command", metavar="COMMAND", title="commands", required=True)
    create = _add(
        commands, "create", "make a token and print it; it can't be shown again", command="tokens", epilog=_TOKENS
    )
    create.add_argument(
        "name", metavar="NAME", type=tokens.name, help="who uses it: the actor of the movements it makes"
    )
    create.add_argument(
        "--scope", choices=SCOPES, required=True, help="what it may do; each includes the ones before it"
    )
    create.add_argument("--expires-in", metavar="TIME", type=tokens.duration, help="a time like 90d or 12h [never]")
    _add_output(create)
    _add_output(_add(commands, "list", "show every token's name, prefix, scope, last use and state", command="tokens"))
    revoke = _add(commands, "revoke", "refuse a token from now on, for ever", command="tokens")
    revoke.add_argument("name", metavar="NAME", help="the token's name")


def _add(
    commands: _SubParsersAction[ArgumentParser], name: str, words: str, *, command: str | None = None, **options: Any
) -> ArgumentParser:
    parser = commands.add_parser(
        name,
        help=words,
        description=f"{words[0].upper()}{words[1:]}.",
        formatter_class=RawDescriptionHelpFormatter,
        **options,
    )
    parser.set_defaults(command=command or name)
    return parser


def _add_output(parser: ArgumentParser) -> None:
    parser.add_argument("-o", "--output", choices=["text", "json"], default="text", help="how to print [text]")
