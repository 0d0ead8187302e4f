"""Goes into an image of the service: a request may ask for an error or for a delay, and gets it.

Requests that don't ask, those of probes and scrapes above all, are served as by the shipped image.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from flask import request

if TYPE_CHECKING:
    from collections.abc import Callable

    from flask import Flask

#: `error`, or `sleep=` and seconds.
HEADER = "X-Fault"


def wrapped(shipped: Callable[[], Flask]) -> Callable[[], Flask]:
    """Return an application factory that makes what `shipped` makes, and lets it misbehave on demand."""

    def application() -> Flask:
        app = shipped()
        # Inside of what measures requests, which was registered first: it counts and times this, too.
        app.before_request(_misbehave)
        return app

    return application


def _misbehave() -> Any:
    wanted, _, seconds = request.headers.get(HEADER, "").partition("=")
    if wanted == "error":
        return {"success": False, "error": "This error was asked for by a test."}, 500
    if wanted == "sleep":
        time.sleep(float(seconds))
    return None
