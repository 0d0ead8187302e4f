"""Gathers what a render must know beside the spec: digests of Secrets, files of users, who owns what is cluster-scoped.

It reads and judges; it never writes, and what is wrong with a user's file it returns beside the facts.
"""

from __future__ import annotations

import base64
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from inventory_operator.api import metadata as meta
from inventory_operator.components.blocker import Blocker, Turn
from inventory_operator.components.config_tools import CheckerMissingError
from inventory_operator.components.references import Reference, digest
from inventory_operator.components.user_files import (
    JOBS,
    LARGEST_TOGETHER,
    UserFile,
    dashboard_error,
    scrape_config_error,
    user_files,
)
from inventory_operator.kube.kinds import NAMESPACES
from inventory_operator.manifests.render import Facts

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from inventory_operator.api.stack import Spec
    from inventory_operator.cache.reference_watcher import ReferenceWatcher
    from inventory_operator.cache.store import Store
    from inventory_operator.components.config_tools import ConfigChecker
    from inventory_operator.kube.client import Cluster
    from inventory_operator.settings import Settings

#: What a person has to change is told by a watch; this is for what a watch missed.
LOOK_AGAIN_SECONDS = 300.0
_REASONS = {"rules": "InvalidRules", "scrape": "InvalidScrapeConfig", "dashboard": "InvalidDashboard"}
Files = dict[str, dict[str, str]]


@dataclass(slots=True)
class InputCollector:
    """Everything that facts come from."""

    cluster: Cluster
    store: Store
    watcher: ReferenceWatcher
    settings: Settings
    checker: ConfigChecker
    _namespace_uids: dict[str, str] = field(default_factory=dict)

    def forget(self, namespace: str) -> None:
        """Drop what is remembered of a namespace: one of this name may come back as another."""
        self._namespace_uids.pop(namespace, None)

    async def facts(self, stack: meta.Stack, spec: Spec, wanted: Sequence[Reference], files: Files) -> Facts:
        """Return what a render needs to know beside the spec."""
        kubelet = spec.container_metrics == "kubelet" and self.settings.clusterwide
        return Facts(
            service_image=self.settings.service_image,
            operator_namespace=self.settings.operator_namespace,
            namespace_uid=await self._namespace_uid(stack.namespace) if kubelet else None,
            kubelet_insecure_skip_verify=self.settings.kubelet_insecure_skip_verify,
            runbook_url=self.settings.runbook_url,
            secret_digests=self._digests(stack, [one for one in wanted if not one.mounted]),
            mounted_digests=self._digests(stack, [one for one in wanted if one.mounted], generated=False),
            user_files=files,
        )

    async def files(self, stack: meta.Stack, spec: Spec) -> tuple[Files, list[Blocker]]:
        """Return the users' files by component and key, and a Blocker for each that is refused.

        Of a refused file the last good version is kept, which is what our live ConfigMap holds.
        """
        files: Files = {}
        refused: list[Blocker] = []
        taken = {"scrape": set(JOBS), "dashboard": set()}
        sizes: dict[str, int] = {}
        for file in user_files(spec):
            text = (self.watcher.data(*_at(stack, file)) or {}).get(file.key)
            problem = await self._complaint(stack, file, text, taken)
            if not problem and sizes.get(file.component, 0) + _size(text) > LARGEST_TOGETHER:
                problem = f"is too large: all such files together hold at most {LARGEST_TOGETHER:,} bytes"
            if problem:
                refused.append(_refusal(file, problem))
                text = self._live(stack, file)
            if text is not None:
                files.setdefault(file.component, {})[file.target] = text
                sizes[file.component] = sizes.get(file.component, 0) + _size(text)
        return files, refused

    async def _complaint(
        self, stack: meta.Stack, file: UserFile, text: str | None, taken: dict[str, set[str]]
    ) -> str | None:
        if text is None:
            return _missing(file, self.watcher.data(*_at(stack, file)))
        if file.kind == "dashboard":
            return dashboard_error(text, taken["dashboard"])
        try:
            if file.kind == "rules":
                return await self.checker.rules(text)
            return scrape_config_error(text, taken["scrape"]) or await self.checker.prometheus(text)
        except CheckerMissingError as error:
            return f"can't be checked: {error}"

    def _live(self, stack: meta.Stack, file: UserFile) -> str | None:
        name = getattr(meta.names(stack), file.component)
        child = self.store.of((stack.namespace, stack.name)).get(("ConfigMap", name))
        found: str | None = child.obj.get("data", {}).get(file.target) if child else None
        return found

    async def _namespace_uid(self, namespace: str) -> str | None:
        if namespace not in self._namespace_uids:
            found = await self.cluster.get(NAMESPACES, namespace)
            if not found:
                return None
            self._namespace_uids[namespace] = found["metadata"]["uid"]
        return self._namespace_uids[namespace]

    def _digests(self, stack: meta.Stack, wanted: Sequence[Reference], *, generated: bool = True) -> Mapping[str, str]:
        """Return a keyed digest, by component, of the secret values that it uses."""
        names = meta.names(stack)
        own = self._own_secret(stack, names.digest_key)
        if not own:
            return {}
        values: dict[str, dict[str, str]] = {}
        for reference in wanted:
            data = self.watcher.data("Secret", stack.namespace, reference.name) or {}
            used = {f"{reference.name}/{key}": value for key, value in reference.used(data).items()}
            values.setdefault(reference.component, {}).update(used)
        if generated and (made := self._own_secret(stack, names.grafana)):
            values.setdefault("grafana", {}).update(made)
        key = base64.b64decode(own["key"])
        return {component: digest(key, used) for component, used in values.items()}

    def _own_secret(self, stack: meta.Stack, name: str) -> dict[str, str] | None:
        child = self.store.of((stack.namespace, stack.name)).get(("Secret", name))
        return child.obj.get("data", {}) if child else None


def _size(text: str | None) -> int:
    return len((text or "").encode())


def _at(stack: meta.Stack, file: UserFile) -> tuple[str, str, str]:
    kind, name = file.wanted
    return kind, stack.namespace, name


def _missing(file: UserFile, data: Mapping[str, str] | None) -> str:
    if data is None:
        return "ConfigMap not found"
    return f"it has no key {file.key}"


def _refusal(file: UserFile, problem: str) -> Blocker:
    message = f"{file.path}: ConfigMap {file.name}, key {file.key}: {problem}; its last good version stays in use"
    return Blocker(file.wanted, file.component, _REASONS[file.kind], message, Turn.USER, LOOK_AGAIN_SECONDS)
