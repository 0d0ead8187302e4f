"""Every file in examples/ gives a working stack, and neighbours do not mix. On real pods and a real PostgreSQL."""

from __future__ import annotations

import base64
import json
import time
from pathlib import Path

import pytest
import yaml
from tests.framework.api import condition, eventually, stack
from tests.framework.database import secret
from tests.framework.prometheus import Part, Prometheus
from tests.framework.stacks import NO_GRAFANA, is_ready, pods

pytestmark = pytest.mark.xdist_group("examples")

EXAMPLES = sorted((Path(__file__).parents[2] / "examples").glob("*.yaml"))
ASK = """
import glob, urllib.request
headers = {"Authorization": "Bearer " + open(file).read() for file in glob.glob("/etc/inventory/tokens/*.read")}
asked = urllib.request.Request("http://127.0.0.1:5000/api/products", headers=headers)
print(urllib.request.urlopen(asked, timeout=60).read().decode())
"""
MEMORY = "container_memory_working_set_bytes"
TARGETS = 'up{job=~"service|annotated"}'
GRAFANA_ALONE = {"Ready", "GrafanaAvailable"}


def working(api, namespace: str, name: str) -> dict | None:
    """The stack, if all is as it should be; Grafana's image may be the one thing that this cluster can't pull.

    Without Grafana it can't be verified as a whole, and other tests look at that.
    """
    found = api.get("InventoryStack", namespace, name)
    conditions = found.get("status", {}).get("conditions", ())
    false = {c["type"] for c in conditions if c["status"] != "True"} - {"Stalled", "Reconciling", "Verified"}
    reasons = {condition(found, name).get("reason") for name in false}
    works = not false or (false == GRAFANA_ALONE and reasons == {"ImagePullBackOff"})
    return found if conditions and works else None


def availability(api, namespace: str) -> list[tuple]:
    """What Kubernetes reports about the availability of all that runs and checks find, and when that changed."""
    deployments, live = api.list("Deployment", namespace), api.list("Pod", namespace)
    told = [(one["metadata"]["name"], one["status"].get("conditions")) for one in deployments]
    ready = [(one["metadata"]["name"], condition(one, "Ready")) for one in live]
    stacks = api.list("InventoryStack", namespace)
    checked = [(one["metadata"]["name"], one["status"].get("verification")) for one in stacks]
    return [entry for entries in (told, ready, checked) for entry in sorted(entries, key=str)]


def products(kubectl, name: str) -> dict:
    """What the service answers to one who has a token, where it wants one."""
    return json.loads(kubectl("exec", f"deployment/{name}-inventory", "--", "python", "-c", ASK))


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.stem)
def test_each_example_works(api, installed, new_namespace, kubectl, postgresql, cloudnativepg, example) -> None:
    objects = yaml.safe_load_all(example.read_text())
    name = next(one["metadata"]["name"] for one in objects if one["kind"] == "InventoryStack")
    with new_namespace(name) as namespace, postgresql.database(namespace) as url:
        secrets = {
            "production-database": {"url": url},
            "production-grafana": {"admin-user": "admin", "admin-password": "example"},
            "strict-tokens": {"dashboard.read": "an-example-of-a-token", "webshop.write": "another-one-of-a-token"},
            "cloudnativepg-database-app": {"uri": url},
            "alerting-slack": {"url": "http://slack.invalid/hook"},
            "alerting-mail": {"password": "example"},
            "alerting-pagerduty": {"routing-key": "example"},
            "alerting-heartbeat": {"url": "http://heartbeat.invalid/"},
        }
        for name_, values in secrets.items():
            api.create(secret(name_, values), namespace)
        kubectl("-n", namespace, "apply", "-f", str(example))
        found = eventually(lambda: working(api, namespace, name), f"{example.name} to work")
        assert condition(found, "DatabaseAvailable")["status"] == "True"
        assert products(kubectl.inside(namespace), name)["success"]
        up = Prometheus(api, namespace, name)

        def scraped() -> bool:
            # Asked anew each time: an autoscaler adds its second pod when it first looks.
            wanted = {pod["metadata"]["name"] for pod in pods(api, namespace, name, "service")}
            return bool(wanted) and set(up.values('up{job="service"} == 1', "pod")) == wanted

        eventually(scraped, "every pod to be scraped")
        kubectl("-n", namespace, "delete", "-f", str(example), "--timeout=300s")


