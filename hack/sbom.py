"""Write what is in our two images into build/sbom, as CycloneDX 1.6: a list of materials for scanners and auditors.

Python's packages are those of the lock files, Debian's those of the image itself, which is built where it isn't yet.
Run as `PYTHONPATH=. python3 hack/sbom.py`.
"""

from __future__ import annotations

import json
import re
import sys
import tarfile
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from cyclonedx.model import ExternalReference, ExternalReferenceType, HashAlgorithm, HashType, Property, XsUri
from cyclonedx.model.bom import Bom
from cyclonedx.model.component import Component, ComponentType
from cyclonedx.output.json import JsonV1Dot6
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
from packageurl import PackageURL

from devcluster.images import builder
from devcluster.images.ownimages import OwnImage, version

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[1]
FOLDER = ROOT / "build" / "sbom"
_REQUIREMENT = re.compile(r"^([a-z0-9.-]+)==(\S+)(?: ; (.+?))?(?: \\)?$")
_HASH = re.compile(r"^ +--hash=sha256:([0-9a-f]{64})")
_BASE = re.compile(r"^ARG BASE=(\S+)$", re.MULTILINE)
_COPIED = re.compile(r"^COPY --from=(\S+/\S+) \S+ (\S+)$", re.MULTILINE)
_PACKAGES, _RELEASE = "var/lib/dpkg/status", "usr/lib/os-release"


class SbomError(Exception):
    """The list can't be made; the message says why."""


def document(image: OwnImage, archive: Path, root: Path = ROOT) -> str:
    """Return the list of an image, of which `archive` is what `docker save` writes; SbomError where it is not valid."""
    bom = Bom()
    name = PackageURL("docker", "inventorystack", image.short, version())
    bom.metadata.component = Component(
        name=image.short, version=version(), type=ComponentType.CONTAINER, purl=name, bom_ref=str(name)
    )
    lock = next(path for path in image.inputs if path.startswith("requirements/"))
    bom.components.update(python_packages((root / lock).read_text("utf-8")))
    bom.components.update(copied((root / image.dockerfile).read_text("utf-8")))
    bom.components.update(debian_packages(archive))
    bom.register_dependency(bom.metadata.component, bom.components)
    text = JsonV1Dot6(bom).output_as_string(indent=2)
    if problem := _validator().validate_str(text):
        raise SbomError(f"the list of {image.short} is not valid CycloneDX 1.6: {str(problem).partition(chr(10))[0]}")
    return text


@cache
def _validator() -> JsonStrictValidator:
    """Return the one that is used again and again: making it takes as long as a dozen of lists."""
    return JsonStrictValidator(SchemaVersion.V1_6)


def python_packages(lock: str) -> Iterator[Component]:
    """Yield each package of a lock file, with the hashes of the files that may be installed."""
    found: list[tuple[str, str, str, list[str]]] = []
    for line in lock.splitlines():
        if named := _REQUIREMENT.match(line):
            found.append((named[1], named[2], named[3] or "", []))
        elif digest := _HASH.match(line):
            found[-1][3].append(digest[1])
        elif line.strip() and not line.lstrip().startswith("#"):
            raise SbomError(f"a lock file has a line that is no requirement: {line}")
    for name, number, marker, digests in found:
        if not digests:
            raise SbomError(f"{name} {number} is locked without a hash")
        purl = PackageURL("pypi", None, name, number)
        files = ExternalReference(
            type=ExternalReferenceType.DISTRIBUTION,
            url=XsUri(str(purl)),
            comment="any of the files with these hashes",
            hashes=[HashType(alg=HashAlgorithm.SHA_256, content=digest) for digest in digests],
        )
        only = [Property(name="inventorystack:marker", value=marker)] if marker else []
        yield Component(
            name=name, version=number, purl=purl, bom_ref=str(purl), external_references=[files], properties=only
        )


def copied(dockerfile: str) -> Iterator[Component]:
    """Yield the base image, and each program that is copied from another one."""
    for image in _BASE.findall(dockerfile):
        purl = _image(image)
        yield Component(
            name=image, version=purl.version, type=ComponentType.CONTAINER, purl=purl, bom_ref=f"base:{image}"
        )
    for image, path in _COPIED.findall(dockerfile):
        purl, program = _image(image), Path(path).name
        yield Component(
            name=program, version=purl.version, type=ComponentType.APPLICATION, purl=purl, bom_ref=f"{program}:{image}"
        )


def _image(name: str) -> PackageURL:
    tagged, _, digest = name.partition("@")
    path, _, tag = tagged.rpartition(":")
    registry, *folders, short = path.split("/")
    qualifiers = {"repository_url": registry, **({"digest": digest} if digest else {})}
    return PackageURL("docker", "/".join(folders), short, tag, qualifiers)


def debian_packages(archive: Path) -> Iterator[Component]:
    """Yield each package that dpkg has in an image; of what several layers have, the last one counts."""
    files = _files(archive)
    if _PACKAGES not in files:
        raise SbomError(f"{archive} has no {_PACKAGES}: expected an image of Debian")
    release = dict(re.findall(r'^(\w+)="?([^"\n]*)', files.get(_RELEASE, ""), re.MULTILINE))
    distribution = f"{release.get('ID', 'debian')}-{release.get('VERSION_ID', '')}".rstrip("-")
    for stanza in files[_PACKAGES].split("\n\n"):
        fields = dict(re.findall(r"^([\w-]+): (.*)$", stanza, re.MULTILINE))
        if fields.get("Status") != "install ok installed":
            continue
        qualifiers = {"arch": fields["Architecture"], "distro": distribution}
        purl = PackageURL("deb", "debian", fields["Package"], fields["Version"], qualifiers)
        yield Component(name=fields["Package"], version=fields["Version"], purl=purl, bom_ref=str(purl))


def _files(archive: Path) -> dict[str, str]:
    found: dict[str, str] = {}
    with tarfile.open(archive) as image:
        described = image.extractfile("manifest.json")
        assert described, "every archive of an image has it"
        for name in json.load(described)[0]["Layers"]:
            with tarfile.open(fileobj=image.extractfile(name)) as layer:
                for member in layer:
                    path = member.name.removeprefix("./")
                    if path in {_PACKAGES, _RELEASE} and (content := layer.extractfile(member)):
                        found[path] = content.read().decode()
    return found


def main() -> int:
    """Write both lists and say where they are."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    try:
        for image, archive in builder.ensure().items():
            path = FOLDER / f"{image.short}.cdx.json"
            path.write_text(document(image, archive), "utf-8")
            print(path.relative_to(ROOT))
    except SbomError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
