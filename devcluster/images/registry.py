"""Tells whether the node can get an image: it is in the node's store, or the image's registry has its manifest.

`ctr content fetch-object` resolves a name as the node does, and prints the manifest without storing it: nothing is
pulled.
"""

from __future__ import annotations

import re
import subprocess

from devcluster.build.binaries import binary
from devcluster.errors import ClusterError
from devcluster.images import nodeimages
from devcluster.shell import run

#: For one manifest. Where a firewall drops packets, ctr alone would wait much longer.
_SECONDS = 20
#: What ctr, containerd and the kubelet say before the cause.
_BEFORE_CAUSE = re.compile(
    r'.*(?:failed to do request: \w+ "[^"]*": |failed to resolve (?:image|reference "[^"]*"): |\bctr: )'
)
_RESOLVER = re.compile(r"^dial \w+: (lookup \S+) on \S+: ")
_IMAGE = re.compile(r"^\S+: (?=not found$)")


def missing_reason(image: str, seconds: float = _SECONDS) -> str:
    """Return in a few words why the node can't get `image`; empty where it can."""
    name = qualified(image)
    if nodeimages.has(name):
        return ""
    try:
        run([binary("ctr"), "content", "fetch-object", name], timeout=seconds)
    except ClusterError as error:
        if isinstance(error.__cause__, subprocess.TimeoutExpired):
            return f"no answer from its registry within {seconds:g} s"
        return cause(str(error))
    return ""


def qualified(image: str) -> str:
    """Return `image` with its registry and its tag, as it is called in containerd's store."""
    first, slash, _ = image.partition("/")
    if not slash:
        image = f"docker.io/library/{image}"
    elif first != "localhost" and not set(first) & set(".:"):
        image = f"docker.io/{image}"
    return image if re.search(r"[:@][^/]*$", image) else f"{image}:latest"


def cause(said: str) -> str:
    """Return the cause from `said`, the error of a pull or of ctr: the end of its last line."""
    last = said.strip().rpartition("\n")[2]
    for noise in (_BEFORE_CAUSE, _IMAGE):
        last = noise.sub("", last)
    return _RESOLVER.sub(r"\1: ", last)
