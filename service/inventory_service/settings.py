"""Settings: the environment, parsed once, by `load`, into a frozen typed object.

Errors name the variable, and no value that may be secret.
"""

from __future__ import annotations

import itertools
import re
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final, Literal
from urllib.parse import urlsplit

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, SecretStr, ValidationError
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError

if TYPE_CHECKING:
    from collections.abc import Mapping

#: What a stock level, a threshold or a quantity can be at most: a PostgreSQL `integer`.
MAX_STOCK: Final = 2**31 - 1

DEFAULT_DATABASE_URL: Final = "sqlite:////data/inventory.db"

_RATE = re.compile(r"(?P<requests>[1-9][0-9]{0,8})/(?P<unit>second|minute|hour)")
_SECONDS: Final = {"second": 1, "minute": 60, "hour": 3600}
#: One option of PostgreSQL's command line, `-c name=value` or `--name=value`, with blanks in it after backslashes.
_OPTION: Final = re.compile(r"\s*(?:-c\s*|--)([\w.-]+)=((?:\\.|[^\\\s])*)(?:\s+|$)")
_DRIVERS: Final = {"postgresql", "postgres", "postgresql+psycopg"}


class SettingsError(Exception):
    """A setting that can't be used; its text is one sentence that names the variable."""


class RateLimit(BaseModel):
    """So many requests in so many seconds."""

    model_config = ConfigDict(frozen=True)

    requests: int
    seconds: int


def _rate_limit(text: object) -> object:
    """Parse "100/minute"."""
    match = _RATE.fullmatch(text) if isinstance(text, str) else None
    if match is None:
        raise ValueError
    return RateLimit(requests=int(match["requests"]), seconds=_SECONDS[match["unit"]])


def _networks(text: str) -> tuple[IPv4Network | IPv6Network, ...]:
    """Parse "10.42.0.0/16, 2001:db8::/32"; an entry is what the operator takes (inventory_operator/api/strings.py)."""
    return tuple(_network(entry.strip()) for entry in text.split(","))


def _network(text: str) -> IPv4Network | IPv6Network:
    network = ip_network(text)
    mapped = isinstance(network, IPv6Network) and network.network_address.ipv4_mapped
    # Python takes a zone, a bare address and a netmask, too.
    if mapped or "%" in text or not text.endswith(f"/{network.prefixlen}"):
        raise ValueError
    return network


def _bind_address(text: str) -> str:
    """Parse an address; one of IPv6 may be in brackets."""
    return str(ip_address(text[1:-1] if text.startswith("[") and text.endswith("]") else text))


Networks = tuple[IPv4Network | IPv6Network, ...]
Port = Annotated[int, Field(ge=1, le=65535, description="a port number from 1 to 65535")]


class Settings(BaseModel):
    """All settings; a field's upper-cased name is its variable, its description what is expected of it."""

    model_config = ConfigDict(frozen=True, arbitrary_types_allowed=True, hide_input_in_errors=True)

    database_url: URL = Field(repr=False)
    rate_limit_store: SecretStr | None = None
    low_stock_threshold: Annotated[int, Field(ge=0, le=MAX_STOCK, description=f"a number from 0 to {MAX_STOCK}")] = 10
    low_stock_hysteresis: Annotated[
        int, Field(ge=0, le=MAX_STOCK, description=f"a number of units from 0 to {MAX_STOCK}")
    ] = 0
    load_sample_data: Annotated[bool, Field(description="true or false")] = False
    #: None is every address that the node has, IPv6 and IPv4.
    bind_address: Annotated[str | None, BeforeValidator(_bind_address), Field(description="an IP address")] = None
    port: Port = 5000
    ingress_port: Port = 5001
    probe_port: Port = 5002
    threads: Annotated[int, Field(ge=1, le=128, description="a number from 1 to 128")] = 8
    log_level: Annotated[
        Literal["debug", "info", "warning", "error"],
        BeforeValidator(str.lower),
        Field(description="one of debug, info, warning, error"),
    ] = "info"
    max_body_bytes: Annotated[int, Field(ge=1024, le=2**30, description="a number of bytes from 1024 to 2^30")] = 65536
    drain_seconds: Annotated[float, Field(ge=0, le=300, description="a number of seconds from 0 to 300")] = 5.0
    rate_limit: Annotated[
        RateLimit | None,
        BeforeValidator(_rate_limit),
        Field(description="a rate like 100/minute (second, minute or hour)"),
    ] = None
    trusted_proxies: Annotated[
        Networks,
        BeforeValidator(_networks),
        Field(
            description="networks, separated by commas, each as its first address and the length of its prefix like "
            "10.42.0.0/16 or 2001:db8::/32 (a single address is 10.42.0.7/32)"
        ),
    ] = ()
    require_if_match: Annotated[bool, Field(description="true or false")] = False
    require_tokens: Annotated[bool, Field(description="true or false")] = False
    tokens_dir: Annotated[Path | None, Field(description="a folder")] = None
    idempotency_hours: Annotated[float, Field(gt=0, le=8760, description="a number of hours up to 8760")] = 24.0
    audit_seconds: Annotated[float, Field(ge=0, le=86400, description="a number of seconds from 0 to 86400")] = 300.0
    metrics_max_products: Annotated[int, Field(ge=0, le=10**6, description="a number from 0 to 1000000")] = 10_000
    import_max_bytes: Annotated[int, Field(ge=1024, le=2**30, description="a number of bytes from 1024 to 2^30")] = (
        10 * 2**20
    )

    @property
    def on_sqlite(self) -> bool:
        """Tell whether the database is a SQLite file (and this process is the only one that may serve it)."""
        return self.database_url.get_backend_name() == "sqlite"


