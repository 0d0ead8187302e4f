"""Watches on a real API server: what breaks them is over by itself, and the process always ends when it is asked to."""

from __future__ import annotations

import asyncio
import contextlib
import urllib.error
import urllib.request
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from tests.framework.api import PATIENCE, Api, condition, eventually, stack
from tests.framework.fakeapi import following, until
from tests.framework.operators import ROOT, USER, Operator, prepare

from devcluster.node.controlplane import ControlPlane
from inventory_operator.api.metadata import STACK_LABEL
from inventory_operator.cache.informer import Informer, Timing
from inventory_operator.cache.store import Store
from inventory_operator.kube.auth import connect
from inventory_operator.kube.client import ApiError, Cluster
from inventory_operator.kube.kinds import CHILDREN, CONFIG_MAPS, Resource

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator

pytestmark = pytest.mark.xdist_group("watches")

HOME = ("--operator-namespace", "inventory-system")
CRD = yaml.safe_load((ROOT / "crds/inventorystacks.yaml").read_text())
SERVICES = next(resource for resource in CHILDREN if resource.kind == "Service")
#: What the policy Retain keeps of a stack.
KEPT = {"PersistentVolumeClaim", "Secret"}
MANY = 2 * CONFIG_MAPS.page_size + 3


@pytest.fixture(scope="module")
def plane(tmp_path_factory) -> Iterator[ControlPlane]:
    """A control plane of these tests' own: its API server is restarted, and its CRD comes and goes."""
    with ControlPlane(tmp_path_factory.mktemp("plane")) as control_plane:
        yield control_plane


@pytest.fixture(scope="module")
def own_api(plane: ControlPlane, kubectl) -> Api:
    return prepare(plane, kubectl)


@pytest.fixture
def home(own_api: Api) -> Iterator[str]:
    own_api.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "watched"}})
    yield "watched"
    own_api.delete("Namespace", None, "watched")
    eventually(lambda: own_api.get("Namespace", None, "watched") is None, "the namespace to be gone")


@pytest.fixture
async def cluster(plane, monkeypatch) -> AsyncIterator[Cluster]:
    monkeypatch.setenv("KUBECONFIG", str(plane.kubeconfig))
    cluster = Cluster(await connect(), concurrency=8)
    yield cluster
    await cluster.close()


@contextlib.asynccontextmanager
async def followed(cluster: Cluster, resource: Resource, namespace: str) -> AsyncIterator[tuple[Informer, Store]]:
    store = Store(lambda _: None)
    timing = Timing(retry=0.05, retry_limit=1.0)
    informer = Informer(cluster, resource, namespace, store, {"labelSelector": STACK_LABEL}, timing=timing)
    async with following(informer):
        async with asyncio.timeout(PATIENCE):
            await informer.synced.wait()
        yield informer, store


def labelled(kind: str, name: str, **content: Any) -> dict[str, Any]:
    metadata = {"name": name, "labels": {STACK_LABEL: "shop"}}
    return {"apiVersion": "v1", "kind": kind, "metadata": metadata, **content}


async def in_thread(work: Callable[..., Any], *args: Any) -> Any:
    return await asyncio.to_thread(work, *args)


async def test_a_list_of_several_pages_and_a_restart_of_the_api_server(plane, own_api, home, cluster) -> None:
    for n in range(MANY):
        await in_thread(own_api.create, labelled("ConfigMap", f"m-{n}", data={"n": "1"}), home)
    async with followed(cluster, CONFIG_MAPS, home) as (informer, store):
        seen = store.of((home, "shop"))
        assert len(seen) == MANY
        await in_thread(plane.restart_apiserver)
        await in_thread(own_api.delete, "ConfigMap", home, "m-0")
        await in_thread(own_api.create, labelled("ConfigMap", "late"), home)
        await until(lambda: ("ConfigMap", "late") in seen and ("ConfigMap", "m-0") not in seen)
        assert len(seen) == MANY
        await until(lambda: informer.state.error is None)


async def test_the_api_server_says_that_a_version_is_too_old(plane, own_api, home, cluster) -> None:
    """A watch from there is answered with 410, not with silence."""
    await in_thread(own_api.create, labelled("ConfigMap", "one"), home)
    with pytest.raises(ApiError) as refused:
        async with cluster.watch(CONFIG_MAPS, home, 60, 60.0, resourceVersion="1") as events:
            await anext(events)
    assert refused.value.code == 410


