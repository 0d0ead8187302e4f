"""Credentials that were replaced are read again, before a request fails for the old ones."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from tests.framework import fakeapi

from inventory_operator.kube.auth import connect
from inventory_operator.kube.client import ApiError, Cluster
from inventory_operator.kube.kinds import CONFIG_MAPS

if TYPE_CHECKING:
    from pathlib import Path


def kubeconfig(file: Path, server: str, token: str) -> None:
    context = {"cluster": "one", "user": "one"}
    config = {
        "current-context": "one",
        "contexts": [{"name": "one", "context": context}],
        "clusters": [{"name": "one", "cluster": {"server": server}}],
        "users": [{"name": "one", "user": {"token": token}}],
    }
    file.write_text(json.dumps(config))


async def test_a_replaced_token_is_read_again(tmp_path, monkeypatch) -> None:
    file = tmp_path / "kubeconfig"
    monkeypatch.setenv("KUBECONFIG", str(file))
    async with fakeapi.serving() as api:
        kubeconfig(file, api.url, "old")
        api.credentials = {"Bearer old"}
        cluster = Cluster(await connect(), concurrency=2)
        await cluster.list(CONFIG_MAPS)
        api.credentials = {"Bearer new"}
        with pytest.raises(ApiError, match="401"):
            await cluster.list(CONFIG_MAPS)
        kubeconfig(file, api.url, "new")
        asked = len(api.requests)
        await cluster.list(CONFIG_MAPS)
        async with cluster.watch(CONFIG_MAPS, None, 10, 10.0, resourceVersion="0"):
            assert len(api.requests) == asked + 3, "the list twice, the watch once"
        file.unlink()
        api.credentials = {"Bearer newest"}
        with pytest.raises(ApiError, match="401"):
            await cluster.list(CONFIG_MAPS)
        await cluster.close()
