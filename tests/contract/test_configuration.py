"""Every configuration that is rendered is accepted by the program that will read it, from where it will lie."""

from __future__ import annotations

import dataclasses
import itertools
import re
from typing import TYPE_CHECKING

import pytest
from tests.contract.rulefiles import rule_files
from tests.framework.configurations import MOUNTED, config_map, parsed, prometheus, scrape_jobs, written
from tests.framework.rendered import INPUTS, one, rendered, sets, stack
from tests.framework.tools import Tool, good

from inventory_operator.api.service import Metrics
from inventory_operator.components.prometheus import JOBS

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(scope="module")
def checked(promtool: Tool, tmp_path_factory: pytest.TempPathFactory) -> dict[Path, str]:
    """What promtool says of every file of every input; a file that a configuration names is judged twice."""
    root = tmp_path_factory.mktemp("prometheus")
    folders = [written(config_map(objects, "prometheus"), root / name) for name, objects in sets().items()]
    configurations = [folder / "prometheus.yml" for folder in folders]
    rules = [file for folder in folders for file in sorted(folder.glob("*.rules.yml"))]
    found = promtool.check("check", "config", "--lint=all", "--lint-fatal", *configurations)
    by_themselves = promtool.check("check", "rules", "--lint=all", "--lint-fatal", *rules)
    return {file: found.get(file, "") + by_themselves.get(file, "") for file in (*configurations, *rules)}


@pytest.mark.parametrize("name", sets())
def test_prometheus_accepts_its_configuration(name: str, checked: dict[Path, str]) -> None:
    said = {file.name: text for file, text in checked.items() if file.parent.name == name}
    assert said.keys() == {
        "prometheus.yml",
        *rule_files(config_map(sets()[name], "prometheus")),
    }
    assert [text for text in said.values() if not good(text)] == []


@pytest.mark.parametrize("name", sets())
def test_every_rule_file_is_there_and_read(name: str) -> None:
    data = config_map(sets()[name], "prometheus")
    listed = {file.removeprefix(MOUNTED) for file in prometheus(sets()[name])["rule_files"]}
    there = {key for key in data if key.endswith(".rules.yml")}
    objectives = "objectives.rules.yml" in there
    alerts = {"alerts.rules.yml", "operator.rules.yml", "burn.rules.yml" if objectives else "symptoms.rules.yml"}
    recorded = {"recording.rules.yml", "stack.rules.yml", *(["objectives.rules.yml"] if objectives else [])}
    assert listed == recorded | (alerts if config_map(sets()[name], "alertmanager") else set())
    assert listed <= there


def test_operators_alerts_need_an_operator_that_can_be_scraped() -> None:
    objects = rendered(stack(), dataclasses.replace(INPUTS, operator_namespace=None))
    assert "operator" not in scrape_jobs(objects)
    assert MOUNTED + "operator.rules.yml" not in prometheus(objects)["rule_files"]


def test_credentials_of_other_storage_are_where_the_pod_mounts_them() -> None:
    objects = sets()["inputs-everything"]
    first, second, third = prometheus(objects)["remote_write"]
    pod = one(objects, "Deployment", "everything-prometheus")["spec"]["template"]["spec"]
    (mount,) = [m["mountPath"] for m in pod["containers"][0]["volumeMounts"] if m["name"] == "remote-write"]
    (volume,) = [v["projected"] for v in pod["volumes"] if v["name"] == "remote-write"]
    files = {f"{mount}/{item['path']}" for source in volume["sources"] for item in source["secret"]["items"]}
    assert {first["basic_auth"]["password_file"], second["authorization"]["credentials_file"]} == files
    assert not {"basic_auth", "authorization"} & third.keys()
    assert all(source["secret"]["optional"] for source in volume["sources"])
    (mount,) = [m["mountPath"] for m in pod["containers"][0]["volumeMounts"] if m["name"] == "secret-0"]
    assert mount == "/etc/prometheus/secrets/jobs-login"


def test_what_may_exceed_a_limit_has_one() -> None:
    for job in scrape_jobs(sets()["default"]).values():
        assert "sample_limit" in job, job["job_name"]
    assert {"target_limit", "label_limit"} <= scrape_jobs(sets()["default"])["annotated"].keys()


