"""Objects of others in the names of a stack's children: used, bound, mounted and changed by nobody, for every kind."""

from __future__ import annotations

import asyncio
import copy
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from tests.framework.api import PATIENCE, eventually
from tests.framework.foreign_objects import (
    CASES,
    Case,
    Object,
    content,
    desired,
    gone,
    made,
    own_content,
    theirs,
)
from tests.framework.operators import ROOT, USER, prepare

from devcluster.node.controlplane import ControlPlane
from inventory_operator.api import metadata as meta
from inventory_operator.cache.store import Store
from inventory_operator.components.blocker import Turn
from inventory_operator.controller.applier import Applier
from inventory_operator.kube.auth import connect
from inventory_operator.kube.client import Cluster
from inventory_operator.kube.object_references import object_id

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator
    from pathlib import Path

    from tests.framework.api import Api

    from inventory_operator.components.blocker import Blocker

pytestmark = pytest.mark.xdist_group("foreign")
BY_KIND = pytest.mark.parametrize("case", CASES, ids=[case.kind for case in CASES])


@pytest.fixture(scope="module")
def control_plane(tmp_path_factory) -> Iterator[ControlPlane]:
    """One without an operator, which would meddle: another group's may run on the one that tests share."""
    with ControlPlane(tmp_path_factory.mktemp("foreign")) as running:
        yield running


@pytest.fixture(scope="module")
def api(control_plane, kubectl) -> Api:
    return prepare(control_plane, kubectl)


@pytest.fixture(scope="module")
def operator_kubeconfig(control_plane) -> Path:
    return control_plane.user_kubeconfig(USER.format(namespace="inventory-system"))


@pytest.fixture(scope="module", autouse=True)
def cloudnativepg(api) -> Iterator[None]:
    crd = yaml.safe_load((ROOT / "tests/integration/cloudnativepg-crd.yaml").read_text())
    api.create(crd)
    served = "apis/postgresql.cnpg.io/v1/clusters"
    eventually(lambda: api.request("GET", served).ok, "the kind to be served")
    yield
    api.delete("CustomResourceDefinition", None, crd["metadata"]["name"])
    eventually(lambda: not api.request("GET", served).ok, "the kind to go")


class Interrupted(Cluster):
    """The operator's client: somebody else is faster than its first write of an object, or than what follows a look."""

    before_write: Callable[[Object], None] = staticmethod(lambda _obj: None)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        #: Every request that may change something.
        self.written: list[str] = []

    async def request(self, method: str, path: str, *args: Any, **kwargs: Any) -> Object:
        if method != "GET" and "dryRun" not in kwargs:
            self.written.append(f"{method} {path}")
        return await super().request(method, path, *args, **kwargs)

    async def apply(self, obj: Object, **kwargs: Any) -> Object:
        self.before_write(obj)
        return await super().apply(obj, **kwargs)

    async def create(self, obj: Object) -> Object:
        self.before_write(obj)
        return await super().create(obj)


@pytest.fixture
async def cluster(operator_kubeconfig, monkeypatch) -> AsyncIterator[Interrupted]:
    monkeypatch.setenv("KUBECONFIG", str(operator_kubeconfig))
    cluster = Interrupted(await connect(), concurrency=8)
    yield cluster
    await cluster.close()


class Run:
    """An applier as it starts: it remembers nothing, and knows what its watches show.

    It applies a whole stack, or of one kind's case the objects of that component.
    """

    def __init__(self, api: Any, cluster: Interrupted, stack: meta.Stack, case: Case | None = None) -> None:
        self.api, self.cluster, self.stack = api, cluster, stack
        self.manifests = desired(api, stack)
        self.applier = Applier(cluster, Store(lambda _key: None))
        self.names = meta.names(stack)
        if case:
            component = self.manifest(case)["metadata"]["labels"][meta.COMPONENT_LABEL]
            self.manifests = [m for m in self.manifests if m["metadata"]["labels"][meta.COMPONENT_LABEL] == component]

    def manifest(self, case: Case) -> Object:
        wanted = (case.kind, getattr(self.names, case.part))
        return next(one for one in self.manifests if object_id(one) == wanted)

    def has(self, kind: str) -> bool:
        return any(one["kind"] == kind for one in self.manifests)

    def live(self, manifest: Object) -> Object | None:
        found = self.api.get(manifest["kind"], self.stack.namespace, manifest["metadata"]["name"])
        return found and {**found, "apiVersion": manifest["apiVersion"], "kind": manifest["kind"]}

    def watch(self) -> None:
        for one in self.manifests:
            if found := self.live(one):
                self.applier.store.observe(found)

    async def __call__(self) -> tuple[set[tuple[str, str]], list[Blocker]]:
        """Apply everything; return what is applied, and what stood in the way.

        What failed is tried again, as the queue has it done: the controllers write the status of a Deployment while it
        is adopted, and a request may take too long.
        """
        async with asyncio.timeout(PATIENCE):
            while True:
                applied, blockers = await self._pass()
                pauses = [blocker.retry_seconds or 0 for blocker in blockers if blocker.turn is Turn.CLUSTER]
                if not pauses:
                    return applied, blockers
                await asyncio.sleep(min(pauses))
                self.watch()

    async def _pass(self) -> tuple[set[tuple[str, str]], list[Blocker]]:
        refused = await self.applier.create_secrets(self.stack, self.manifests)
        blocked = {blocker.target for blocker in refused}
        applied, more = await self.applier.apply(self.stack, self.manifests, blocked)
        return {object_id(one) for one in applied}, [*refused, *more]

    async def is_held_back(self, case: Case, before: Object) -> Blocker:
        """Fail unless somebody's object is left alone, with what would use it; return what is said of it."""
        applied, blockers = await self()
        assert [(blocker.target, blocker.reason) for blocker in blockers] == [
            ((case.kind, before["metadata"]["name"]), "NameTaken")
        ]
        assert content(self.live(self.manifest(case))) == content(before)
        held = {(kind, getattr(self.names, part)) for kind, part in case.held}
        wanted = {object_id(one): one for one in self.manifests}
        assert wanted.keys() - applied == {*held, blockers[0].target}
        assert [one for one in held if self.live(wanted[one])] == []
        return blockers[0]


