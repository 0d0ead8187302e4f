"""What users add beside ours, on a real API server: a bad file is named and breaks nothing else."""

from __future__ import annotations

import json
from typing import Any

import pytest
import yaml
from tests.framework.api import condition, eventually, stack

pytestmark = pytest.mark.xdist_group("operator")

GOOD = yaml.safe_dump({"groups": [{"name": "team", "rules": [{"alert": "TeamAlert", "expr": "up == 0"}]}]})
BAD = GOOD.replace("up == 0", "sum(")
BETTER = GOOD.replace("up == 0", "up == 1")
TARGET = "user-team_rules.yml.rules.yml"
JOBS = yaml.safe_dump({"scrape_configs": [{"job_name": "team", "static_configs": [{"targets": ["a:1"]}]}]})
SPEC = {
    "prometheus": {
        "additionalRules": [{"name": "team", "key": "rules.yml"}, {"name": "team", "key": "more.yml"}],
        "additionalScrapeConfigs": [{"name": "team", "key": "jobs.yml"}],
    },
    "grafana": {"dashboards": [{"name": "team", "key": "board.json"}]},
}
BOARD = json.dumps({"title": "Team", "uid": "team"})
FILES = {"rules.yml": GOOD, "more.yml": BETTER, "jobs.yml": JOBS, "board.json": BOARD}


def config_map(**data: str) -> dict[str, Any]:
    files = FILES | {key.replace("_", "."): text for key, text in data.items()}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "team"}, "data": files}


def data(api, namespace: str, component: str = "prometheus") -> dict[str, str]:
    return api.get("ConfigMap", namespace, f"shop-{component}")["data"]


def stalled(api, namespace: str) -> dict[str, Any]:
    return condition(api.get("InventoryStack", namespace, "shop"), "Stalled")


@pytest.fixture
def team(api, operator, namespace, settled) -> str:
    """A stack with files of a user, all of them good."""
    api.apply(config_map(), namespace)
    api.apply(stack(spec=SPEC), namespace)
    settled(namespace)
    eventually(lambda: TARGET in data(api, namespace), "the user's rules")
    assert stalled(api, namespace)["status"] == "False"
    return namespace


def test_good_files_are_beside_ours_and_named_where_they_are_read(api, team) -> None:
    found = data(api, team)
    config = yaml.safe_load(found["prometheus.yml"])
    assert found[TARGET] == GOOD
    assert f"/etc/prometheus/config/{TARGET}" in config["rule_files"]
    assert config["scrape_config_files"] == ["/etc/prometheus/config/user-team_jobs.yml.scrape.yml"]
    assert data(api, team, "grafana")["user-team_board.json.json"] == BOARD


def test_a_bad_file_is_named_and_its_last_good_version_stays(api, team) -> None:
    api.apply(config_map(rules_yml=BAD, more_yml=GOOD), team)
    found = eventually(lambda: (s := stalled(api, team))["status"] == "True" and s, "the refusal")
    assert found["reason"] == "InvalidRules"
    assert found["message"].startswith("spec.prometheus.additionalRules[0]: ConfigMap team, key rules.yml: ")
    assert "could not parse expression" in found["message"]
    assert data(api, team)[TARGET] == GOOD
    eventually(lambda: data(api, team)["user-team_more.yml.rules.yml"] == GOOD, "the good one beside it to be applied")

    def event() -> list[str]:
        return [e["message"] for e in api.list("Event", team) if e["reason"] == "InvalidRules"]

    assert eventually(lambda: any("additionalRules[0]" in message for message in event()), "the Event")
    api.apply(config_map(rules_yml=GOOD, more_yml=BAD), team)
    assert eventually(lambda: any("additionalRules[1]" in message for message in event()), "another Event")
    api.apply(config_map(rules_yml=BETTER), team)
    eventually(lambda: stalled(api, team)["status"] == "False", "the end of it")
    assert data(api, team)[TARGET] == BETTER


def test_what_others_put_in_the_place_of_a_refused_file_is_not_used(api, team, audit) -> None:
    target = "user-team_jobs.yml.scrape.yml"
    api.apply(config_map(jobs_yml="scrape_configs: 1"), team)
    eventually(lambda: stalled(api, team)["status"] == "True", "the refusal")
    # A pass that has read the good version already would put that back.
    audit.settle(team)
    theirs = JOBS + "  bearer_token_file: /var/run/secrets/kubernetes.io/serviceaccount/token\n"
    api.patch("ConfigMap", team, "shop-prometheus", {"data": {target: theirs}})
    eventually(lambda: target not in data(api, team), "their version to be gone")
    eventually(lambda: "; no version of it is in use" in stalled(api, team)["message"], "the message to follow")
    api.apply(config_map(), team)
    eventually(lambda: data(api, team).get(target), "the good version")


