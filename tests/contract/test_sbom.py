"""The list of an image names each locked package with its hashes and each of Debian's, and is valid CycloneDX."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

import pytest
from tests.framework.rendered import ROOT

import sbom
from devcluster.images import archive
from devcluster.images.archive import Entry, Image
from devcluster.images.ownimages import OPERATOR, OWN, OwnImage, version

if TYPE_CHECKING:
    from pathlib import Path

OLD = "Package: libc6\nStatus: install ok installed\nArchitecture: amd64\nVersion: 2.36-8\n"
STATUS = f"""\
{OLD.replace("-8", "-9+deb12u1")}Description: GNU C Library
 of many lines
 Version: 0 is no field

Package: gone
Status: deinstall ok config-files
Architecture: all
Version: 1

Package: zlib1g
Status: install ok installed
Architecture: amd64
Version: 1:1.2.13.dfsg-1
"""


@pytest.fixture
def image(tmp_path: Path) -> Path:
    """An image of two layers, of which the second one has an upgrade."""
    release = b'PRETTY_NAME="Debian GNU/Linux 12 (bookworm)"\nVERSION_ID="12"\nID=debian\n'
    layers = [
        [Entry("./var/lib/dpkg/status", OLD.encode()), Entry("usr/lib/os-release", release)],
        [Entry("var/lib/dpkg/status", STATUS.encode())],
    ]
    written = tuple(archive.write_layer(tmp_path / f"{n}.tar", entries) for n, entries in enumerate(layers))
    archive.write(tmp_path / "image.tar", [Image("x:1", written)], "x86_64")
    return tmp_path / "image.tar"


def components(image: OwnImage, archive: Path) -> dict[str, dict[str, Any]]:
    found = json.loads(sbom.document(image, archive))
    assert (found["bomFormat"], found["specVersion"]) == ("CycloneDX", "1.6")
    assert (found["metadata"]["component"]["name"], found["metadata"]["component"]["version"]) == (
        image.short,
        version(),
    )
    by_purl = {one["purl"]: one for one in found["components"] if one["type"] == "library"}
    return by_purl | {one["name"]: one for one in found["components"] if one["type"] != "library"}


@pytest.mark.parametrize("own", OWN, ids=lambda own: own.short)
def test_every_locked_package_is_there_with_version_and_hashes(own: OwnImage, image: Path) -> None:
    text = (ROOT / f"requirements/{own.short.removeprefix('inventory-')}.txt").read_text("utf-8")
    pieces = [piece for piece in re.split(r"^(?=\S)(?!#)", text, flags=re.MULTILINE) if "==" in piece]
    assert len(pieces) > 10
    found = components(own, image)
    for piece in pieces:
        name, _, number = piece.split()[0].partition("==")
        (files,) = found[f"pkg:pypi/{name}@{number}"]["externalReferences"]
        assert {one["content"] for one in files["hashes"]} == set(re.findall(r"sha256:([0-9a-f]{64})", piece)), name
        assert {one["alg"] for one in files["hashes"]} == {"SHA-256"}
    assert len([purl for purl in found if purl.startswith("pkg:pypi/")]) == len(pieces)


def test_what_is_installed_in_the_last_layer_is_there(image: Path) -> None:
    found = [purl for purl in components(OPERATOR, image) if purl.startswith("pkg:deb/")]
    assert sorted(found) == [
        "pkg:deb/debian/libc6@2.36-9%2Bdeb12u1?arch=amd64&distro=debian-12",
        "pkg:deb/debian/zlib1g@1:1.2.13.dfsg-1?arch=amd64&distro=debian-12",
    ]


def test_the_base_and_copied_programs_are_there_with_their_images(image: Path) -> None:
    found = components(OPERATOR, image)
    dockerfile = (ROOT / OPERATOR.dockerfile).read_text("utf-8")
    assert {"promtool", "amtool"} < found.keys()
    assert found["promtool"]["version"] in dockerfile
    assert found["promtool"]["purl"].startswith(f"pkg:docker/prom/prometheus@{found['promtool']['version']}")
    assert [name for name, one in found.items() if one["type"] == "container" and f"ARG BASE={name}\n" in dockerfile]


def test_a_pinned_image_keeps_its_digest() -> None:
    digest = f"sha256:{'a' * 64}"
    (found,) = sbom.copied(f"ARG BASE=docker.io/library/python:3.13@{digest}\n")
    assert found.version == "3.13"
    assert found.purl
    assert found.purl.qualifiers["digest"] == digest


@pytest.mark.parametrize(
    ("lock", "words"),
    [
        ("a==1\n", "a 1 is locked without a hash"),
        (f"a==1 \\\n    --hash=sha256:{'0' * 64}\n-e .\n", "a line that is no requirement: -e ."),
    ],
)
def test_a_lock_file_that_is_not_understood_is_an_error(lock: str, words: str) -> None:
    with pytest.raises(sbom.SbomError, match=words):
        list(sbom.python_packages(lock))


def test_an_invalid_list_is_an_error(image: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sbom.JsonV1Dot6, "output_as_string", lambda *_, **__: '{"bomFormat": "CycloneDX"}')
    with pytest.raises(sbom.SbomError, match=r"inventory-operator is not valid CycloneDX 1\.6: 'specVersion'"):
        sbom.document(OPERATOR, image)


def test_an_image_without_debian_is_an_error(tmp_path: Path) -> None:
    layer = archive.write_layer(tmp_path / "layer.tar", [Entry("bin")])
    archive.write(tmp_path / "image.tar", [Image("x:1", (layer,))], "x86_64")
    with pytest.raises(sbom.SbomError, match="expected an image of Debian"):
        sbom.document(OPERATOR, tmp_path / "image.tar")
