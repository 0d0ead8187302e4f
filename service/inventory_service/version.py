"""The version of the service, as it was installed: operator and service have one, in one place."""

from __future__ import annotations

from importlib import metadata
from typing import Final

VERSION: Final = metadata.version("inventory-stack")
