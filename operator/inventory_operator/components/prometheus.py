"""Prometheus as a component: its Secrets, its users' rules and scrape jobs, and what promtool judges.

Which jobs we have is in templates/prometheus; a test holds JOBS in step.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from inventory_operator.components.component import Component, ConfigCheck
from inventory_operator.components.config_tools import Tool
from inventory_operator.components.references import Reference, mounted
from inventory_operator.components.rights import not_permitted
from inventory_operator.components.user_files import FileKind, UserFile, files
from inventory_operator.settings import variable

if TYPE_CHECKING:
    from collections.abc import Iterator

    from inventory_operator.api.metadata import Names
    from inventory_operator.api.stack import Spec
    from inventory_operator.components.blocker import Blocker
    from inventory_operator.components.component import Circumstances
    from inventory_operator.settings import Settings

NAME = "prometheus"
RULES_TOOL = Tool("promtool", ("check", "rules", "--lint=none"))
#: Judges a prometheus.yml, or a file of scrape jobs, without the files that it names.
CONFIG_TOOL = Tool("promtool", ("check", "config", "--syntax-only"))
#: Jobs of templates/prometheus/config/reload/prometheus.yml.j2.
JOBS = frozenset({"service", "annotated", "prometheus", "alertmanager", "grafana", "operator", "cadvisor"})
_SINGLE = "container metrics: NotPermitted (a single-namespace install may not read the kubelet)"
_CLOSED = f"container metrics: NotPermitted (the operator's setting {variable('allow_kubelet_metrics')} is false)"

RULES = FileKind(".rules.yml", "InvalidRules", "rules", tool=RULES_TOOL)
SCRAPE_CONFIGS = FileKind(
    ".scrape.yml",
    "InvalidScrapeConfig",
    "scrape",
    "job_name is taken already: expected one that neither the stack nor another file has",
    JOBS,
    CONFIG_TOOL,
)


def _references(spec: Spec, _: Names) -> Iterator[Reference]:
    for index, name in enumerate(spec.prometheus.secrets):
        yield Reference(NAME, name, (), f"spec.prometheus.secrets[{index}]", mounted=True)
    for index, write in enumerate(spec.prometheus.remote_write):
        for field, credentials in (("basicAuth", write.basic_auth), ("authorization", write.authorization)):
            if credentials:
                path = f"spec.prometheus.remoteWrite[{index}].{field}.secretKeyRef"
                yield mounted(NAME, credentials.secret_key_ref, path)


def _user_files(spec: Spec) -> Iterator[UserFile]:
    given = spec.prometheus
    yield from files(RULES, NAME, "spec.prometheus.additionalRules", given.additional_rules)
    path = "spec.prometheus.additionalScrapeConfigs"
    yield from files(SCRAPE_CONFIGS, NAME, path, given.additional_scrape_configs)


def _config_checks(spec: Spec) -> Iterator[ConfigCheck]:
    if spec.prometheus.remote_write:
        yield ConfigCheck("prometheus.yml", CONFIG_TOOL)


def _blockers(spec: Spec, names: Names, found: Circumstances) -> Iterator[Blocker]:
    if spec.container_metrics == "kubelet" and found.settings.clusterwide and not found.settings.kubelet_metrics:
        binding = ("ClusterRoleBinding", names.kubelet_binding)
        ways = ("is false", "leave it out, set it to none")
        yield not_permitted(binding, NAME, "spec.containerMetrics: kubelet", "allow_kubelet_metrics", ways)


def _note(spec: Spec, settings: Settings) -> str | None:
    if spec.container_metrics == "none" or settings.kubelet_metrics:
        return None
    return _CLOSED if settings.clusterwide else _SINGLE


PROMETHEUS = Component(
    name=NAME,
    condition="PrometheusAvailable",
    section="spec.prometheus",
    storage="spec.prometheus.storage",
    port=9090,
    host=lambda hosts: hosts.prometheus,
    references=_references,
    user_files=_user_files,
    config_checks=_config_checks,
    blockers=_blockers,
    note=_note,
)