def controlled(api: Any, case: Case, stack: meta.Stack) -> Object:
    """Return labels of the stack, and a controller that is another object."""
    if case.kind == "ClusterRoleBinding":
        owner = {"apiVersion": "v1", "kind": "Namespace", "name": stack.namespace}
        uid = api.get("Namespace", None, stack.namespace)["metadata"]["uid"]
    else:
        owner = {"apiVersion": "v1", "kind": "ConfigMap", "name": "owner"}
        config_map = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "owner"}}
        uid = api.apply(config_map, stack.namespace)["metadata"]["uid"]
    return {"labels": labels(stack), "ownerReferences": [{**owner, "uid": uid, "controller": True}]}


def labels(stack: meta.Stack) -> dict[str, str]:
    """Return the labels that an earlier stack of this name gave to its children."""
    found = meta.labels(meta.Stack(stack.namespace, stack.name, "u-before"), "service")
    return found | {meta.STACK_NAMESPACE_LABEL: stack.namespace}


def forged(stack: meta.Stack, case: Case) -> Object:
    if case.kind == "ClusterRoleBinding":
        return {"labels": labels(stack) | {meta.UID_LABEL: stack.uid}}
    return {"labels": labels(stack) | {meta.UID_LABEL: stack.uid}, "ownerReferences": [meta.owner_reference(stack)]}


@BY_KIND
@pytest.mark.parametrize("way", ["unlabelled", "controlled", "labelled", "forged-owner", "forged-fields"])
async def test_what_is_another_s_is_left_alone_with_what_would_use_it(api, cluster, namespace, case, way) -> None:
    stack = made(api, namespace, "shop")
    run = Run(api, cluster, stack, case)
    metadata = {
        "controlled": lambda: controlled(api, case, stack),
        "labelled": lambda: {"labels": labels(stack)},
        "forged-owner": lambda: forged(stack, case),
    }.get(way, dict)()
    obj = theirs(case, run.manifest(case), **metadata)
    before = api.apply(obj, namespace, manager=meta.FIELD_MANAGER if way == "forged-fields" else "somebody")
    run.watch()
    said = (await run.is_held_back(case, before)).message
    assert said.startswith(f"{case.kind} {before['metadata']['name']} ")
    assert "it is left alone, and what refers to it waits" in said
    words = {"controlled": "belongs to ", "forged-fields": "was not made for this stack"}
    assert words.get(way, "was written by the field manager somebody") in said
    assert len(said) < 700


@BY_KIND
async def test_what_appears_between_the_look_and_the_write_is_left_alone(api, cluster, namespace, case) -> None:
    run = Run(api, cluster, made(api, namespace, "shop"), case)
    wanted, created = object_id(run.manifest(case)), []

    def appear(obj: Object) -> None:
        if object_id(obj) == wanted and not created:
            created.append(api.apply(theirs(case, obj), namespace, manager="somebody"))

    cluster.before_write = appear
    with_object = await run()
    assert created
    before = created[0]
    assert [(blocker.target, blocker.reason) for blocker in with_object[1]] == [(wanted, "NameTaken")]
    assert content(run.live(run.manifest(case))) == content(before)
    await run.is_held_back(case, before)


@BY_KIND
async def test_what_takes_the_place_of_ours_before_a_write_is_left_alone(api, cluster, namespace, case) -> None:
    run = Run(api, cluster, made(api, namespace, "shop"), case)
    assert (await run())[1] == []
    wanted, created = object_id(run.manifest(case)), []

    def replace(obj: Object) -> None:
        if object_id(obj) == wanted and not created:
            gone(api, namespace, *wanted)
            created.append(api.apply(theirs(case, obj), namespace, manager="somebody"))

    cluster.before_write = replace
    run.manifest(case)["metadata"]["labels"]["new"] = "label"
    (blocker,) = (await run())[1]
    assert (blocker.target, blocker.reason) == (wanted, "NameTaken")
    assert content(run.live(run.manifest(case))) == content(created[0])