def load(environment: Mapping[str, str]) -> Settings:
    """Return the settings that `environment` gives; an empty variable counts as unset. Raise SettingsError."""
    given = {name: environment[name.upper()] for name in Settings.model_fields if environment.get(name.upper())}
    raw: dict[str, object] = {
        **given,
        "database_url": parse_database_url(*_secret(environment, "DATABASE_URL", DEFAULT_DATABASE_URL)),
        "rate_limit_store": _parse_store(*_secret(environment, "RATE_LIMIT_STORE", "")),
    }
    try:
        settings = Settings.model_validate(raw)
    except ValidationError as error:
        raise SettingsError(_sentence(error, given)) from None
    ports = {"PORT": settings.port, "INGRESS_PORT": settings.ingress_port, "PROBE_PORT": settings.probe_port}
    for first, second in itertools.combinations(ports, 2):
        if ports[first] == ports[second]:
            raise SettingsError(f"{second}: expected another port than {first}, got {ports[first]} for both")
    return settings


def _sentence(error: ValidationError, given: Mapping[str, str]) -> str:
    field = str(error.errors(include_url=False, include_input=False)[0]["loc"][0])
    expected = Settings.model_fields[field].description
    return f"{field.upper()}: expected {expected}, got {given[field]!r}"


def _secret(environment: Mapping[str, str], variable: str, default: str) -> tuple[str, str]:
    """Return what `variable` or the file named by `variable`_FILE says, else the default, and which of them it was."""
    text, path = environment.get(variable), environment.get(f"{variable}_FILE")
    if text and path:
        raise SettingsError(f"{variable}_FILE: expected to be unset where {variable} is set, got both")
    if not path:
        return (text or "").strip() or default, variable
    try:
        return Path(path).read_text(encoding="utf-8").strip(), f"{variable}_FILE"
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not text"
        raise SettingsError(f"{variable}_FILE: expected a readable file, got {path!r} ({reason})") from None


def parse_database_url(text: str, variable: str) -> URL:
    """Return `text` as a URL with the driver we ship. Errors don't repeat it: it may hold a password."""
    expected = "postgresql://user:password@host/database, sqlite:////folder/file or the path of a SQLite file"
    try:
        url = make_url(text) if "://" in text else URL.create("sqlite", database=text)
    except (ArgumentError, ValueError):
        raise SettingsError(f"{variable}: expected {expected}, got something that is none of them") from None
    if url.drivername in _DRIVERS:
        if session_settings(url) is None:
            raise SettingsError(f"{variable}: expected options like -c name=value in the URL, got something else")
        return url.set(drivername="postgresql+psycopg")
    if url.drivername == "sqlite" and url.database and ":memory:" not in url.database and not url.query:
        return url
    raise SettingsError(f"{variable}: expected {expected}, got a URL of another kind")


def session_settings(url: URL) -> Mapping[str, str] | None:
    """Return the settings of the session that the URL's `options` give, None where they are something else."""
    text, settings = " ".join(url.normalized_query.get("options", ())).strip(), {}
    while text:
        match = _OPTION.match(text)
        if match is None:
            return None
        settings[match[1].replace("-", "_").lower()] = re.sub(r"\\(.)", r"\1", match[2])
        text = text[match.end() :]
    return settings


def _parse_store(text: str, variable: str) -> str | None:
    """Return the URL of a Redis server. Errors don't repeat it: it may hold a password."""
    if not text and not variable.endswith("_FILE"):
        return None
    # Only who has such a store pays for the import.
    from redis import ConnectionPool, RedisError

    try:
        # Making a connection doesn't connect; it refuses options that don't exist, which connecting would do later.
        usable = urlsplit(text).scheme in {"redis", "rediss"} and urlsplit(text).hostname is not None
        ConnectionPool.from_url(text).make_connection()
    except (ValueError, TypeError, AttributeError, RedisError):
        usable = False
    if not usable:
        raise SettingsError(
            f"{variable}: expected a URL like redis://:password@host:6379/0 (or rediss://), got something else"
        )
    return text
