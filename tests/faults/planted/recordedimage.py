"""The image that runs where Grafana would, whose own can't be had: the service's, with the recordings in it.

Its `grafana` sets the password, as the command of the stack's init container does.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from tests.faults.planted import recordedgrafana
from tests.framework import derivedimage, recorded_grafana

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

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


def on_the_node(*, keep: bool) -> AbstractContextManager[str]:
    """Put the image on the node and give its name; take it off at the end, unless it is to be kept."""
    content, program = files(), ["python", f"/{_IN_THE_IMAGE}"]
    change = repr(sorted(content.items())).encode()
    return derivedimage.on_the_node("recorded-grafana:recorded", change, lambda _: content, program, keep=keep)
