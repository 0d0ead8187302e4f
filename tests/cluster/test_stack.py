"""One stack as its user has it: made by `kubectl apply`, working, measured, and not lost. On real pods."""

from __future__ import annotations

import re
import time
from contextlib import suppress

import pytest
from tests.framework.api import eventually, stack
from tests.framework.boards import dashboards
from tests.framework.prometheus import Part, Prometheus
from tests.framework.rendered import ROOT
from tests.framework.stacks import NO_GRAFANA, is_ready, is_replaced, pods

from dashboards.preview import asking, board, variables
from dashboards.preview.client import Client
from devcluster import traffic
from inventory_operator.verification.panel_times import Window

pytestmark = pytest.mark.xdist_group("stack")

SHOP = {
    **NO_GRAFANA,
    "service": {"loadSampleData": True},
    "alerting": {"slo": {"availability": "99.9", "latency": {"threshold": "300ms", "objective": "99"}}},
}
#: The panels without data: there is no Grafana.
NO_DATA = {"Grafana", "Requests to Grafana"}
TRAFFIC_SECONDS = 120.0
SCRAPE_SECONDS = 10.0


@pytest.fixture(scope="module")
def shop(api, installed, new_namespace):
    """A Ready stack with sample products, for the tests that only look at it or restore what they change."""
    with new_namespace("shop") as namespace:
        api.apply(stack(spec=SHOP), namespace)
        eventually(lambda: is_ready(api, namespace), "the stack to be Ready")
        yield namespace


@pytest.fixture(scope="module")
def service(api, shop) -> Part:
    return Part(api, shop, "shop-inventory", 5000)


@pytest.fixture(scope="module")
def prometheus(api, shop) -> Prometheus:
    return Prometheus(api, shop, "shop")


def test_kubectl_wait_and_get_and_describe_read_well(shop, kubectl) -> None:
    kubectl("-n", shop, "wait", "--for=condition=Ready", "invstack/shop", "--timeout=300s")

    # A pod may miss a probe on a busy machine, and the stack is not Ready for that moment.
    def rows() -> list[str]:
        lines = kubectl("-n", shop, "get", "invstack", "shop", "-o", "wide").splitlines()
        return lines if lines[1].split()[:3] == ["shop", "True", "Available"] else []

    header, row = eventually(rows, "the row of a Ready stack")
    assert header.split()[:6] == ["NAME", "READY", "REASON", "TARGETS", "VERIFIED", "AGE"]
    assert "inventory-service:" in row
    assert f"http://shop-prometheus.{shop}.svc:9090" in row
    # The Event of the transition follows the status.
    for words in ("every component is available", "Ready is True"):
        eventually(lambda words=words: words in kubectl("-n", shop, "describe", "invstack", "shop"), words)


def test_explain_reads_well(kubectl) -> None:
    explained = kubectl("explain", "invstack.spec", "--recursive")
    assert "lowStockThreshold" in explained
    assert "secretKeyRef" in explained


def test_every_service_pod_is_scraped(api, shop, prometheus) -> None:
    wanted = {pod["metadata"]["name"]: 1.0 for pod in pods(api, shop, "shop", "service")}
    assert wanted
    eventually(lambda: prometheus.values('up{job="service"}', "pod") == wanted, "an `up` target")
    assert eventually(lambda: prometheus.query('up{job=~"prometheus|alertmanager"} == 1'), "the others")
    # A scrape that a busy machine answers late is followed by a good one.
    eventually(lambda: prometheus.query("up") and not prometheus.query("up == 0"), "no target to be down")


