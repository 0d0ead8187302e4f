"""Alertmanager accepts what is rendered for it, and routes alerts as the spec says; secrets stay in their Secrets."""

from __future__ import annotations

import itertools
import re
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from tests.contract.alertmanager import alerting, alerts, config, files, written
from tests.framework.rendered import one, rendered, sets, stack
from tests.framework.tools import good

from inventory_operator.api import stack as api_stack
from inventory_operator.manifests import templates

if TYPE_CHECKING:
    from pathlib import Path

    from tests.framework.tools import Tool

KINDS: dict[str, dict[str, Any]] = {
    "slack": {"secretKeyRef": {"name": "team-slack", "key": "hook"}, "channel": "#stock"},
    "email": {
        "to": ["ops@shop.example", "owner@shop.example"],
        "from": "alerts@shop.example",
        "smarthost": "mail.shop.example:587",
        "username": "alerts",
        "secretKeyRef": {"name": "team-mail"},
    },
    "webhook": {"secretKeyRef": {"name": "team-hook"}},
    "pagerDuty": {"secretKeyRef": {"name": "team-pager"}},
}
MUTED = [
    {"name": "nights", "times": [{"start": "22:00", "end": "24:00"}, {"start": "00:00", "end": "06:00"}]},
    {"name": "sundays", "weekdays": ["sunday"], "location": "Europe/Berlin"},
    {"name": "always"},
]
FULL: dict[str, Any] = {
    "receivers": KINDS,
    "escalation": {"to": "pagerDuty", "after": "20m"},
    "heartbeat": {"secretKeyRef": {"name": "dead-man", "key": "ping"}},
    "muteTimes": MUTED,
}
SEVERITIES = ("critical", "warning", "info", "none")
DOMAINS = ("service", "business", "monitoring", "operator")
SUBSETS = [subset for size in range(5) for subset in itertools.combinations(KINDS, size)]


def accepted(said: str) -> bool:
    """Return whether amtool takes both: the configuration, and the texts."""
    return said.count("SUCCESS") == 2 and good(said)


def receivers_of(amtool: Tool, file: Path, **labels: str) -> list[str]:
    """Return the receivers of an alert, as amtool says."""
    said = amtool("config", "routes", "test", f"--config.file={file}", *(f"{k}={v}" for k, v in labels.items()))
    return said.strip().split(",")


ALERTING = [name for name, objects in sets().items() if "alertmanager.yml" in str(objects)]


