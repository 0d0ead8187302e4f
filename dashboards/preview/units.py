"""Writes a number as Grafana does for its unit.

It never knows what a number means; a unit that is not known stands behind the number.
"""

from __future__ import annotations

import math
from datetime import UTC, datetime
from typing import Final

#: unit -> (factor to the next larger one, names)
_SCALED: Final = {
    "bytes": (1024, ("B", "KiB", "MiB", "GiB", "TiB", "PiB")),
    "decbytes": (1000, ("B", "kB", "MB", "GB", "TB", "PB")),
    "bits": (1024, ("b", "Kib", "Mib", "Gib", "Tib")),
    "binBps": (1024, ("B/s", "KiB/s", "MiB/s", "GiB/s")),
    "Bps": (1000, ("B/s", "kB/s", "MB/s", "GB/s")),
    "short": (1000, ("", "K", "Mil", "Bil", "Tri")),
}
_RATES: Final = {
    "reqps": "req/s", "ops": "ops/s", "rps": "rd/s", "wps": "wr/s", "cps": "c/s", "eps": "evt/s", "iops": "io/s",
    "opm": "ops/min", "cpm": "c/min", "reqpm": "req/min", "hertz": "Hz",
}  # fmt: skip
_DURATIONS: Final = {"s": 1.0, "dtdurations": 1.0, "ms": 1e-3, "dtdurationms": 1e-3, "µs": 1e-6, "ns": 1e-9}
_PLAIN: Final = {"", "none", "string", "locale", "sishort"}
_TRUTHS: Final = {"bool": ("False", "True"), "bool_yes_no": ("No", "Yes"), "bool_on_off": ("Off", "On")}
#: (from this many seconds on, divided by, name)
_STEPS: Final = (
    (365 * 86400.0, 365 * 86400.0, "years"),
    (7 * 86400.0, 7 * 86400.0, "weeks"),
    (86400.0, 86400.0, "days"),
    (3600.0, 3600.0, "hours"),
    (60.0, 60.0, "mins"),
    (1.0, 1.0, "s"),
    (1e-3, 1e-3, "ms"),
    (1e-6, 1e-6, "µs"),
    (0.0, 1e-9, "ns"),
)


def text(value: float, unit: str = "", decimals: int | None = None) -> str:
    """Return `value` in its unit, with the decimals that a person can use unless told how many."""
    if not math.isfinite(value):
        return "NaN" if math.isnan(value) else "∞" if value > 0 else "-∞"
    if unit in {"percent", "percentunit"}:
        return f"{number(value * (100 if unit == 'percentunit' else 1), decimals)}%"
    if unit in _SCALED:
        return _scaled(value, *_SCALED[unit], decimals)
    if unit in _DURATIONS:
        return _span(value * _DURATIONS[unit], decimals)
    return _named(value, unit, decimals)


def number(value: float, decimals: int | None = None) -> str:
    """Return a number, without zeros that say nothing when the decimals are ours to choose."""
    if decimals is not None:
        return f"{value:.{decimals}f}"
    size = abs(value)
    if size and size < 0.001:  # noqa: PLR2004 - below it more decimals than a person reads
        return f"{value:.2g}"
    places = 0 if size >= 100 else 1 if size >= 10 else 2 if size >= 0.1 else 4  # noqa: PLR2004 - three digits or so
    plain = f"{value:.{places}f}"
    return plain.rstrip("0").rstrip(".") if "." in plain else plain


def _named(value: float, unit: str, decimals: int | None) -> str:
    if unit in _PLAIN:
        return number(value, decimals)
    if unit in _TRUTHS:
        return _TRUTHS[unit][value != 0]
    if unit.startswith("dateTime"):
        return f"{datetime.fromtimestamp(value / 1000, UTC):%Y-%m-%d %H:%M:%S}"
    before, _, rest = unit.partition(":")
    if before == "prefix":
        return f"{rest}{number(value, decimals)}"
    if before.startswith("currency"):
        return f"{ {'currencyEUR': '€', 'currencyUSD': '$'}.get(before, '') }{number(value, 2)}"
    return f"{number(value, decimals)} {rest if before == 'suffix' else _RATES.get(unit, unit)}"


def _scaled(value: float, factor: int, names: tuple[str, ...], decimals: int | None) -> str:
    for name in names[:-1]:
        if abs(value) < factor:
            return f"{number(value, decimals)} {name}".rstrip()
        value /= factor
    return f"{number(value, decimals)} {names[-1]}"


def _span(value: float, decimals: int | None) -> str:
    if value == 0:
        return "0 s"
    divisor, name = next((by, name) for least, by, name in _STEPS if abs(value) >= least)
    return f"{number(value / divisor, decimals)} {name}"
