"""Alertmanagers are asked once, reloaded where they run something else, and named where that does not help."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from aiohttp import web

from inventory_operator.api import metadata as meta
from inventory_operator.components import alertmanager_reload
from inventory_operator.components.alertmanager_reload import AGAIN_SECONDS, LONGEST_SECONDS, Reloader, config_hash
from inventory_operator.components.blocker import Blocker, Turn

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

Object = dict[str, Any]
STACK = meta.Stack("shop", "shop", "u-shop")


class Alertmanager:
    """A pod's HTTP side; its file is what the kubelet brought last."""

    def __init__(self) -> None:
        self.file = self.runs = "old"
        self.asked: list[str] = []
        self.status = 200
        self.port = 0

    async def metrics(self, _: web.Request) -> web.Response:
        self.asked.append("metrics")
        text = f"# TYPE x gauge\nalertmanager_config_hash {config_hash(self.runs)!r}\n"
        return web.Response(text=text, status=self.status)

    async def reload(self, _: web.Request) -> web.Response:
        self.asked.append("reload")
        self.runs = self.file
        return web.Response()


@pytest.fixture
async def alertmanager() -> AsyncIterator[Alertmanager]:
    alertmanager = Alertmanager()
    app = web.Application()
    app.router.add_get("/metrics", alertmanager.metrics)
    app.router.add_post("/-/reload", alertmanager.reload)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    alertmanager.port = runner.addresses[0][1]
    yield alertmanager
    await runner.cleanup()


class Clock:
    """The time as the reloader reads it."""

    now = 0.0


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def reloader(alertmanager: Alertmanager, clock: Clock) -> Reloader:
    return Reloader(port=alertmanager.port, clock=lambda: clock.now)


def obj(kind: str, uid: str, owner: str, component: str = "alertmanager", **metadata: Any) -> Object:
    owners = [{"kind": "any", "name": owner, "uid": owner, "controller": True}]
    labels = {meta.COMPONENT_LABEL: component}
    return {
        "kind": kind,
        "metadata": {"name": uid, "uid": uid, "labels": labels, "ownerReferences": owners, **metadata},
    }


DEPLOYMENT, REPLICA_SET = obj("Deployment", "d", STACK.uid), obj("ReplicaSet", "r", "d")


def pod(uid: str = "a", *, ready: bool = True, owner: str = "r", **metadata: Any) -> Object:
    status = {"podIP": "127.0.0.1", "conditions": [{"type": "Ready", "status": str(ready)}]}
    return {**obj("Pod", uid, owner, **metadata), "status": status}


def live(*pods: Object) -> list[Object]:
    return [DEPLOYMENT, REPLICA_SET, *pods]


def config(text: str, component: str = "alertmanager") -> Object:
    return {**obj("ConfigMap", "c", STACK.uid, component), "data": {"alertmanager.yml": text}}


async def reload(reloader: Reloader, text: str, *pods: Object) -> tuple[list[Blocker], float | None]:
    return await reloader(STACK, [config(text)], live(*(pods or [pod()])))


async def test_it_is_reloaded_once_its_file_has_come(
    alertmanager: Alertmanager, reloader: Reloader, clock: Clock
) -> None:
    assert await reload(reloader, "new") == ([], AGAIN_SECONDS)
    assert alertmanager.asked == ["metrics", "reload", "metrics"], "the file was still the old one"
    alertmanager.file = "new"
    assert await reload(reloader, "new") == ([], AGAIN_SECONDS), "its pause is not over"
    clock.now += AGAIN_SECONDS
    assert await reload(reloader, "new") == ([], None)
    assert alertmanager.runs == "new"


async def test_what_runs_the_configuration_is_asked_once(alertmanager: Alertmanager, reloader: Reloader) -> None:
    for _ in range(3):
        assert await reload(reloader, "old") == ([], None)
    assert alertmanager.asked == ["metrics"]
    assert await reload(reloader, "old", pod("b")) == ([], None), "another pod is asked again"
    assert alertmanager.asked == ["metrics", "metrics"]


