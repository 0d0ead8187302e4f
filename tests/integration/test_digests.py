"""Tags become the digests that a real registry has for them, in every place that names an image; or nothing changes."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING

import pytest
import requests
from tests.framework import registry
from tests.framework.rendered import ROOT
from tests.framework.webserver import Request, Response, WebServer

import digests

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.xdist_group("digests")

KIND = "application/vnd.oci.image.manifest.v1+json"


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with registry.running(tmp_path_factory.mktemp("registry")) as address:
        yield address


def push(address: str, name: str, tag: str, content: bytes = b"{}") -> str:
    """Push an image of nothing but a configuration; return its digest."""
    base = f"http://{address}/v2/{name}"
    blob = f"sha256:{hashlib.sha256(content).hexdigest()}"
    where = requests.post(f"{base}/blobs/uploads/", timeout=60).headers["Location"]
    assert requests.put(where, params={"digest": blob}, data=content, timeout=60).status_code == 201
    config = {"mediaType": "application/vnd.oci.image.config.v1+json", "digest": blob, "size": len(content)}
    manifest = json.dumps({"schemaVersion": 2, "mediaType": KIND, "config": config, "layers": []}).encode()
    stored = requests.put(f"{base}/manifests/{tag}", data=manifest, headers={"Content-Type": KIND}, timeout=60)
    assert stored.status_code == 201, stored.text
    return f"sha256:{hashlib.sha256(manifest).hexdigest()}"


@pytest.fixture
def sources(tmp_path: Path, address: str) -> Path:
    """The files that name images, with the local registry in place of docker.io."""
    for name in digests.FILES:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        text = (ROOT / name).read_text("utf-8").replace("docker.io/", f"{address}/")
        (tmp_path / name).write_text(text, "utf-8")
    return tmp_path


def texts(root: Path) -> dict[str, str]:
    return {name: (root / name).read_text("utf-8") for name in digests.FILES}


def test_every_image_is_pinned_and_a_second_run_follows_the_tags(sources: Path, address: str) -> None:
    before = texts(sources)
    named = sorted(set(digests.images(sources)))
    assert len(named) == 4, "Python, Prometheus, Alertmanager, Grafana"
    parts = {image: image.removeprefix(f"{address}/").split(":") for image in named}
    pushed = {image: push(address, *part, json.dumps(part).encode()) for image, part in parts.items()}
    assert digests.main(sources) == 0
    wanted = before
    for image, digest in pushed.items():
        wanted = {name: text.replace(image, f"{image}@{digest}") for name, text in wanted.items()}
    assert texts(sources) == wanted
    moved = push(address, *parts[named[0]], b'{"moved": true}')
    assert digests.main(sources) == 0
    assert texts(sources) == {
        name: text.replace(f"{named[0]}@{pushed[named[0]]}", f"{named[0]}@{moved}") for name, text in wanted.items()
    }


def test_where_one_tag_is_missing_nothing_is_written(sources: Path, address: str, capsys) -> None:
    for name in ("grafana", "prometheus", "alerting"):
        path = sources / f"operator/inventory_operator/api/{name}.py"
        path.write_text(path.read_text("utf-8").replace(f"{address}/", f"{address}/missing/"), "utf-8")
    before = texts(sources)
    assert digests.main(sources) == 1
    assert texts(sources) == before
    said = capsys.readouterr().err
    assert said.startswith(f"nothing was written: {address}/")
    assert "404" in said


def test_all_images_of_the_repository_are_among_them() -> None:
    found = set(digests.images())
    for name in ("Dockerfile.operator", "Dockerfile.service"):
        lines = (ROOT / name).read_text("utf-8").splitlines()
        named = [line for line in lines if line.startswith(("FROM", "COPY --from=", "ARG BASE="))]
        public = [line for line in named if not line.startswith(("FROM ${BASE}", "COPY --from=builder"))]
        assert public
        assert all(any(image in line for image in found) for line in public)
    defaults = (ROOT / "docs/install.md").read_text("utf-8")
    assert [image for image in found if "python" not in image and image.partition("@")[0] not in defaults] == []


def test_a_registry_that_wants_a_token_gives_one_to_everybody() -> None:
    """As docker.io does; the registry above wants none."""
    body = b'{"schemaVersion": 2}'
    asked: list[str] = []

    def answer(request: Request) -> Response:
        asked.append(f"{request.path} {request.headers.get('Authorization')} {request.query_string.decode()}")
        if request.path == "/token":
            return Response('{"token": "t"}', mimetype="application/json")
        if request.headers.get("Authorization") != "Bearer t":
            challenge = f'Bearer realm="{server.url("token")}",service="registry",scope="repository:a/b:pull"'
            return Response(status=401, headers={"WWW-Authenticate": challenge})
        named = "sha256:0" if request.path.endswith("/forged") else f"sha256:{hashlib.sha256(body).hexdigest()}"
        return Response(body, headers={"Docker-Content-Digest": named})

    with WebServer("localhost", answer) as server:
        found = digests.resolve(f"{server.target}/a/b:1@sha256:{'0' * 64}")
        assert found == f"{server.target}/a/b:1@sha256:{hashlib.sha256(body).hexdigest()}"
        assert asked[1] == "/token None service=registry&scope=repository%3Aa%2Fb%3Apull"
        with pytest.raises(digests.UnresolvedError, match="calls it sha256:0, but what it sent is"):
            digests.resolve(f"{server.target}/a/b:forged")