async def test_metadata_is_enough_to_see_what_changes(plane, own_api, home, cluster) -> None:
    """The managed fields are among it."""
    service = labelled("Service", "web", spec={"selector": {"app": "a"}, "ports": [{"port": 80}]})
    await in_thread(own_api.apply, service, home, "inventory-operator")
    async with followed(cluster, SERVICES, home) as (_, store):
        listed = store.of((home, "shop"))["Service", "web"]
        assert listed.obj.keys() == {"apiVersion", "kind", "metadata"}
        assert listed.obj["apiVersion"] == "v1"
        service["spec"]["selector"]["app"] = "b"
        await in_thread(own_api.apply, service, home, "somebody-else")
        await until(lambda: store.of((home, "shop"))["Service", "web"].owned != listed.owned)


async def test_bookmarks_come_and_are_quiet(plane, own_api, home, cluster) -> None:
    """The API server sends one before a watch ends; without them silence could not be told from a fault."""
    kinds: set[str] = set()
    async with asyncio.timeout(PATIENCE):
        # An API server that stands still in the last seconds of a watch sends none.
        while "BOOKMARK" not in kinds:
            async with cluster.watch(CONFIG_MAPS, home, 5, 60.0, resourceVersion="0") as events:
                kinds |= {event["type"] async for event in events}


def ready(operator: Operator) -> str:
    """What /readyz answers."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{operator.port}/readyz", timeout=PATIENCE) as response:
            return str(response.read().decode())
    except urllib.error.HTTPError as error:
        return str(error.read().decode())
    except OSError:
        return ""


def left(api: Api, namespace: str) -> set[str]:
    """The kinds of children that are still there of the stack `other`."""
    return {kind for kind, _ in api.children(namespace, "other")}


def install(api: Api) -> None:
    api.apply(CRD)
    served = "apis/inventorystack.dev/v1alpha1/inventorystacks"
    eventually(lambda: api.request("GET", served).ok, "the CRD to be served")


def test_the_crd_goes_and_comes_under_a_running_operator(plane, own_api, home, tmp_path) -> None:
    kubeconfig = plane.user_kubeconfig(USER.format(namespace="inventory-system"))
    with Operator(kubeconfig, tmp_path / "operator.log", *HOME) as operator:
        eventually(operator.leads, "the operator to lead")
        for round_ in range(2):
            own_api.create(stack(f"shop-{round_}"), home)
            own_api.create(stack("other"), home)
            for name in (f"shop-{round_}", "other"):
                eventually(lambda name=name: condition(own_api.get("InventoryStack", home, name), "Ready"), name)
            own_api.delete("CustomResourceDefinition", None, CRD["metadata"]["name"])
            eventually(lambda: "the CRD of InventoryStack is not installed" in ready(operator), "/readyz to say so")
            assert operator.answers("livez"), "a restart would not help"
            eventually(lambda: left(own_api, home) <= KEPT, "the children to go with their stacks")
            install(own_api)
            eventually(lambda: ready(operator) == "ok", "the operator to watch again")
        own_api.create(stack("third"), home)
        eventually(lambda: condition(own_api.get("InventoryStack", home, "third"), "Ready"), "a new stack")
        eventually(lambda: own_api.get("Service", home, "third-prometheus"), "its child")
        own_api.delete("Service", home, "third-prometheus")
        eventually(lambda: own_api.get("Service", home, "third-prometheus"), "its child to come back")
        assert operator.process is not None
        operator.process.terminate()
        assert operator.process.wait(PATIENCE) == 0, "in order, not by force"
    assert "Traceback" not in operator.log.read_text()


def test_it_ends_when_asked_while_the_crd_is_gone(plane, own_api, home, tmp_path) -> None:
    kubeconfig = plane.user_kubeconfig(USER.format(namespace="inventory-system"))
    with Operator(kubeconfig, tmp_path / "operator.log", *HOME) as operator:
        own_api.delete("CustomResourceDefinition", None, CRD["metadata"]["name"])
        eventually(lambda: "is not installed" in ready(operator), "/readyz to say so")
        assert operator.process is not None
        operator.process.terminate()
        assert operator.process.wait(PATIENCE) == 0
        # A CRD that is missing at the start is waited for.
        operator.start(wait=False)
        eventually(lambda: "kubectl apply --server-side -k crds" in ready(operator), "/readyz to say what to do")
        install(own_api)
        eventually(operator.leads, "the operator to lead")
        own_api.create(stack("shop"), home)
        eventually(lambda: condition(own_api.get("InventoryStack", home, "shop"), "Ready"), "the stack")
    said = operator.log.read_text()
    assert said.count("is not installed") <= 2, "once for each time"
