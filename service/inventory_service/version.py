"""The version of the service, as it was installed.

It never names one itself: operator and service have one, and one place for it.
"""

from __future__ import annotations

from importlib import metadata
from typing import Final

VERSION: Final = metadata.version("inventory-stack")
