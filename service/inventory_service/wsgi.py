"""What a WSGI server calls: `inventory_service.wsgi:application()`."""

from __future__ import annotations

import gc
import os
from typing import TYPE_CHECKING

from inventory_service.app import create_app
from inventory_service.settings import load

if TYPE_CHECKING:
    from flask import Flask


def application() -> Flask:
    """Return the application for the process's environment."""
    app = create_app(load(os.environ))
    # All of this stays until the process ends. Each full collection would walk through it again, and stop every
    # request for so long: half of what a slow scrape of 10,000 products took.
    gc.collect()
    gc.freeze()
    return app