def test_a_restart_of_the_operator_forgets_no_good_version_and_writes_nothing(api, team, operator, audit) -> None:
    api.apply(config_map(rules_yml=BAD), team)
    eventually(lambda: stalled(api, team)["status"] == "True", "the refusal")
    audit.settle()
    operator.stop()
    operator.start()
    eventually(operator.leads, "the operator to lead")
    audit.mark()
    # Something to do for this stack, so that it was certainly looked at again.
    api.delete("Service", team, "shop-prometheus")
    eventually(lambda: api.get("Service", team, "shop-prometheus"), "the repair")
    assert data(api, team)[TARGET] == GOOD

    def written() -> list[str]:
        return [write for write in audit.writes(team) if "events" not in write]

    eventually(written, "the repair in the audit log")
    assert written() == ["patch services/shop-prometheus"]


def test_a_file_that_is_missing_is_named_and_the_rest_goes_on(api, operator, namespace, settled) -> None:
    api.apply(stack(spec={"prometheus": {"additionalRules": [{"name": "team", "key": "rules.yml"}]}}), namespace)
    settled(namespace)
    message = "spec.prometheus.additionalRules[0]: ConfigMap team, key rules.yml: ConfigMap not found"
    eventually(lambda: stalled(api, namespace).get("message", "").startswith(message), "the refusal")
    assert api.get("Deployment", namespace, "shop-prometheus")
    api.apply(config_map(), namespace)
    eventually(lambda: TARGET in data(api, namespace), "the user's rules")


@pytest.mark.parametrize(
    ("file", "text", "words"),
    [
        ("jobs_yml", JOBS.replace("team", "service"), "line 2: job_name is taken already"),
        ("jobs_yml", JOBS.replace("static_configs", "static"), "did you mean static_configs?"),
        ("board_json", "{}", "an object with a title"),
        ("board_json", BOARD.replace('"team"', '"inventory-overview"'), "all that begins with inventory-"),
    ],
)
def test_other_files_that_are_refused(file, text, words, api, team) -> None:
    before = data(api, team), data(api, team, "grafana")
    api.apply(config_map(**{file: text}), team)
    found = eventually(lambda: (s := stalled(api, team))["status"] == "True" and s, "the refusal")
    assert words in found["message"]
    assert (data(api, team), data(api, team, "grafana")) == before


def test_a_configuration_that_alertmanager_would_refuse_is_not_written(api, operator, namespace, settled) -> None:
    api.apply(stack(spec={}), namespace)
    settled(namespace)
    good = eventually(lambda: api.get("ConfigMap", namespace, "shop-alertmanager"), "the configuration")["data"]
    mute = {"name": "nights", "location": "Europe/Nowhere"}
    api.apply(stack(spec={"alerting": {"muteTimes": [mute]}}), namespace)
    found = eventually(lambda: (s := stalled(api, namespace))["status"] == "True" and s, "the refusal")
    assert found["reason"] == "InvalidConfiguration"
    assert "unknown time zone Europe/Nowhere" in found["message"]
    assert api.get("ConfigMap", namespace, "shop-alertmanager")["data"] == good


def test_a_receiver_without_its_secret_stops_no_other(api, operator, namespace, settled) -> None:
    receivers = {"slack": {"secretKeyRef": {"name": "slack"}}}
    api.apply(stack(spec={"alerting": {"receivers": receivers}}), namespace)
    settled(namespace)
    found = eventually(lambda: (s := stalled(api, namespace))["status"] == "True" and s, "the refusal")
    lack = 'Secret "slack" not found'
    assert found["message"] == f"spec.alerting.receivers.slack.secretKeyRef: {lack}"
    pod = eventually(lambda: api.get("Deployment", namespace, "shop-alertmanager"), "Alertmanager")["spec"]["template"]
    before = api.get("ConfigMap", namespace, "shop-alertmanager")["metadata"].get("annotations", {})
    secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "slack"}, "data": {"url": "aHR0cDovL2E="}}
    api.create(secret, namespace)
    eventually(lambda: stalled(api, namespace)["status"] == "False", "the end of it")

    def told() -> bool:
        live = api.get("ConfigMap", namespace, "shop-alertmanager")["metadata"]["annotations"]
        return live.get("inventorystack.dev/mounted") not in {None, before.get("inventorystack.dev/mounted")}

    eventually(told, "the digest that makes the kubelet bring the file")
    assert api.get("Deployment", namespace, "shop-alertmanager")["spec"]["template"] == pod, "nothing is restarted"
