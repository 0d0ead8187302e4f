"""Alertmanager as a component: the Secrets of its receivers, what amtool judges, and the reload after a change."""

from __future__ import annotations

from typing import TYPE_CHECKING

from inventory_operator.components.alertmanager_reload import FILE, NAME, PORT, Reloader
from inventory_operator.components.component import Component, ConfigCheck
from inventory_operator.components.config_tools import Tool
from inventory_operator.components.references import Reference, mounted

if TYPE_CHECKING:
    from collections.abc import Iterator

    from inventory_operator.api.metadata import Names
    from inventory_operator.api.stack import Spec

CONFIG_TOOL = Tool("amtool", ("check-config",))


def _references(spec: Spec, _: Names) -> Iterator[Reference]:
    receivers = spec.alerting.receivers
    named = {"slack": receivers.slack, "webhook": receivers.webhook, "pagerDuty": receivers.pager_duty}
    for name, receiver in named.items():
        if receiver:
            yield mounted(NAME, receiver.secret_key_ref, f"spec.alerting.receivers.{name}.secretKeyRef")
    if receivers.email and receivers.email.secret_key_ref:
        yield mounted(NAME, receivers.email.secret_key_ref, "spec.alerting.receivers.email.secretKeyRef")
    if spec.alerting.heartbeat:
        yield mounted(NAME, spec.alerting.heartbeat.secret_key_ref, "spec.alerting.heartbeat.secretKeyRef")


def _config_checks(spec: Spec) -> Iterator[ConfigCheck]:
    if spec.alerting.receivers.configured() or spec.alerting.heartbeat or spec.alerting.mute_times:
        yield ConfigCheck(FILE, CONFIG_TOOL)


ALERTMANAGER = Component(
    name=NAME,
    condition="AlertmanagerAvailable",
    section="spec.alerting",
    storage="spec.alerting.storage",
    port=PORT,
    enabled=lambda spec: spec.alerting.enabled,
    references=_references,
    config_checks=_config_checks,
    after_apply=Reloader,
)
