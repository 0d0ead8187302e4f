"""What the text of a /metrics page holds, and its first line that is not valid. Pure; linear in the bytes.

The format: https://prometheus.io/docs/instrumenting/exposition_formats/
"""

from __future__ import annotations

import contextlib
import re

#: The metrics that dashboards and alerts are made of; docs/service.md has them.
CONTRACT = (
    "http_requests_total",
    "http_request_duration_seconds",
    "product_stock_level",
    "low_stock_alerts_total",
    "restock_operations_total",
    "product_operations_total",
)
_DECIMAL = rb"(?:[0-9]+\.?[0-9]*+|\.[0-9]++)(?:[eE][-+]?[0-9]++)?"
_NUMBER = rb"[-+]?(?:0[xX][0-9a-fA-F.pP+-]++|(?i:inf|infinity|nan)|" + _DECIMAL + rb")"
_LABEL = rb"[ \t]*+[a-zA-Z_][a-zA-Z0-9_]*+[ \t]*+=[ \t]*+\"(?:[^\"\\\n]|\\[\\n\"])*+\"[ \t]*+,?+"
_NAME = rb"[a-zA-Z_:][a-zA-Z0-9_:]*+"
_SAMPLE = _NAME + rb"(?:[ \t]*+\{(?:" + _LABEL + rb")*+[ \t]*+\})?+[ \t]++" + _NUMBER + rb"(?:[ \t]++-?[0-9]++)?+"
#: The name of a metric in quotes, between the braces: left to Prometheus.
_QUOTED = rb"\{[ \t]*+\"[^\n]*+"
_TYPE = rb"#[ \t]++TYPE[ \t]++" + _NAME + rb"[ \t]++(?:counter|gauge|histogram|summary|untyped|unknown)"
#: Any other comment.
_COMMENT = rb"#(?![ \t]++TYPE[ \t])[^\n]*+"
_VALID = rb"|".join((_SAMPLE, _QUOTED, _COMMENT, _TYPE))
_INVALID = re.compile(rb"^(?!(?:" + _VALID + rb")?+[ \t]*+$)[^\n]*+", re.MULTILINE)
_NAMES = re.compile(rb"^(?:# TYPE )?(" + "|".join(CONTRACT).encode() + rb")(?=[ {_])", re.MULTILINE)
_PRODUCT = re.compile(rb"[{,]product_id=\"([0-9]{1,18})\"")
_VALUE = re.compile(rb"\} ([-+.0-9eE]{1,30})$")
_STOCK = b"product_stock_level{"
#: Bytes of a line that are looked at: a product's name has 255 characters at most.
_LINE = 4_096


def missing(page: bytes) -> list[str]:
    """Return the metrics of the contract that a page does not have, in their order; one without samples has a TYPE."""
    found = {one[1].decode() for one in _NAMES.finditer(page)}
    return [name for name in CONTRACT if name not in found]


def invalid_line(page: bytes) -> int | None:
    """Return the number of the first line, counted from 1, that is neither a sample nor a comment; None without one.

    OpenMetrics has more than this format, and isn't what a pod answers that is asked for no format.
    """
    found = _INVALID.search(page)
    return None if found is None else page.count(b"\n", 0, found.start()) + 1


def stock_levels(page: bytes, most: int) -> dict[str, float]:
    """Return the stock of the first products by their ids."""
    found: dict[str, float] = {}
    end = 0
    while len(found) < most and (start := page.find(b"\n" + _STOCK, end)) >= 0:
        end = page.find(b"\n", start + 1)
        line = page[start + 1 : min(end if end >= 0 else len(page), start + _LINE)]
        product, value = _PRODUCT.search(line), _VALUE.search(line)
        if end < 0 or not product or not value:
            break
        with contextlib.suppress(ValueError):
            found[product[1].decode()] = float(value[1])
    return found
