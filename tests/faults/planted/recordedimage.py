"""The image that runs where Grafana would, whose own can't be had: the service's, with the recordings in it.

Its `grafana` sets the password, as the command of the stack's init container does.
"""

from __future__ import annotations

import hashlib
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from tests.faults.planted import recordedgrafana
from tests.framework import derivedimage, recorded_grafana

from devcluster.images import builder, nodeimages
from devcluster.images.ownimages import SERVICE

if TYPE_CHECKING:
    from collections.abc import Iterator

PROGRAM = Path(recordedgrafana.__file__)
_IN_THE_IMAGE = "opt/recordedgrafana.py"
_COMMAND = f"#!/bin/sh\nexec cat > {recordedgrafana.PASSWORD}\n".encode()


def files() -> dict[str, bytes]:
    """Return the files of the layer on top by path."""
    return {
        _IN_THE_IMAGE: PROGRAM.read_bytes(),
        str(recordedgrafana.RECORDINGS).removeprefix("/"): recorded_grafana.FILE.read_bytes(),
        "usr/share/grafana/bin/grafana": _COMMAND,
    }


@contextmanager
def on_the_node(*, keep: bool) -> Iterator[str]:
    """Put the image on the node and give its name; take it off at the end, unless it is to be kept."""
    archive, content = builder.ensure()[SERVICE], files()
    change = hashlib.sha256(repr(sorted(content.items())).encode()).hexdigest()[:8]
    name = f"docker.io/inventorystack/recorded-grafana:{builder.inputs_digest(archive)}-{change}"
    with tempfile.TemporaryDirectory(prefix="faults-") as folder:
        path = Path(folder) / "recorded.tar"
        derivedimage.write(archive, path, name, lambda _: content, ["python", f"/{_IN_THE_IMAGE}"])
        nodeimages.put(path, {name: "recorded"})
    try:
        yield name
    finally:
        if not keep:
            nodeimages.drop(name)
