"""The files that users put beside ours: which a spec names, what they are called in our ConfigMaps, who refuses what.

Pure: a file that needs a program to be judged is judged in checks. It never reads a ConfigMap.
"""

from __future__ import annotations

import json
import posixpath
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import yaml

from inventory_operator.api.metadata import USER_FILE

if TYPE_CHECKING:
    from collections.abc import Iterator

    from inventory_operator.api.stack import ConfigMapKeyRef, Spec

Kind = Literal["rules", "scrape", "dashboard"]
#: The end of the name that a file gets in our ConfigMap; prometheus.yml and Grafana's provider go by it.
ENDING = {"rules": ".rules.yml", "scrape": ".scrape.yml", "dashboard": ".json"}
#: Bytes. A ConfigMap, which they share with ours, holds 1 MiB
#: (https://kubernetes.io/docs/concepts/configuration/configmap/); ours take less than a third of that.
LARGEST_TOGETHER = 700_000
#: Jobs of templates/prometheus/config/reload/prometheus.yml.j2.
JOBS = frozenset({"service", "annotated", "prometheus", "alertmanager", "grafana", "operator", "cadvisor"})
#: Fields of a scrape job that hold a secret in plain text
#: (https://prometheus.io/docs/prometheus/latest/configuration/configuration/).
SECRET_FIELDS = frozenset(
    {
        *("password", "credentials", "bearer_token", "client_secret", "secret_key", "application_secret"),
        *("consumer_key", "token", "key", "application_credential_secret", "api_key", "secret"),
    }
)
SECRETS_FOLDER = "/etc/prometheus/secrets/"
OUR_UIDS = "inventory-"
_SHOWN = 60


@dataclass(frozen=True, slots=True)
class UserFile:
    """One key of a user's ConfigMap that becomes a file beside ours."""

    kind: Kind
    component: str
    name: str
    key: str
    #: Where the spec names it.
    path: str

    @property
    def target(self) -> str:
        """The key in our ConfigMap; the name of a ConfigMap has no `_`, so no two files can have the same one."""
        return f"{USER_FILE}{self.name}_{self.key}{ENDING[self.kind]}"

    @property
    def wanted(self) -> tuple[str, str]:
        """Kind and name, as the ReferenceWatcher wants them."""
        return ("ConfigMap", self.name)


def user_files(spec: Spec) -> tuple[UserFile, ...]:
    """Return every file that `spec` names, each once, in its order."""
    found = [
        *_files("rules", "prometheus", "spec.prometheus.additionalRules", spec.prometheus.additional_rules),
        *_files("scrape", "prometheus", "spec.prometheus.additionalScrapeConfigs",
                spec.prometheus.additional_scrape_configs),
    ]  # fmt: skip
    if spec.grafana.enabled:
        found += _files("dashboard", "grafana", "spec.grafana.dashboards", spec.grafana.dashboards)
    return tuple({file.target: file for file in reversed(found)}.values())[::-1]


def _files(kind: Kind, component: str, path: str, refs: tuple[ConfigMapKeyRef, ...]) -> Iterator[UserFile]:
    for index, ref in enumerate(refs):
        yield UserFile(kind, component, ref.name, ref.key, f"{path}[{index}]")


def scrape_config_error(text: str, taken: set[str]) -> str | None:
    """Return what is wrong with a file of scrape jobs beside its syntax, or None; adds its jobs to `taken`.

    What promtool can't know: which jobs there are already, and that our ConfigMap must not hold a secret.
    """
    try:
        content = yaml.safe_load(text)
    except yaml.YAMLError as error:
        return f"is not valid YAML: {' '.join(str(error).split())[:200]}"
    if not isinstance(content, dict) or content.keys() != {"scrape_configs"}:
        return "expected one field, scrape_configs, with a list of jobs"
    jobs = content["scrape_configs"] or []
    if problem := next(_plain_text_secrets(jobs), None):
        return problem
    names = [str(job.get("job_name")) for job in jobs if isinstance(job, dict)]
    if again := next((name for name in names if name in taken or names.count(name) > 1), None):
        return f"job_name {_shown(again)} is taken already"
    taken.update(names)
    return None


def _plain_text_secrets(node: Any) -> Iterator[str]:
    if isinstance(node, list):
        for item in node:
            yield from _plain_text_secrets(item)
    elif isinstance(node, dict):
        for name, value in node.items():
            if name in SECRET_FIELDS and isinstance(value, str):
                advice = f"put it into a Secret, list that under spec.prometheus.secrets, and use {name}_file"
                yield f"{name} is a secret, which a ConfigMap must not hold: {advice}"
            elif str(name).endswith("_file") and not posixpath.normpath(str(value)).startswith(SECRETS_FOLDER):
                yield f"{name}: expected a file below {SECRETS_FOLDER}, got {_shown(value)}"
            yield from _plain_text_secrets(value)


def dashboard_error(text: str, taken: set[str]) -> str | None:
    """Return why Grafana would not take a dashboard, or one of ours would suffer, or None; adds its uid to `taken`."""
    try:
        board = json.loads(text)
    except ValueError as error:
        return f"is not valid JSON: {error}"
    if not isinstance(board, dict) or not isinstance(board.get("title"), str) or not board["title"]:
        return "expected a dashboard as Grafana exports it, an object with a title"
    if "apiVersion" in board or "elements" in board:
        return "is of the v2 format, which Grafana's file provisioning refuses: export the classic model"
    uid = board.get("uid")
    if not isinstance(uid, str) or not uid or len(uid) > 40:  # noqa: PLR2004 - Grafana's own limit
        return "expected a uid of 1 to 40 characters: without one each start of Grafana would make another dashboard"
    if uid.startswith(OUR_UIDS) or uid in taken:
        return (
            f"uid {_shown(uid)} is taken, as is all that begins with {OUR_UIDS}: one would silently replace the other"
        )
    taken.add(uid)
    return None


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}..."
