"""From one version of the service to the next, with a migration, while clients in a pod read and restock."""

from __future__ import annotations

import json
import logging
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psycopg
import pytest
from tests.cluster import nextimage
from tests.framework.api import eventually, stack
from tests.framework.database import secret
from tests.framework.kube import BASE_IMAGE, restricted_pod
from tests.framework.prometheus import Part
from tests.framework.stacks import NO_GRAFANA, is_ready, pods

from devcluster.images import builder, nodeimages
from devcluster.images.ownimages import SERVICE
from inventory_service.bootstrap import schema

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.xdist_group("images")

#: What was measured: shown by `--log-cli-level=info`.
log = logging.getLogger(__name__)
LOAD = Path(__file__).with_name("load.py").read_text("utf-8")
LEAN = {**NO_GRAFANA, "alerting": {"enabled": False}, "containerMetrics": "none"}
STOCK = 1000
#: Answered at least, before, while and after the pods change.
REQUESTS = 1000
REVISION = "SELECT version_num FROM alembic_version"
ASK_SQLITE = f"import sqlite3; print(*sqlite3.connect('/data/inventory.db').execute('{REVISION}'))"
#: Parameters of the URL: a database that gets no time for some seconds is waited for, and no reason for a 503.
PATIENT = "?connect_timeout=60&options=" + "%20".join(
    f"-c%20{limit}%3D60s" for limit in ("lock_timeout", "statement_timeout", "idle_in_transaction_session_timeout")
)
Object = dict[str, Any]


@pytest.fixture(scope="module")
def next_image(installed, target, tmp_path_factory) -> Iterator[str]:
    """The image of a next version, on the node."""
    archive = builder.ensure()[SERVICE]
    name = f"docker.io/inventorystack/inventory-service:next-{builder.inputs_digest(archive)}"
    path = tmp_path_factory.mktemp("image") / "next.tar"
    nextimage.write(archive, path, name)
    nodeimages.put(path, {name: "next"})
    yield name
    nodeimages.drop(name)


class Shop:
    """A stack with some products, and clients that ask for them from a pod."""

    def __init__(self, api, kubectl, namespace: str, service: Object) -> None:
        self.api, self.kubectl, self.namespace, self.service = api, kubectl.inside(namespace), namespace, service
        self.apply()
        eventually(lambda: is_ready(api, namespace), "the stack to be Ready")
        self.part = Part(api, namespace, "shop-inventory", 5000)
        self.products = [self._product(number) for number in range(6)]

    def apply(self, **more: Any) -> None:
        self.api.apply(stack(spec={**LEAN, "service": {**self.service, **more}}), self.namespace)

    def _product(self, number: int) -> int:
        body = {"name": f"Product {number}", "sku": f"SKU-{number}", "stock_level": STOCK}
        answer = self.part.request("POST", "api/products", body)
        assert answer.status_code == 201, answer.text
        return int(answer.json()["product"]["id"])

    def pods(self) -> set[str]:
        return {pod["metadata"]["uid"] for pod in pods(self.api, self.namespace, "shop", "service")}

    def begin(self, *, insist: bool) -> None:
        """Start the clients and wait until they are under way."""
        script = {"kind": "ConfigMap", "metadata": {"name": "load"}, "data": {"load.py": LOAD}}
        volumes = [{"name": "load", "configMap": {"name": "load"}}, {"name": "tmp", "emptyDir": {}}]
        mounts = [{"name": "load", "mountPath": "/load"}, {"name": "tmp", "mountPath": "/tmp"}]
        pod = restricted_pod("load", ["python3", "/load/load.py"], volumes=volumes, mounts=mounts)
        settings = {
            "TARGET": f"shop-inventory.{self.namespace}.svc:5000",
            "PRODUCTS": json.dumps(self.products),
            "THREADS": "24",
            "PAUSE": "0.05",
            "REQUESTS": str(REQUESTS),
            "INSIST": str(insist).lower(),
        }
        pod["spec"]["containers"][0] |= {
            "image": BASE_IMAGE,
            "env": [{"name": name, "value": value} for name, value in settings.items()],
            # Without a share of its own it would be the last to get time on a busy node, and not be much of a load.
            "resources": {"requests": {"cpu": "100m"}},
        }
        pod["spec"]["restartPolicy"] = "Never"
        template = {"metadata": pod["metadata"], "spec": pod["spec"]}
        job = {"kind": "Job", "metadata": {"name": "load"}, "spec": {"backoffLimit": 0, "template": template}}
        self.kubectl.apply({"apiVersion": "v1", **script}, {"apiVersion": "batch/v1", **job})
        eventually(lambda: "under way" in self.log(), "the clients to be under way")

    def log(self) -> str:
        return self.kubectl.run("logs", "job/load", check=False).stdout

    def update(self, image: str) -> None:
        """Go to another image and wait until nothing is left of the old one."""
        before = self.pods()
        self.apply(image=image)

        def gone() -> bool:
            live = self.api.list("Pod", self.namespace, "app.kubernetes.io/component=service")
            return not before & {pod["metadata"]["uid"] for pod in live} and is_ready(self.api, self.namespace)

        eventually(gone, "the old pods to be gone")

    def end(self) -> Object:
        """Stop the clients; return what became of their requests."""
        self.kubectl("exec", "job/load", "--", "touch", "/tmp/stop")
        done = self.kubectl.run("wait", "--for=condition=Complete", "job/load", "--timeout=600s", check=False)
        assert done.returncode == 0, f"{done.stderr}\n{self.log()}\n{self.kubectl.run('describe', 'job/load').stdout}"
        found: Object = json.loads(self.log().splitlines()[-1])
        log.info("%s", found)
        return found

    def stocks(self) -> dict[str, int]:
        found = self.part.read("api/products")["products"]
        return {str(product["id"]): product["stock_level"] for product in found}


