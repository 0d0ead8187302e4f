"""Goes into an image of the service: a request may ask for an error or for a delay, and a file for a bad /metrics.

Requests that don't ask are served as by the shipped image, as is /metrics while the pod has no such file.
"""

from __future__ import annotations

import re
import time
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from flask import Response, request

if TYPE_CHECKING:
    from collections.abc import Callable

    from flask import Flask

#: `error`, or `sleep=` and seconds.
HEADER = "X-Fault"
#: What is wrong with the pod's /metrics: `error`, `invalid`, `renamed`, `stock`, or `sleep=` and seconds.
FILE = Path("/tmp/fault")
#: The stock of every product that only Prometheus is shown.
STOCK = 4242
_RENAMED = (b"http_requests", b"web_requests")
_STOCK = re.compile(rb"^(product_stock_level\{.*\}) \S+$", re.MULTILINE)
_INVALID = b"this line is no sample\n"
_ERROR = {"success": False, "error": "This error was asked for by a test."}, 500


def wrapped(shipped: Callable[[], Flask], file: Path = FILE) -> Callable[[], Flask]:
    """Return an application factory that makes what `shipped` makes, and lets it misbehave on demand."""

    def application() -> Flask:
        app = shipped()
        # Inside of what measures requests, which was registered first: it counts and times this, too.
        app.before_request(partial(_misbehave, file))
        app.after_request(partial(_spoil, file))
        return app

    return application


def _misbehave(file: Path) -> Any:
    wanted, _, seconds = (request.headers.get(HEADER) or _planted(file)).partition("=")
    if wanted == "error":
        return _ERROR
    if wanted == "sleep":
        time.sleep(float(seconds))
    return None


def _planted(file: Path) -> str:
    """Return what is wrong with the page that is asked for."""
    if request.path != "/metrics":
        return ""
    try:
        return file.read_text().strip()
    except FileNotFoundError:
        return ""


def _spoil(file: Path, response: Response) -> Response:
    """Return another page in the place of the shipped one, where the file asks for it."""
    wanted = _planted(file)
    if wanted == "invalid":
        response.set_data(_INVALID + response.get_data())
    elif wanted == "renamed":
        response.set_data(response.get_data().replace(*_RENAMED))
    elif wanted == "stock" and request.headers.get("User-Agent", "").startswith("Prometheus/"):
        response.set_data(_STOCK.sub(rb"\1 %d" % STOCK, response.get_data()))
    return response
