"""The settings: defaults, both ways to name the database, and one clear sentence for each that can't be used."""

from __future__ import annotations

from ipaddress import IPv4Network, IPv6Network
from typing import TYPE_CHECKING

import pytest
from tests.framework.commands import run

from inventory_service.settings import SettingsError, load

if TYPE_CHECKING:
    from pathlib import Path

#: A bare address, a netmask, host bits, an IPv4 network written as IPv6, and what else is no network.
NO_NETWORKS = (
    "10.42.0.7", "2001:db8::1", "10.42.0.0/255.255.0.0", "10.42.0.7/16", "2001:db8::1/32", "::ffff:10.42.0.0/112",
    "10.42.0.0/33", "10.42.0.0/016", "10.42.0/16", "2001:db8::/129", "10.42.0.0/16,", ",", "10.42.0.0/16 10.43.0.0/16",
    "ingress-nginx", "/", "10.42.0.0/", "fe80::%eth0/64",
)  # fmt: skip


def test_defaults():
    settings = load({})
    assert str(settings.database_url) == "sqlite:////data/inventory.db"
    assert settings.low_stock_threshold == 10
    assert settings.load_sample_data is False
    assert (settings.port, settings.ingress_port) == (5000, 5001)
    assert settings.rate_limit is None
    assert settings.trusted_proxies == ()
    assert settings.bind_address is None


@pytest.mark.parametrize("end", ["\n", "\r\n", " "])
def test_a_secret_loses_the_newline_that_it_was_made_with(end: str, tmp_path: Path) -> None:
    """As `kubectl create secret --from-file` keeps it; tokens are in test_token_files.py."""
    secrets = {"DATABASE_URL": f"postgresql://a:b@h/d{end}", "RATE_LIMIT_STORE": f"redis://h{end}"}
    for name, text in secrets.items():
        (tmp_path / name).write_bytes(text.encode())
    for environment in (secrets, {f"{name}_FILE": str(tmp_path / name) for name in secrets}):
        settings = load(environment)
        assert settings.database_url.database == "d"
        assert settings.rate_limit_store is not None
        assert settings.rate_limit_store.get_secret_value() == "redis://h"


@pytest.mark.parametrize("given", ["10.42.0.0/16,2001:db8:42::/48", " 10.42.0.0/16 , 2001:DB8:42:0::/48\n"])
def test_networks_of_proxies(given: str) -> None:
    assert load({"TRUSTED_PROXIES": given}).trusted_proxies == (
        IPv4Network("10.42.0.0/16"),
        IPv6Network("2001:db8:42::/48"),
    )


@pytest.mark.parametrize(("given", "address"), [("0.0.0.0", "0.0.0.0"), ("::1", "::1"), ("[::]", "::"), ("", None)])
def test_the_address_to_serve_at(given: str, address: str | None) -> None:
    assert load({"BIND_ADDRESS": given}).bind_address == address


@pytest.mark.parametrize(
    ("given", "backend", "database"),
    [
        ("postgresql://u:p@h:5432/shop", "postgresql", "shop"),
        ("postgres://u:p@h/shop?sslmode=require", "postgresql", "shop"),
        ("postgresql+psycopg://u:p%40@h/shop", "postgresql", "shop"),
        ("sqlite:////data/a%20b.db", "sqlite", "/data/a b.db"),
        ("/data/50%20?.db", "sqlite", "/data/50%20?.db"),
        ("/data/inventory.db", "sqlite", "/data/inventory.db"),
    ],
)
def test_databases(given, backend, database, tmp_path):
    url = load({"DATABASE_URL": given}).database_url
    assert (url.get_backend_name(), url.database) == (backend, database)
    file = tmp_path / "url"
    file.write_text(f"{given}\n")
    assert load({"DATABASE_URL": "", "DATABASE_URL_FILE": str(file)}).database_url == url


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        *(("PORT", value) for value in ("0", "65536", "x", "-1", "5001")),
        ("INGRESS_PORT", "5000"),
        *(("LOW_STOCK_THRESHOLD", value) for value in ("-1", "1.5", "ten", "2147483648", "9" * 400)),
        ("LOAD_SAMPLE_DATA", "maybe"),
        ("THREADS", "0"),
        ("LOG_LEVEL", "loud"),
        ("DRAIN_SECONDS", "nan"),
        ("MAX_BODY_BYTES", "1"),
        *(("BIND_ADDRESS", value) for value in ("somewhere", "10.0.0.0/8", "[10.0.0.1", "127.0.0.1:5000")),
        *(("TRUSTED_PROXIES", value) for value in NO_NETWORKS),
        *(("RATE_LIMIT", value) for value in ("100", "0/minute", "x/minute", "5/week", "-1/second")),
    ],
)
def test_a_sentence_names_the_variable(variable, value):
    with pytest.raises(SettingsError) as refusal:
        load({variable: value})
    assert str(refusal.value).startswith((f"{variable}: expected ", "INGRESS_PORT: expected "))
    assert "\n" not in str(refusal.value)


@pytest.mark.parametrize(
    "url",
    ["mysql://u:s3cret@h/d", "postgresql://u:s3cret@h:x/d", "sqlite://", "sqlite:///:memory:", "://s3cret", "sqlite:///a?mode=s3cret",
     *(f"postgresql://u:s3cret@h/d?options={options}" for options in ("-d%205", "work_mem=5MB", "-c%20a=b%20c", "-c"))],
)  # fmt: skip
def test_a_bad_database_url_is_never_repeated(url):
    with pytest.raises(SettingsError) as refusal:
        load({"DATABASE_URL": url})
    assert str(refusal.value).startswith("DATABASE_URL: expected ")
    assert "s3cret" not in str(refusal.value)
    assert refusal.value.__context__ is None or refusal.value.__suppress_context__


def test_a_url_file_that_can_not_be_used(tmp_path):
    for environment in (
        {"DATABASE_URL_FILE": str(tmp_path / "missing")},
        {"DATABASE_URL_FILE": str(tmp_path)},
        {"DATABASE_URL_FILE": str(tmp_path), "DATABASE_URL": "/data/a.db"},
    ):
        with pytest.raises(SettingsError, match=r"^DATABASE_URL_FILE: expected "):
            load(environment)


def test_settings_never_show_the_password():
    assert "s3cret" not in repr(load({"DATABASE_URL": "postgresql://u:s3cret@h/d"}))


def test_the_command_line_explains_itself():
    shown = run("--help")
    assert shown.returncode == 0
    for word in ("serve", "migrate", "DATABASE_URL", "examples:", "python -m inventory_service"):
        assert word in shown.stdout


def test_the_command_line_says_which_setting_is_wrong():
    refused = run(PORT="x")
    assert refused.returncode == 2
    assert refused.stderr == "PORT: expected a port number from 1 to 65535, got 'x'\n"


def test_migrate_only(tmp_path):
    database = tmp_path / "inventory.db"
    assert run("migrate", DATABASE_URL=str(database)).returncode == 0
    assert database.stat().st_size > 0
    failed = run("migrate", DATABASE_URL=f"{tmp_path}/missing/inventory.db")
    assert failed.returncode == 1
    assert failed.stderr.startswith("The database can't be migrated: ")
    assert len(failed.stderr.splitlines()) == 1