def test_every_panel_of_every_dashboard_has_data_after_two_minutes_of_traffic(shop, target) -> None:
    """Asked as Grafana would."""
    empty: dict[str, object] = {}
    shown: list[str] = []

    def complete(client: Client) -> bool:
        now = client.now()
        window = Window(now - 900, now, SCRAPE_SECONDS)
        empty.clear()
        shown.clear()
        for name in dashboards():
            one = board.read(ROOT / "templates/grafana/config/reload" / name)
            scope = variables.resolve(one.variables, window, client, {})
            for answer in asking.ask(one, scope, client):
                if answer.status == asking.DATA:
                    shown.append(answer.title)
                elif answer.status != asking.STATIC:
                    empty[answer.title] = answer.asked
        return empty.keys() <= NO_DATA

    with traffic.forwarded(target.kubeconfig(), shop, "shop-inventory", 5000) as address:
        traffic.send(address, TRAFFIC_SECONDS)
    with traffic.forwarded(target.kubeconfig(), shop, "shop-prometheus", 9090) as address:
        client = Client(address)
        # The last scrapes, and the rules that use them, may be late.
        with suppress(AssertionError):
            eventually(lambda: complete(client), "all panels to have data")
        client.close()
    assert empty.keys() <= NO_DATA, empty
    assert len(shown) > 40


def test_the_stack_is_verified(api, shop, kubectl) -> None:
    kubectl("-n", shop, "wait", "--for=condition=Verified", "invstack/shop", "--timeout=300s")

    def checks() -> dict[str, str]:
        """A pod may be too new for metrics of its containers, and is asked again where a busy machine was too slow."""
        found = api.get("InventoryStack", shop, "shop")["status"]
        statuses = {one["check"]: one["status"] for one in found["verification"]["checks"]}
        whole = found["targets"]["summary"] == "1/1" and statuses.get("ContainerMetrics") != "Skipped"
        return statuses if whole and not {"Failed", "Unknown"} & {*statuses.values()} else {}

    found = eventually(checks, "no check to fail")
    # A Prometheus that was started a moment ago has no history to show yet.
    assert found.pop("HistoryStored") in {"Passed", "Skipped"}
    passed = ("MetricsExposed", "ServiceScraped", "ConfigurationLoaded", "BusinessMetrics", "ContainerMetrics")
    skipped = ("GrafanaConnected", "DashboardsLive", "AlertsDelivered")
    assert found == {**dict.fromkeys(passed, "Passed"), **dict.fromkeys(skipped, "Skipped")}


def restocks(service: Part, product: int) -> float:
    """How many the service itself says there were of a product."""
    page = service.request("GET", "metrics")
    assert page.status_code == 200, page.text
    (found,) = re.findall(rf'^restock_operations_total\{{.*product_id="{product}".*\}} (\S+)$', page.text, re.MULTILINE)
    return float(found)


def test_stock_in_prometheus_agrees_with_the_api(prometheus, service) -> None:
    products = service.read("api/products")["products"]
    assert len(products) >= 5, "sample products"
    first = products[0]
    before = restocks(service, first["id"])
    answer = service.request("POST", f"api/products/{first['id']}/restock", {"quantity": 7})
    assert answer.status_code == 200, answer.text

    def agrees() -> bool:
        truth = {p["sku"]: float(p["stock_level"]) for p in service.read("api/products")["products"]}
        return prometheus.values("product_stock_level", "sku") == truth

    eventually(agrees, "the stock levels to agree")
    assert restocks(service, first["id"]) == before + 1
    scraped = f'restock_operations_total{{product_id="{first["id"]}"}}'
    eventually(lambda: list(prometheus.values(scraped, "job").values()) == [before + 1], "the restock to be counted")


def test_cpu_and_memory_of_every_pod_are_there_and_of_no_other(api, shop, prometheus) -> None:
    wanted = {
        pod["metadata"]["name"]
        for component in ("service", "prometheus", "alertmanager")
        for pod in pods(api, shop, "shop", component)
    }
    for metric in ("container_cpu_usage_seconds_total", "container_memory_working_set_bytes"):
        eventually(lambda metric=metric: set(prometheus.values(metric, "pod")) >= wanted, f"{metric} of {wanted}")
    every = eventually(lambda: set(prometheus.values('{job="cadvisor", __name__=~"container_.+"}', "pod")), "series")
    assert {pod for pod in every if not pod.startswith("shop-")} == set()
    memory = 'container_memory_working_set_bytes{container!=""}'
    assert eventually(lambda: set(prometheus.values(memory, "namespace")), "the memory") == {shop}


