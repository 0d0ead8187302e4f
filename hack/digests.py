"""Pin every public image by its digest: ask the registries what the tags are now, and write it beside the tags.

Experimental, for administrators who build images of their own. Run as `python3 hack/digests.py`, then `make golden`.
"""

from __future__ import annotations

import hashlib
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import requests

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

ROOT = Path(__file__).parents[1]
_DOCKERFILE = re.compile(r"^(ARG BASE=|COPY --from=)([^\s/]+/\S+)", re.MULTILINE)
_DEFAULT = re.compile(r'^([A-Z]+_IMAGE = ")([^"]+)', re.MULTILINE)
#: Where images are named, and how.
FILES: Mapping[str, re.Pattern[str]] = {
    "Dockerfile.operator": _DOCKERFILE,
    "Dockerfile.service": _DOCKERFILE,
    "operator/inventory_operator/api/alerting.py": _DEFAULT,
    "operator/inventory_operator/api/grafana.py": _DEFAULT,
    "operator/inventory_operator/api/prometheus.py": _DEFAULT,
}
#: The index of all platforms before the manifest of one (https://github.com/opencontainers/image-spec).
_ACCEPT = (
    "application/vnd.oci.image.index.v1+json,application/vnd.docker.distribution.manifest.list.v2+json,"
    "application/vnd.oci.image.manifest.v1+json,application/vnd.docker.distribution.manifest.v2+json"
)
_SECONDS = 30
#: The most that registries take for a manifest (https://github.com/opencontainers/distribution-spec).
_LARGEST = 4 << 20


class UnresolvedError(Exception):
    """What a tag is can't be found out; the message says why."""


def resolve(image: str) -> str:
    """Return `image`, a registry with a path and a tag, with the digest that its registry has for it now."""
    tagged = image.partition("@")[0]
    registry, _, rest = tagged.partition("/")
    name, colon, tag = rest.rpartition(":")
    if not colon:
        raise UnresolvedError(f"{image}: expected a tag")
    # The host that go-containerregistry asks, too; the name itself leads to a web site.
    host = "index.docker.io" if registry == "docker.io" else registry
    scheme = "http" if registry.partition(":")[0] == "localhost" else "https"
    try:
        content, said = _manifest(f"{scheme}://{host}/v2/{name}/manifests/{tag}", f"repository:{name}:pull")
    except (requests.RequestException, UnresolvedError) as error:
        reason = error if isinstance(error, UnresolvedError) else f"its registry can't be asked: {error}"
        raise UnresolvedError(f"{tagged}: {reason}") from error
    digest = f"sha256:{hashlib.sha256(content).hexdigest()}"
    if said not in {"", digest}:
        raise UnresolvedError(f"{tagged}: its registry calls it {said}, but what it sent is {digest}")
    return f"{tagged}@{digest}"


def _manifest(url: str, scope: str) -> tuple[bytes, str]:
    """Return a manifest and the digest that its registry names; with a token for everybody where it wants one."""
    headers = {"Accept": _ACCEPT}
    answer = requests.get(url, headers=headers, timeout=_SECONDS, stream=True)
    if answer.status_code == requests.codes.unauthorized:
        wanted = dict(re.findall(r'(\w+)="([^"]*)"', answer.headers.get("WWW-Authenticate", "")))
        if "realm" not in wanted:
            raise UnresolvedError("its registry wants a login")
        query = {"service": wanted.get("service", ""), "scope": wanted.get("scope", scope)}
        given = requests.get(wanted["realm"], params=query, timeout=_SECONDS)
        given.raise_for_status()
        token = given.json().get("token") or given.json().get("access_token")
        answer = requests.get(
            url, headers={**headers, "Authorization": f"Bearer {token}"}, timeout=_SECONDS, stream=True
        )
    answer.raise_for_status()
    content = answer.raw.read(_LARGEST + 1, decode_content=True)
    if len(content) > _LARGEST:
        raise UnresolvedError(f"its registry sent a manifest of more than {_LARGEST:,} bytes")
    return content, answer.headers.get("Docker-Content-Digest", "")


def images(root: Path = ROOT) -> Iterator[str]:
    """Yield every image that is named, once for each place."""
    for name, pattern in FILES.items():
        yield from (found[1] for found in pattern.findall((root / name).read_text("utf-8")))


def pin(root: Path, known: Mapping[str, str]) -> None:
    """Write the images of `known` in place of those that are named."""
    for name, pattern in FILES.items():
        path = root / name
        path.write_text(pattern.sub(lambda found: found[1] + known[found[2]], path.read_text("utf-8")), "utf-8")


def main(root: Path = ROOT, find: Callable[[str], str] = resolve) -> int:
    """Resolve all, then write all: a tag that can't be resolved leaves every file as it is."""
    try:
        known = {image: find(image) for image in sorted(set(images(root)))}
    except UnresolvedError as error:
        print(f"nothing was written: {error}", file=sys.stderr)
        return 1
    pin(root, known)
    print(*known.values(), sep="\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