def test_two_stacks_in_one_namespace_do_not_mix(api, installed, new_namespace) -> None:
    with new_namespace("two") as namespace:
        for name in ("shop", "shop-b"):
            api.apply(stack(name, {**NO_GRAFANA, "alerting": {"enabled": False}}), namespace)
        for name in ("shop", "shop-b"):
            eventually(lambda name=name: is_ready(api, namespace, name), f"{name} to be Ready")
        service = Part(api, namespace, "shop-inventory", 5000)
        assert service.request("POST", "api/products", {"name": "A", "sku": "ONLY-A"}).status_code == 201
        for name in ("shop", "shop-b"):
            own = {p["metadata"]["name"] for c in ("service", "prometheus") for p in pods(api, namespace, name, c)}
            prometheus = Prometheus(api, namespace, name)
            eventually(lambda p=prometheus, own=own: set(p.values(MEMORY, "pod")) == own, "its containers")
            (pod,) = pods(api, namespace, name, "service")
            only = {pod["metadata"]["name"]}
            eventually(lambda p=prometheus, only=only: set(p.values(TARGETS, "pod")) == only, "its pod, alone")
        eventually(lambda: Prometheus(api, namespace, "shop").query("product_stock_level"), "its product")
        assert not Prometheus(api, namespace, "shop-b").query("product_stock_level")


def test_a_changed_database_secret_rolls_the_service_to_the_new_database(
    api, installed, new_namespace, postgresql
) -> None:
    with (
        new_namespace("rotate") as namespace,
        postgresql.database("first") as one,
        postgresql.database("second") as two,
    ):
        api.create(secret("db", {"url": one}), namespace)
        external = {"external": {"secretKeyRef": {"name": "db", "key": "url"}}}
        spec = {**NO_GRAFANA, "alerting": {"enabled": False}, "service": {"replicas": 2, "database": external}}
        api.apply(stack(spec=spec), namespace)
        eventually(lambda: is_ready(api, namespace), "the stack to be Ready")
        service = Part(api, namespace, "shop-inventory", 5000)
        assert service.request("POST", "api/products", {"name": "A", "sku": "FIRST-1"}).status_code == 201
        api.patch("Secret", namespace, "db", {"data": {"url": base64.b64encode(two.encode()).decode()}})

        def moved() -> bool:
            answer = service.get("api/products")
            return bool(answer) and answer["products"] == [] and is_ready(api, namespace)

        eventually(moved, "the service to use the second database")
        assert postgresql.count("first", "products") == 1


def test_steady_state_writes_nothing_with_pods_that_run_and_an_image_that_can_not_be_pulled(
    api, installed, new_namespace, audit
) -> None:
    with new_namespace("quiet") as namespace:
        api.apply(stack("healthy", {**NO_GRAFANA, "alerting": {"enabled": False}}), namespace)
        broken = {**NO_GRAFANA, "service": {"image": "registry.invalid/none:1"}, "alerting": {"enabled": False}}
        api.apply(stack("broken", broken), namespace)
        eventually(lambda: is_ready(api, namespace, "healthy"), "the healthy stack")

        def reported() -> dict | None:
            found = api.get("InventoryStack", namespace, "broken")
            prometheus = condition(found, "PrometheusAvailable").get("status")
            told = condition(found, "Ready").get("reason") == "ImagePullBackOff" and prometheus == "True"
            return found if told else None

        found = eventually(reported, "the image to be named")
        assert "image registry.invalid/none:1 can't be pulled" in condition(found, "ServiceAvailable")["message"]

        def steady() -> list[list[str]]:
            """What was written in a minute in which no pod and no check became another, as on a busy machine."""
            audit.settle(namespace)
            before = availability(api, namespace)
            time.sleep(60)
            written = audit.writes(namespace)
            return [written] if availability(api, namespace) == before else []

        assert eventually(steady, "a minute in which nothing changes", 600) == [[]]