def test_history_survives_a_restart_of_prometheus(api, shop, prometheus) -> None:
    since = time.time()
    eventually(lambda: prometheus.query("up"), "samples")
    (old,) = pods(api, shop, "shop", "prometheus")
    api.delete("Pod", shop, old["metadata"]["name"])
    eventually(lambda: is_replaced(api, shop, "prometheus", [old["metadata"]["uid"]]), "another Prometheus pod")
    before = str(since)

    def history() -> list:
        answer = prometheus.get("api/v1/query", query="product_stock_level", time=before)
        return answer["data"]["result"] if answer else []

    assert eventually(history, "samples from before the restart")


def test_a_change_reaches_prometheus_within_15_s_without_a_restart(api, shop, prometheus) -> None:
    before = pods(api, shop, "shop", "prometheus")
    api.apply(stack(spec={**SHOP, "prometheus": {"externalLabels": {"region": "here"}}}), shop)

    def loaded() -> bool:
        answer = prometheus.get("api/v1/status/config")
        return bool(answer) and "region: here" in answer["data"]["yaml"]

    eventually(loaded, "the new configuration")
    after = pods(api, shop, "shop", "prometheus")
    assert [pod["metadata"]["uid"] for pod in after] == [pod["metadata"]["uid"] for pod in before]
    assert after[0]["status"]["containerStatuses"][0]["restartCount"] == 0
    api.apply(stack(spec=SHOP), shop)


def test_pods_are_not_root_and_can_not_write_their_root(api, shop, kubectl) -> None:
    for component, container in (
        ("service", "service"),
        ("prometheus", "prometheus"),
        ("alertmanager", "alertmanager"),
    ):
        (pod,) = pods(api, shop, "shop", component)
        name = pod["metadata"]["name"]
        uid = kubectl("-n", shop, "exec", name, "-c", container, "--", "sh", "-c", "id -u; touch /x 2>&1 || true")
        first, second = uid.split("\n", 1)
        assert int(first) >= 1000, component
        assert "Read-only file system" in second, component
        assert "hostPath" not in str(pod["spec"]["volumes"])


def test_a_deleted_pod_loses_no_product(api, shop, service) -> None:
    made = service.request("POST", "api/products", {"name": "Kept", "sku": "KEPT-1", "stock_level": 3})
    assert made.status_code == 201, made.text
    (pod,) = pods(api, shop, "shop", "service")
    api.delete("Pod", shop, pod["metadata"]["name"])
    eventually(lambda: is_replaced(api, shop, "service", [pod["metadata"]["uid"]]), "another pod of the service")
    kept = [p for p in service.read("api/products")["products"] if p["sku"] == "KEPT-1"]
    assert kept[0]["stock_level"] == 3
    assert service.request("DELETE", f"api/products/{kept[0]['id']}").status_code == 200
    eventually(lambda: is_ready(api, shop), "the stack to be Ready")


def test_a_deleted_stack_leaves_its_volumes_and_a_new_one_finds_them(api, installed, new_namespace) -> None:
    with new_namespace("retain") as namespace:
        api.apply(stack(spec={**NO_GRAFANA, "containerMetrics": "none"}), namespace)
        eventually(lambda: is_ready(api, namespace), "the stack to be Ready")
        service = Part(api, namespace, "shop-inventory", 5000)
        assert service.request("POST", "api/products", {"name": "Old", "sku": "OLD-1"}).status_code == 201
        api.delete("InventoryStack", namespace, "shop")
        eventually(lambda: not api.list("Deployment", namespace), "the children to go")
        eventually(lambda: not api.list("Pod", namespace), "the pods to go")
        claims = {claim["metadata"]["name"] for claim in api.list("PersistentVolumeClaim", namespace)}
        assert claims == {"shop-inventory", "shop-prometheus", "shop-alertmanager"}
        api.apply(stack(spec={**NO_GRAFANA, "containerMetrics": "none"}), namespace)
        eventually(lambda: is_ready(api, namespace), "the new stack to be Ready")
        assert [p["sku"] for p in service.read("api/products")["products"]] == ["OLD-1"]