FORGED = obj("ReplicaSet", "forged", "another-deployment")
FOREIGN = obj("Deployment", "foreign", "another-stack")


@pytest.mark.parametrize(
    "others",
    [
        [pod(ready=False)],
        [pod(deletionTimestamp="now")],
        [{**pod(), "status": {**pod()["status"], "phase": "Failed"}}],
        [pod(owner="d")],
        [pod(owner="gone")],
        [{**pod(), "metadata": {**pod()["metadata"], "ownerReferences": []}}],
        [pod(owner="forged"), FORGED],
        [pod(owner="of-foreign"), obj("ReplicaSet", "of-foreign", "foreign"), FOREIGN],
        [pod(owner="g"), obj("ReplicaSet", "g", "grafana"), obj("Deployment", "grafana", STACK.uid, "grafana")],
    ],
    ids=["not-ready", "ends", "failed", "no-set", "set-gone", "bare", "other-set", "foreign", "grafana"],
)
async def test_only_a_working_pod_of_our_own_is_asked(
    others: list[Object], alertmanager: Alertmanager, reloader: Reloader
) -> None:
    assert await reload(reloader, "new", *others) == ([], None)
    assert alertmanager.asked == []


async def test_of_each_deployment_the_newest_pod_is_asked(alertmanager: Alertmanager, reloader: Reloader) -> None:
    """However many pods claim to be of it."""
    many = [pod(f"p{n}", creationTimestamp=f"2026-01-01T00:00:0{n}Z") for n in range(9)]
    assert await reload(reloader, "old", *many) == ([], None)
    assert alertmanager.asked == ["metrics"]


async def test_what_does_not_load_it_is_told_and_asked_again_later_and_later(
    alertmanager: Alertmanager, reloader: Reloader, clock: Clock
) -> None:
    alertmanager.status = 503
    pauses = []
    for _ in range(5):
        blockers, pause = await reload(reloader, "new")
        assert pause is not None
        pauses.append(pause)
        clock.now += pause
    assert pauses == pytest.approx([1, 2, 4, 8, 16])
    (blocker,) = blockers
    assert (blocker.target, blocker.component, blocker.reason) == (("Pod", "a"), "alertmanager", "ReloadFailed")
    assert blocker.turn is Turn.WAITING, "a tenant's pod is no failure of the operator, which pages everybody"
    words = "it answered GET /metrics with 503, expected 200"
    assert blocker.message == f"Pod a does not load its configuration: {words}"
    for _ in range(3):
        blockers, pause = await reload(reloader, "new")
        assert pause == pytest.approx(LONGEST_SECONDS)
        clock.now += pause
    alertmanager.status = 200
    blockers, pause = await reload(reloader, "new")
    assert blockers[0].message == "Pod a does not load its configuration: it still runs another one"
    assert await reload(reloader, "newer") == ([], AGAIN_SECONDS), "another configuration is another matter"


async def test_it_runs_what_was_applied_and_nothing_of_a_forgotten_stack_is_kept(
    alertmanager: Alertmanager, reloader: Reloader
) -> None:
    others = config("old", "grafana")
    assert await reloader(STACK, [others], live(pod())) == ([], None)
    assert alertmanager.asked == [], "its configuration was held back"
    assert await reloader(STACK, [others, config("old")], live(pod())) == ([], None)
    assert alertmanager.asked == ["metrics"]
    reloader.forget(("shop", "shop"))
    assert await reload(reloader, "old") == ([], None)
    assert alertmanager.asked == ["metrics", "metrics"]


def test_the_hash_is_alertmanagers_own() -> None:
    """`alertmanager_config_hash` of Alertmanager 0.31.1 that was started with this file."""
    assert config_hash("route: {receiver: a}\nreceivers: [{name: a}]\n") == 184816797860636


@pytest.mark.parametrize("value", ["", "NaN", "1e", "9" * 400, "-1", "1 2", "\uff11"])
def test_what_is_no_hash_is_none(value: str) -> None:
    assert alertmanager_reload._running_hash(f"alertmanager_config_hash {value}\n".encode()) is None
