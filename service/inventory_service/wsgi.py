"""What a WSGI server calls: `inventory_service.wsgi:application()`.

It never runs at import time.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from inventory_service.app import create_app
from inventory_service.settings import load

if TYPE_CHECKING:
    from flask import Flask


def application() -> Flask:
    """Return the application for the process's environment."""
    return create_app(load(os.environ))
