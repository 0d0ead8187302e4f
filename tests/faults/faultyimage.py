"""The service's image, able to misbehave: the shipped one with a few lines at the end of its `wsgi`."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

from tests.framework import derivedimage

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from tests.framework.derivedimage import Archive

MISBEHAVIOUR = Path(__file__).with_name("misbehaviour.py")
_WSGI = re.compile(r"(.*/inventory_service)/wsgi\.py")
_TAIL = b"""

from inventory_service.misbehaviour import wrapped

application = wrapped(application)
"""


def on_the_node(*, keep: bool) -> AbstractContextManager[str]:
    """Put the image on the node and give its name; take it off at the end, unless it is to be kept."""
    return derivedimage.on_the_node("inventory-service:faulty", MISBEHAVIOUR.read_bytes(), layer, keep=keep)


def layer(image: Archive) -> dict[str, bytes]:
    """Return the files of the layer on top by path."""
    found, content = image.find(_WSGI)
    return {found[0]: content + _TAIL, f"{found[1]}/misbehaviour.py": MISBEHAVIOUR.read_bytes()}
