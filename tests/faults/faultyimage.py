"""The service's image, able to misbehave: the shipped one with a few lines at the end of its `wsgi`."""

from __future__ import annotations

import hashlib
import re
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from tests.framework import derivedimage

from devcluster.images import builder, nodeimages
from devcluster.images.ownimages import SERVICE

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.framework.derivedimage import Archive

MISBEHAVIOUR = Path(__file__).with_name("misbehaviour.py")
_WSGI = re.compile(r"(.*/inventory_service)/wsgi\.py")
_TAIL = b"""

from inventory_service.misbehaviour import wrapped

application = wrapped(application)
"""


@contextmanager
def on_the_node(*, keep: bool) -> Iterator[str]:
    """Put the image on the node and give its name; take it off at the end, unless it is to be kept."""
    archive = builder.ensure()[SERVICE]
    # Another run may have another version of it on the node.
    change = hashlib.sha256(MISBEHAVIOUR.read_bytes()).hexdigest()[:8]
    name = f"docker.io/inventorystack/inventory-service:faulty-{builder.inputs_digest(archive)}-{change}"
    with tempfile.TemporaryDirectory(prefix="faults-") as folder:
        path = Path(folder) / "faulty.tar"
        derivedimage.write(archive, path, name, layer)
        nodeimages.put(path, {name: "faulty"})
    try:
        yield name
    finally:
        if not keep:
            nodeimages.drop(name)


def layer(image: Archive) -> dict[str, bytes]:
    """Return the files of the layer on top by path."""
    found, content = image.find(_WSGI)
    return {found[0]: content + _TAIL, f"{found[1]}/misbehaviour.py": MISBEHAVIOUR.read_bytes()}
