"""Alertmanagers are asked once, reloaded where they run something else, and left in peace where they don't answer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from aiohttp import web

from inventory_operator.components import alertmanager_reload
from inventory_operator.components.alertmanager_reload import AGAIN_SECONDS, LATER_SECONDS, Reloader, config_hash

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

KEY = ("shop", "shop")


class Alertmanager:
    """A pod's HTTP side; its file is what the kubelet brought last."""

    def __init__(self) -> None:
        self.file = self.runs = "old"
        self.asked: list[str] = []

    async def metrics(self, _: web.Request) -> web.Response:
        self.asked.append("metrics")
        return web.Response(text=f"# TYPE x gauge\nalertmanager_config_hash {config_hash(self.runs)!r}\n")

    async def reload(self, _: web.Request) -> web.Response:
        self.asked.append("reload")
        self.runs = self.file
        return web.Response()


@pytest.fixture
async def alertmanager(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Alertmanager]:
    alertmanager = Alertmanager()
    app = web.Application()
    app.router.add_get("/metrics", alertmanager.metrics)
    app.router.add_post("/-/reload", alertmanager.reload)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    monkeypatch.setattr(alertmanager_reload, "PORT", runner.addresses[0][1])
    yield alertmanager
    await runner.cleanup()


def pod(uid: str = "a", *, ready: bool = True, component: str = "alertmanager", **metadata: Any) -> dict[str, Any]:
    return {
        "kind": "Pod",
        "metadata": {"name": uid, "uid": uid, "labels": {"app.kubernetes.io/component": component}, **metadata},
        "status": {"podIP": "127.0.0.1", "conditions": [{"type": "Ready", "status": str(ready)}]},
    }


async def test_it_is_reloaded_once_its_file_has_come(alertmanager: Alertmanager) -> None:
    reloader = Reloader()
    assert await reloader.reload(KEY, "new", [pod()]) == AGAIN_SECONDS
    assert alertmanager.asked == ["metrics", "reload", "metrics"], "the file was still the old one"
    alertmanager.file = "new"
    assert await reloader.reload(KEY, "new", [pod()]) is None
    assert alertmanager.runs == "new"


async def test_what_runs_the_configuration_is_asked_once(alertmanager: Alertmanager) -> None:
    reloader = Reloader()
    for _ in range(3):
        assert await reloader.reload(KEY, "old", [pod()]) is None
    assert alertmanager.asked == ["metrics"]
    assert await reloader.reload(KEY, "old", [pod("b")]) is None, "another pod is asked again"
    assert alertmanager.asked == ["metrics", "metrics"]


@pytest.mark.parametrize(
    "other", [pod(ready=False), pod(component="grafana"), pod(deletionTimestamp="now"), {**pod(), "status": {}}]
)
async def test_only_what_runs_is_asked(other: dict[str, Any], alertmanager: Alertmanager) -> None:
    assert await Reloader().reload(KEY, "new", [other]) is None
    assert await Reloader().reload(KEY, None, [pod()]) is None
    assert alertmanager.asked == []


async def test_what_does_not_answer_is_not_asked_at_each_reconcile(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(alertmanager_reload, "PORT", 1)
    reloader = Reloader()
    assert await reloader.reload(KEY, "new", [pod()]) == LATER_SECONDS
    pause = await reloader.reload(KEY, "new", [pod()])
    assert pause is not None
    assert pause < LATER_SECONDS


def test_the_hash_is_alertmanagers_own() -> None:
    """`alertmanager_config_hash` of Alertmanager 0.31.1 that was started with this file."""
    assert config_hash("route: {receiver: a}\nreceivers: [{name: a}]\n") == 184816797860636