@pytest.fixture(scope="module")
def checked(amtool: Tool, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """What amtool says of every input that has an Alertmanager."""
    root = tmp_path_factory.mktemp("examples")
    names = {written(sets()[name], root / name): name for name in ALERTING}
    return {names[file]: said for file, said in amtool.check("check-config", *names).items()}


@pytest.mark.parametrize("name", ALERTING)
def test_every_example_is_accepted(name: str, checked: dict[str, str]) -> None:
    assert accepted(checked[name]), checked[name]


@pytest.mark.parametrize("subset", SUBSETS, ids="+".join)
def test_any_receivers_are_accepted(subset: tuple[str, ...], amtool: Tool, tmp_path: Path) -> None:
    configurations = []
    for heartbeat, last in itertools.product((True, False), (*subset, None)):
        fields: dict[str, Any] = {"receivers": {kind: KINDS[kind] for kind in subset}, "muteTimes": MUTED}
        fields |= {"heartbeat": FULL["heartbeat"]} if heartbeat else {}
        fields |= {"escalation": {"to": last}} if last else {}
        folder = tmp_path / f"{'with' if heartbeat else 'without'}-heartbeat-{last}"
        configurations.append(written(alerting(**fields), folder))
    said = amtool.check("check-config", *configurations)
    assert said.keys() == set(configurations)
    assert [text for text in said.values() if not accepted(text)] == []


@pytest.mark.parametrize("interval", ["30s", "31s", "1m", "1h"])
def test_a_heartbeat_is_due_at_every_second_look(interval: str, amtool: Tool, tmp_path: Path) -> None:
    objects = alerting(heartbeat={"secretKeyRef": {"name": "h"}, "interval": interval})
    assert accepted(amtool("check-config", written(objects, tmp_path)))
    (route,) = config(objects)["route"]["routes"]
    look, due = (int(route[key].rstrip("s")) for key in ("group_interval", "repeat_interval"))
    assert look < due < 2 * look


def test_without_receivers_no_alert_is_sent(amtool: Tool, tmp_path: Path) -> None:
    file = written(alerting(), tmp_path)
    for severity in SEVERITIES:
        assert receivers_of(amtool, file, severity=severity, domain="service") == ["nobody"]
    assert receivers_of(amtool, file, alertname="Watchdog", severity="none", domain="monitoring") == ["nobody"]
    assert config(alerting())["receivers"] == [{"name": "nobody"}]


@pytest.mark.parametrize("severity", SEVERITIES)
@pytest.mark.parametrize("domain", [*DOMAINS, None])
def test_alerts_go_by_severity_and_domain(severity: str, domain: str | None, amtool: Tool, tmp_path: Path) -> None:
    """Who chose no domains gets alerts of a user's own that have none, too."""
    chosen = {
        "slack": (["critical", "warning"], list(DOMAINS)),
        "email": (["info", "warning"], ["business"]),
        "webhook": (["critical"], ["service", "monitoring"]),
        "pagerDuty": (["critical", "warning", "info"], ["operator", "service"]),
    }
    receivers = {
        kind: KINDS[kind] | {"severities": severities, "domains": domains}
        for kind, (severities, domains) in chosen.items()
    }
    expected = [
        kind.lower()
        for kind, (severities, domains) in chosen.items()
        if severity in severities and (domain in domains or len(domains) == len(DOMAINS))
    ]
    file = written(alerting(receivers=receivers), tmp_path)
    labels = {"alertname": "Any", "severity": severity} | ({"domain": domain} if domain else {})
    assert receivers_of(amtool, file, **labels) == (expected or ["nobody"])


@pytest.mark.parametrize("heartbeat", [True, False])
def test_the_watchdog_is_sent_to_the_heartbeat_only(heartbeat: bool, amtool: Tool, tmp_path: Path) -> None:
    fields = FULL if heartbeat else {key: value for key, value in FULL.items() if key != "heartbeat"}
    file = written(alerting(**fields), tmp_path)
    for severity in SEVERITIES:
        got = receivers_of(amtool, file, alertname="Watchdog", severity=severity, domain="monitoring")
        assert got == ["heartbeat" if heartbeat else "nobody"]
    got = receivers_of(amtool, file, alertname="InventoryDown", severity="critical", domain="service")
    assert "heartbeat" not in got


@pytest.mark.parametrize("severities", [["critical", "warning"], ["critical"], ["warning", "info"]])
def test_the_escalation_gets_critical_alerts_late_only(severities: list[str], amtool: Tool, tmp_path: Path) -> None:
    receivers = {"slack": KINDS["slack"], "email": KINDS["email"] | {"severities": severities}}
    objects = alerting(receivers=receivers, escalation={"to": "email", "after": "20m"})
    file = written(objects, tmp_path)
    assert receivers_of(amtool, file, severity="critical", domain="service") == ["slack", "escalation"]
    for severity in ("warning", "info"):
        wanted = [name for name, chosen in (("slack", ["warning"]), ("email", severities)) if severity in chosen]
        assert receivers_of(amtool, file, severity=severity, domain="service") == (wanted or ["nobody"])
    (late,) = [route for route in config(objects)["route"]["routes"] if route.get("receiver") == "escalation"]
    assert (late["group_wait"], late["group_by"]) == ("20m", ["..."])
    named = {receiver["name"]: receiver for receiver in config(objects)["receivers"]}
    if "email" in named:
        assert named["escalation"]["email_configs"] == named["email"]["email_configs"]


def test_the_domains_of_the_escalation_hold(amtool: Tool, tmp_path: Path) -> None:
    receivers = {"pagerDuty": KINDS["pagerDuty"] | {"domains": ["service"]}}
    file = written(alerting(receivers=receivers, escalation={"to": "pagerDuty"}), tmp_path)
    assert receivers_of(amtool, file, severity="critical", domain="service") == ["escalation"]
    assert receivers_of(amtool, file, severity="critical", domain="business") == ["nobody"]


def test_mute_times_hold_for_all_that_a_receiver_gets_and_for_no_other() -> None:
    receivers = KINDS | {"pagerDuty": KINDS["pagerDuty"] | {"muteTimes": ["nights", "sundays"]}}
    parsed = config(alerting(**FULL | {"receivers": receivers}))
    assert {mute["name"] for mute in parsed["time_intervals"]} == {"nights", "sundays", "always"}
    for route in parsed["route"]["routes"]:
        late = ["nights", "sundays"] if route["receiver"] in {"pagerduty", "escalation"} else None
        assert route.get("mute_time_intervals") == late
    (nights,) = parsed["time_intervals"][0]["time_intervals"]
    assert (nights["location"], nights["times"][0]["end_time"]) == ("UTC", "24:00")


def test_secrets_are_files_and_each_lies_where_the_pod_has_it() -> None:
    objects = alerting(**FULL, replicas=3)
    wanted = {
        "slack": ("team-slack", "hook"),
        "email": ("team-mail", "password"),
        "webhook": ("team-hook", "url"),
        "pagerduty": ("team-pager", "routing-key"),
        "heartbeat": ("dead-man", "ping"),
    }
    named = set(re.findall(r'_file: "([^"]+)"', files(objects)["alertmanager.yml"]))
    assert named == {f"/etc/alertmanager/secrets/{kind}/{key}" for kind, (_, key) in wanted.items()}
    for name in ("shop-alertmanager", "shop-alertmanager-1", "shop-alertmanager-2"):
        pod = one(objects, "Deployment", name)["spec"]["template"]["spec"]
        mounts = {mount["name"]: mount for mount in pod["containers"][0]["volumeMounts"]}
        volumes = {volume["name"]: volume["secret"] for volume in pod["volumes"] if "secret" in volume}
        assert volumes.keys() == wanted.keys()
        for kind, (secret, key) in wanted.items():
            assert mounts[kind]["mountPath"] == f"/etc/alertmanager/secrets/{kind}"
            assert mounts[kind]["readOnly"] is True
            assert volumes[kind] == {
                "secretName": secret,
                "optional": True,
                "defaultMode": 0o440,
                "items": [{"key": key, "path": key}],
            }


def test_names_of_secrets_are_in_volumes_only_and_no_secret_is_made() -> None:
    objects = alerting(**FULL, replicas=2)
    elsewhere = [obj for obj in objects if obj["kind"] != "Deployment"]
    assert not re.search("team-|dead-man", str(elsewhere))
    assert "shop-alertmanager" not in {obj["metadata"]["name"] for obj in objects if obj["kind"] == "Secret"}
    given = re.findall(
        r"^ +(?:- )?(\w*(?:url|password|key|secret|token)\w*):", files(objects)["alertmanager.yml"], re.MULTILINE
    )
    assert set(given) == {"api_url_file", "url_file", "auth_password_file", "routing_key_file", "client_url"}


HOSTILE = "x\"\n  - name: y\n# {{ .ExternalURL }} '${HOME}' \u2028"


def test_no_text_becomes_structure_even_if_the_parser_let_it_through() -> None:
    """The same configuration with the hostile text in place of the harmless one, and nothing else."""

    def rendered_with(text: str) -> str:
        given = api_stack.parse(stack(alerting=FULL)).alerting
        ref = SimpleNamespace(name="s", key=text)
        receivers = given.receivers
        slack = receivers.slack.model_copy(update={"channel": text, "secret_key_ref": ref})
        mail = {"to": (text, text), "from_": text, "smarthost": text, "username": text, "secret_key_ref": ref}
        email = receivers.email.model_copy(update=mail)
        receivers = receivers.model_copy(update={"slack": slack, "email": email})
        mute = given.mute_times[1].model_copy(update={"name": text, "location": text})
        hostile = given.model_copy(update={"receivers": receivers, "mute_times": (mute,)})
        (component,) = [found for found in templates.registry() if found.name == "alertmanager"]
        (file,) = [found for found in component.config if found.key == "alertmanager.yml"]
        return file.text({"spec": SimpleNamespace(alerting=hostile)})

    def replaced(node: Any) -> Any:
        if isinstance(node, dict):
            return {key: replaced(value) for key, value in node.items()}
        if isinstance(node, list):
            return [replaced(value) for value in node]
        return node.replace("harmless", HOSTILE) if isinstance(node, str) else node

    harmless = yaml.safe_load(rendered_with("harmless"))
    assert str(harmless).count("harmless") == 10
    assert yaml.safe_load(rendered_with(HOSTILE)) == replaced(harmless)


@pytest.mark.parametrize("path", ["slack.channel", "email.from", "email.username", "email.smarthost", "email.to"])
def test_what_alertmanager_takes_for_a_template_is_refused(path: str) -> None:
    kind, field = path.split(".")
    text = "{{ .ExternalURL }}"
    receivers = {kind: KINDS[kind] | {field: [text] if field == "to" else text}}
    with pytest.raises(api_stack.InvalidSpec, match=re.escape(f"spec.alerting.receivers.{path}")):
        rendered(stack(alerting={"receivers": receivers}))


def test_inhibition_is_about_alerts_that_exist() -> None:
    rules = config(alerting())["inhibit_rules"]
    texts = [text for rule in rules for side in ("source", "target") for text in rule[f"{side}_matchers"]]
    matchers = [re.fullmatch(r'(\w+)(=~|!=|=)"([^"]+)"', text) for text in texts]
    named = {name for found in matchers if found and found[1] == "alertname" for name in found[3].split("|")}
    assert named <= alerts().keys()
    assert {found[1] for found in matchers if found} == {"alertname", "severity", "domain"}
    assert all(matchers)