@BY_KIND
async def test_what_changes_between_the_judgement_and_the_adoption_is_judged_anew(
    api, cluster, namespace, case
) -> None:
    first = Run(api, cluster, made(api, namespace, "shop"), case)
    assert (await first())[1] == []
    if first.has("HorizontalPodAutoscaler"):
        eventually(lambda: scaled(api, namespace), "the autoscaler to have scaled to its least number")
    orphaned(api, first)
    run, changed = Run(api, cluster, made(api, namespace, "shop"), case), []
    run.watch()
    wanted = object_id(run.manifest(case))

    def change(obj: Object) -> None:
        if object_id(obj) == wanted and not changed:
            api.patch(case.kind, namespace, wanted[1], {"metadata": {"annotations": {"example.com/owner": "theirs"}}})
            changed.append(run.live(obj))

    cluster.before_write = change
    _, (blocker,) = await run()
    assert (blocker.target, blocker.reason) == (wanted, "NameTaken")
    assert "metadata.annotations[example.com/owner]; it was written by the field manager tester" in blocker.message
    assert content(run.live(run.manifest(case))) == content(changed[0])


def scaled(api: Any, namespace: str) -> bool:
    """Tell whether the autoscaler has done what it does once: it would be a change of the content otherwise."""
    scaler = api.get("HorizontalPodAutoscaler", namespace, "shop-inventory")
    return bool(api.get("Deployment", namespace, "shop-inventory")["spec"]["replicas"] == scaler["spec"]["minReplicas"])


def calm(api: Any, namespace: str) -> bool:
    """Tell whether the controllers have nothing more to write: a change of the status is one of the object, too."""
    states = [
        (one["metadata"]["generation"], one["spec"], one.get("status", {})) for one in api.list("Deployment", namespace)
    ]
    return all(
        state.get("observedGeneration") == generation and state.get("replicas", 0) == spec["replicas"]
        for generation, spec, state in states
    )


def orphaned(api: Any, run: Run) -> None:
    """Delete the stack and keep its children, as `kubectl delete --cascade=orphan` does; the labels stay."""
    api.request(
        "DELETE",
        f"apis/inventorystack.dev/v1alpha1/namespaces/{run.stack.namespace}/inventorystacks/{run.stack.name}",
        {"propagationPolicy": "Orphan"},
    )
    eventually(lambda: api.get("InventoryStack", run.stack.namespace, run.stack.name) is None, "the stack to be gone")


def restored(api: Any, run: Run) -> None:
    """Delete everything, and create it again from what was read, as Velero does."""
    saved = [copy.deepcopy(run.live(one)) for one in run.manifests]
    gone(api, run.stack.namespace, "InventoryStack", run.stack.name)
    for obj in saved:
        assert obj
        path = api.path(obj["kind"], run.stack.namespace)
        one = f"{path}/{obj['metadata']['name']}"
        eventually(lambda one=one: api.request("DELETE", one).status_code == 404, "the children to be gone")
        metadata = {key: obj["metadata"][key] for key in ("name", "labels", "annotations")}
        metadata["labels"] |= {"velero.io/backup-name": "b", "velero.io/restore-name": "r"}
        obj.pop("status", None)
        if obj["kind"] == "Service" and obj["spec"]["clusterIP"] != "None":
            del obj["spec"]["clusterIP"], obj["spec"]["clusterIPs"]
        api._do("POST", path, {**obj, "metadata": metadata}, fieldManager="velero-server")


@pytest.mark.parametrize("leave", [orphaned, restored])
async def test_a_clean_orphan_is_adopted_without_a_change_of_its_content(api, cluster, namespace, leave) -> None:
    first = Run(api, cluster, made(api, namespace, "shop"))
    assert (await first())[1] == []
    eventually(lambda: scaled(api, namespace), "the autoscaler to have scaled to its least number")
    leave(api, first)
    eventually(lambda: calm(api, namespace), "the Deployments to be seen by their controller")
    before = {object_id(one): first.live(one) for one in first.manifests}
    second = Run(api, cluster, made(api, namespace, "shop"))
    second.watch()
    applied, blockers = await second()
    assert blockers == []
    assert applied == before.keys()
    for one in second.manifests:
        live, old = second.live(one), before[object_id(one)]
        assert own_content(live) == own_content(old)
        assert live["metadata"]["labels"][meta.UID_LABEL] == second.stack.uid
    third = Run(api, cluster, second.stack)
    third.watch()
    cluster.written.clear()
    assert (await third())[1] == []
    # Resource versions would not tell: the controllers write a status whenever they get to it.
    assert cluster.written == [], "nothing is written again"