ALERTING = [name for name, objects in sets().items() if config_map(objects, "alertmanager")]


@pytest.fixture(scope="module")
def alertmanagers(amtool: Tool, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """What amtool says of the configuration of every input that has one."""
    folder = tmp_path_factory.mktemp("alertmanager")
    for name in ALERTING:
        (folder / name).write_text(config_map(sets()[name], "alertmanager")["alertmanager.yml"])
    return {file.name: said for file, said in amtool.check("check-config", *folder.iterdir()).items()}


@pytest.mark.parametrize("name", ALERTING)
def test_alertmanager_accepts_its_configuration(name: str, alertmanagers: dict[str, str]) -> None:
    assert good(alertmanagers[name]), alertmanagers[name]


INTERVALS = ("1s", "9s", "10s", "15s", "1m", "60s")
SIZES = ("512Mi", "1.5Gi", "10Gi", "7G", "1Pi", "1000000001")


@pytest.fixture(scope="module")
def ranges(promtool: Tool, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """What promtool says of the configuration with each interval and size."""
    root = tmp_path_factory.mktemp("ranges")
    for interval, size in itertools.product(INTERVALS, SIZES):
        raw = stack(prometheus={"scrapeInterval": interval, "retention": "1y", "storage": {"size": size}})
        written(config_map(rendered(raw), "prometheus"), root / f"{interval}-{size}")
    found = promtool.check("check", "config", *root.glob("*/prometheus.yml"))
    # What is said of the rule files belongs to the configuration that names them.
    return {
        folder.name: "".join(said for file, said in found.items() if file.parent == folder) for folder in root.iterdir()
    }


@pytest.mark.parametrize("interval", INTERVALS)
@pytest.mark.parametrize("size", SIZES)
def test_any_allowed_interval_and_size(interval: str, size: str, ranges: dict[str, str]) -> None:
    said = ranges[f"{interval}-{size}"]
    assert "is valid prometheus config file syntax" in said
    assert good(said), said


def test_discovery_stays_in_the_own_namespace() -> None:
    for job in scrape_jobs(sets()["default"]).values():
        for discovery in job.get("kubernetes_sd_configs", []):
            assert discovery["role"] == "node" or discovery["namespaces"] == {"names": ["shop"]}


def test_jobs_of_own_parts_follow_what_is_enabled() -> None:
    everything = {"service", "annotated", "prometheus", "alertmanager", "grafana", "operator", "cadvisor"}
    assert scrape_jobs(sets()["default"]).keys() == everything == JOBS
    assert scrape_jobs(sets()["inputs-smallest"]).keys() == {"service", "annotated", "prometheus", "operator"}


def test_no_container_metrics_where_they_are_not_permitted() -> None:
    objects = rendered(stack(), dataclasses.replace(INPUTS, namespace_uid=None))
    assert "cadvisor" not in scrape_jobs(objects)
    assert not [obj for obj in objects if obj["kind"] == "ClusterRoleBinding"]


def test_the_service_job_is_bounded_and_keeps_to_its_stack() -> None:
    job = scrape_jobs(sets()["default"])["service"]
    assert {"sample_limit", "label_limit", "body_size_limit"} <= job.keys()
    (discovery,) = job["kubernetes_sd_configs"]
    (selector,) = discovery["selectors"]
    assert selector["label"] == "inventorystack.dev/stack=shop,app.kubernetes.io/component=service"


def test_every_product_that_may_be_exported_passes_the_limits() -> None:
    """Prometheus drops a whole scrape that exceeds one: five series of each product, beside those of the requests."""
    job = scrape_jobs(sets()["default"])["service"]
    of_requests = 5_000
    assert job["sample_limit"] >= 5 * Metrics().max_products + of_requests
    longest_name, rest_of_a_line = 4 * 255, 200  # bytes
    assert job["label_value_length_limit"] >= longest_name
    assert int(job["body_size_limit"].removesuffix("MB")) * 2**20 >= 5 * 10_000 * (longest_name + rest_of_a_line)


def test_the_annotated_job_leaves_pods_of_stacks_alone() -> None:
    (discovery,) = scrape_jobs(sets()["default"])["annotated"]["kubernetes_sd_configs"]
    label = "!inventorystack.dev/stack,app.kubernetes.io/name!=inventory-operator"
    assert discovery["selectors"] == [{"role": "pod", "label": label}]


def test_of_cadvisor_every_pod_of_the_stack_is_kept_and_no_other() -> None:
    rules = scrape_jobs(sets()["inputs-everything"])["cadvisor"]["metric_relabel_configs"]
    (rule,) = [rule for rule in rules if rule.get("source_labels") == ["namespace", "pod"]]
    deployments = [obj for obj in sets()["inputs-everything"] if obj["kind"] == "Deployment"]
    assert len(deployments) == 6
    for deployment in deployments:
        assert re.fullmatch(rule["regex"], f"golden/{deployment['metadata']['name']}-5d4f8b7c9-x2x4z")
    assert not re.fullmatch(rule["regex"], "golden/everything-alertmanager-3-5d4f8b7c9-x2x4z")
    assert not re.fullmatch(rule["regex"], "golden/everything-b-alertmanager-5d4f8b7c9-x2x4z")


@pytest.mark.parametrize(
    ("container", "image", "kept"),
    [
        ("service", "docker.io/inventorystack/inventory-service:0.1.0", True),
        ("", "registry.k8s.io/pause:3.10", False),
        ("", "", False),
    ],
)
def test_of_cadvisor_only_containers_of_people_are_kept(container: str, image: str, kept: bool) -> None:
    """Not the sum of a pod, and not the sandbox, whose image has a name with slashes as any other."""
    (rule,) = [
        rule
        for rule in scrape_jobs(sets()["default"])["cadvisor"]["metric_relabel_configs"]
        if rule.get("source_labels") == ["container", "image"]
    ]
    assert bool(re.fullmatch(rule["regex"], f"{container}{rule['separator']}{image}")) == kept


def test_a_fifth_of_the_volume_is_left_free() -> None:
    raw = stack(prometheus={"storage": {"size": "10Gi"}})
    assert prometheus(rendered(raw))["storage"]["tsdb"]["retention"] == {"time": "200h", "size": "8589934592B"}


def test_grafana_finds_each_file_where_its_configuration_says() -> None:
    """Each path that one file names is a path at which the pod has another; a volume without items has every key."""
    objects = sets()["default"]
    pod = one(objects, "Deployment", "shop-grafana")["spec"]["template"]["spec"]
    mounts = {mount["name"]: mount["mountPath"] for mount in pod["containers"][0]["volumeMounts"]}
    data = config_map(objects, "grafana")
    everything = [{"key": key, "path": key} for key in data]
    sources = {volume["name"]: volume.get("configMap") or volume.get("secret") for volume in pod["volumes"]}
    files = {
        f"{mounts[name]}/{item['path']}": item["key"]
        for name, source in sources.items()
        if source
        for item in source.get("items", everything)
    }
    provider = parsed(data["dashboard-provider.yaml"])["providers"][0]["options"]["path"]
    named = {line.split("{")[1].rstrip("}") for line in data["grafana.ini"].splitlines() if "$__file" in line}
    home = "/etc/inventory/dashboards/inventory-overview.json"
    assert f"default_home_dashboard_path = {home}" in data["grafana.ini"]
    assert named | {home} <= files.keys()
    boards = {key for key in data if key.endswith(".json")}
    assert {key for path, key in files.items() if path.startswith(f"{provider}/")} >= boards
    provisioning = "/etc/grafana/provisioning"
    assert files[f"{provisioning}/datasources/datasource.yaml"] == "datasource.yaml"
    assert files[f"{provisioning}/dashboards/dashboard-provider.yaml"] == "dashboard-provider.yaml"
    # Nothing else lies where Grafana looks for providers and data sources: it would read it as one.
    assert len([path for path in files if path.startswith(provisioning)]) == 2


def test_exactly_one_default_datasource() -> None:
    (source,) = parsed(config_map(sets()["default"], "grafana")["datasource.yaml"])["datasources"]
    assert (source["uid"], source["isDefault"], source["url"]) == ("prometheus", True, "http://shop-prometheus:9090")
    assert source["jsonData"]["timeInterval"] == "10s"
