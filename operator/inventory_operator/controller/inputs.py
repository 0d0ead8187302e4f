"""Gathers what a render must know beside the spec: digests of Secrets, files of users, who owns what is cluster-scoped.

What is wrong with a user's file is returned beside the inputs.
"""

from __future__ import annotations

import base64
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from inventory_operator.api import metadata as meta
from inventory_operator.components import user_files
from inventory_operator.components.blocker import MISSED_BY_WATCH_SECONDS, Blocker, Turn
from inventory_operator.components.config_tools import Judgement
from inventory_operator.components.limited_process import ProgramMissingError
from inventory_operator.components.references import Reference, digest
from inventory_operator.components.user_files import LARGEST_TOGETHER, FileKind, UserFile
from inventory_operator.kube.kinds import NAMESPACES
from inventory_operator.manifests.render import RenderInputs

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from inventory_operator.cache.reference_watcher import ReferenceWatcher
    from inventory_operator.cache.store import Store
    from inventory_operator.components.config_tools import ConfigChecker
    from inventory_operator.controller.scope import Object, Scope
    from inventory_operator.kube.client import Cluster
    from inventory_operator.settings import Settings

Files = dict[str, dict[str, str]]


@dataclass(slots=True)
class InputCollector:
    """Everything that inputs come from."""

    cluster: Cluster
    store: Store
    watcher: ReferenceWatcher
    settings: Settings
    checker: ConfigChecker
    _namespace_uids: dict[str, str] = field(default_factory=dict)

    def forget(self, namespace: str) -> None:
        """Drop what is remembered of a namespace: one of this name may come back as another."""
        self._namespace_uids.pop(namespace, None)

    async def collect(self, scope: Scope, generated: Sequence[Object]) -> tuple[RenderInputs, list[Blocker]]:
        """Return what a render needs to know beside the spec, and a Blocker for each thing that is refused.

        `generated` has the generated Secrets, with their data.
        """
        assert scope.spec
        files, blockers = await self.files(scope)
        kubelet = scope.spec.container_metrics != "none" and self.settings.kubelet_metrics
        key = _digest_key(scope)
        inputs = RenderInputs(
            service_image=self.settings.service_image,
            operator_namespace=self.settings.operator_namespace,
            namespace_uid=await self._namespace_uid(scope.stack.namespace) if kubelet else None,
            kubelet_insecure_skip_verify=self.settings.kubelet_insecure_skip_verify,
            runbook_url=self.settings.runbook_url,
            secret_digests=self._digests(scope, key, [one for one in scope.references if not one.mounted], generated),
            mounted_digests=self._digests(scope, key, [one for one in scope.references if one.mounted]),
            user_files=files,
        )
        return inputs, blockers

    async def files(self, scope: Scope) -> tuple[Files, list[Blocker]]:
        """Return the users' files by component and key, and a Blocker for each that is refused.

        Of a refused file the last good version is kept, which is what our live ConfigMap holds. It is judged, too:
        others may have written it, or we when more was permitted.
        """
        assert scope.spec
        files: Files = {}
        refused: list[Blocker] = []
        taken: dict[FileKind, set[str]] = {}
        sizes: dict[str, int] = {}
        for file in user_files(scope.spec):
            text = (self._data(scope, file) or {}).get(file.key)
            judgement = await self._judge(scope, file, text)
            text = judgement.text or text
            names = taken.setdefault(file.kind, set(file.kind.taken))
            problem = judgement.problem or _taken(file, judgement, names)
            if not problem and sizes.get(file.component, 0) + _size(text) > LARGEST_TOGETHER:
                problem = f"is too large: all such files together hold at most {LARGEST_TOGETHER:,} bytes"
            if problem:
                # What stays in use keeps its names.
                text, judgement = await self._last_good(scope, file, names)
                refused.append(_refusal(file, problem, stays=text is not None))
            names |= {name for name, _ in judgement.names}
            if text is not None:
                files.setdefault(file.component, {})[file.target] = text
                sizes[file.component] = sizes.get(file.component, 0) + _size(text)
        return files, refused

    async def _judge(self, scope: Scope, file: UserFile, text: str | None) -> Judgement:
        if text is None:
            return Judgement(self._missing(scope, file))
        if _size(text) > LARGEST_TOGETHER:
            # Before anything reads it.
            return Judgement(f"is too large: {_size(text):,} bytes, expected at most {LARGEST_TOGETHER:,}")
        try:
            return await self.checker.judge(scope.stack.namespace, file.kind.check, file.kind.tool, text)
        except ProgramMissingError as error:
            return Judgement(f"can't be checked: {error}", final=False)

    async def _last_good(self, scope: Scope, file: UserFile, taken: set[str]) -> tuple[str | None, Judgement]:
        text = self._live(scope, file)
        judgement = await self._judge(scope, file, text)
        if (judgement.problem and judgement.final) or _taken(file, judgement, taken):
            return None, Judgement()
        return judgement.text or text, judgement

    def _missing(self, scope: Scope, file: UserFile) -> str:
        if self._data(scope, file) is None:
            return "ConfigMap not found"
        kind, name = file.wanted
        if file.key in self.watcher.binary_keys(kind, scope.stack.namespace, name):
            return "it is under binaryData, so it is not text in UTF-8: save it as such, and create the ConfigMap anew"
        return f"it has no key {file.key}"

    def _data(self, scope: Scope, file: UserFile) -> Mapping[str, str] | None:
        kind, name = file.wanted
        return self.watcher.data(kind, scope.stack.namespace, name)

    def _live(self, scope: Scope, file: UserFile) -> str | None:
        child = self.store.of(scope.key).get(("ConfigMap", getattr(scope.names, file.component)))
        found: str | None = child.obj.get("data", {}).get(file.target) if child else None
        return found

    async def _namespace_uid(self, namespace: str) -> str | None:
        if namespace not in self._namespace_uids:
            found = await self.cluster.get(NAMESPACES, namespace)
            if not found:
                return None
            self._namespace_uids[namespace] = found["metadata"]["uid"]
        return self._namespace_uids[namespace]

    def _digests(
        self, scope: Scope, key: bytes | None, wanted: Sequence[Reference], generated: Sequence[Object] = ()
    ) -> Mapping[str, str]:
        """Return a keyed digest, by component, of the secret values that it uses."""
        if key is None:
            return {}
        values: dict[str, dict[str, str]] = {}
        for reference in wanted:
            data = self.watcher.data("Secret", scope.stack.namespace, reference.name) or {}
            used = {f"{reference.name}/{name}": value for name, value in reference.used(data).items()}
            values.setdefault(reference.component, {}).update(used)
        for one in generated:
            if one["metadata"]["name"] != scope.names.digest_key:
                values.setdefault(one["metadata"]["labels"][meta.COMPONENT_LABEL], {}).update(one["data"])
        return {component: digest(key, used) for component, used in values.items()}


def _digest_key(scope: Scope) -> bytes | None:
    """Return the key for digests; None where a person took it out of its Secret."""
    value = scope.generated[scope.names.digest_key].get("key")
    return base64.b64decode(value) if value else None


def _size(text: str | None) -> int:
    return len((text or "").encode())


def _taken(file: UserFile, judgement: Judgement, taken: set[str]) -> str | None:
    """Return what is said of the first name that is taken already, by another file or earlier in this one."""
    seen: set[str] = set()
    for name, line in judgement.names:
        if name in taken or name in seen:
            return file.kind.name_taken if line is None else f"line {line}: {file.kind.name_taken}"
        seen.add(name)
    return None


def _refusal(file: UserFile, problem: str, *, stays: bool) -> Blocker:
    in_use = "its last good version stays in use" if stays else "no version of it is in use"
    message = f"{file.path}: ConfigMap {file.name}, key {file.key}: {problem}; {in_use}"
    return Blocker(file.wanted, file.component, file.kind.reason, message, Turn.USER, MISSED_BY_WATCH_SECONDS)