def expected(result: Object) -> dict[str, int]:
    return {product: STOCK + units for product, units in result["acknowledged"].items()}


def test_on_postgresql_no_request_fails(api, kubectl, installed, new_namespace, postgresql, next_image) -> None:
    with new_namespace("rolling") as namespace, postgresql.database(namespace) as url:
        api.create(secret("db", {"url": url + PATIENT}), namespace)
        shop = Shop(
            api,
            kubectl,
            namespace,
            {
                "replicas": 2,
                "resources": {"limits": {"cpu": "1"}},
                "database": {"external": {"secretKeyRef": {"name": "db"}}},
            },
        )
        with psycopg.connect(url, autocommit=True) as connection:
            assert connection.execute(REVISION).fetchone() == (schema.newest(),)
            shop.begin(insist=False)
            shop.update(next_image)
            assert connection.execute(REVISION).fetchone() == (nextimage.REVISION,)
            result = shop.end()
            assert result["failures"] == []
            assert result["answered"] > REQUESTS
            assert shop.stocks() == expected(result)
            sums = connection.execute(
                "SELECT product_id, sum(delta) FROM stock_movements GROUP BY product_id"
            ).fetchall()
            assert {str(product): int(total) for product, total in sums} == expected(result)


def test_on_sqlite_there_is_a_gap_and_nothing_is_lost_or_done_twice(
    api, kubectl, installed, new_namespace, next_image
) -> None:
    """Clients send again what was not answered, with the same key: each restock counts once."""
    with new_namespace("recreate") as namespace:
        shop = Shop(api, kubectl, namespace, {"resources": {"limits": {"cpu": "1"}}})
        shop.begin(insist=True)
        shop.update(next_image)
        result = shop.end()
        assert result["unanswered"] == []
        assert result["failed"] > 0, "one pod on one volume: the old one ends first"
        assert shop.stocks() == expected(result)
        (pod,) = pods(api, namespace, "shop", "service")
        said = kubectl("-n", namespace, "exec", pod["metadata"]["name"], "--", "python", "-c", ASK_SQLITE)
        assert nextimage.REVISION in said
