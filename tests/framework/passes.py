"""The steps of a pass with everything around them that a unit test needs: what the watches brought, and programs.

Real ones are in tests/integration.
"""

from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from inventory_operator.api import metadata as meta
from inventory_operator.cache.store import Store
from inventory_operator.components.config_tools import Judgement
from inventory_operator.components.limited_process import ProgramMissingError
from inventory_operator.controller.inputs import InputCollector
from inventory_operator.controller.observe import Observer
from inventory_operator.controller.plan import Planner
from inventory_operator.controller.scope import Scope
from inventory_operator.settings import ANY, Settings

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from inventory_operator.components.config_tools import Tool

NOW = "2026-01-01T00:00:00Z"
NAMES = meta.names(meta.Stack("ns", "shop", "uid"))
#: An operator whose administrator lets stacks have metrics of the kubelets, and any host.
OPEN = Settings(operator_namespace="inventory-system", allow_kubelet_metrics=True, allowed_ingress_hosts=(ANY,))


class FakeChecker:
    """Refuses what contains one of `bad`, and keeps which file was judged; can't be run where a program is missing."""

    def __init__(
        self,
        bad: Collection[str] = ("bad",),
        *,
        missing: bool = False,
        judged: Mapping[str, tuple[str | None, tuple[tuple[str, int | None], ...]]] | None = None,
    ) -> None:
        self.asked: list[str] = []
        #: What is to be written in place of a user's file, and the names in that.
        self.judged = judged or {}
        self.bad = bad
        self.missing = missing

    async def check(self, _namespace: str, tool: Tool, text: str) -> str | None:
        self.asked.append(text)
        if self.missing:
            raise ProgramMissingError(f"{tool.program} can't be run: not found in the PATH")
        return "line 1: bad" if any(one in text for one in self.bad) else None

    async def judge(self, namespace: str, _kind: str, tool: Tool | None, text: str) -> Judgement:
        problem = await self.check(namespace, tool, text) if tool else None
        return Judgement(problem, *self.judged.get(text, ()))


def raw(**fields: Any) -> dict[str, Any]:
    """Return a custom resource as the watch shows it."""
    metadata = {"name": "shop", "namespace": "ns", "uid": "uid", "generation": 1, "resourceVersion": "1"}
    return {"kind": meta.KIND, "metadata": metadata, "spec": fields}


def child(kind: str, name: str, component: str, **body: Any) -> dict[str, Any]:
    """Return a child as the watch shows it."""
    labels = meta.labels(meta.Stack("ns", "shop", "uid"), component)
    metadata = {"name": name, "namespace": "ns", "uid": name, "resourceVersion": "1", "labels": labels}
    return {"kind": kind, "metadata": metadata, **body}


class Pass:
    """Plans stacks: `data` is what each referenced Secret and ConfigMap holds, `live` has the children.

    `refusal` is raised when references are to be watched; `binary` has keys of ConfigMaps that hold bytes.
    """

    def __init__(
        self,
        data: Mapping[str, Mapping[str, str]] | None = None,
        *live: dict[str, Any],
        checker: FakeChecker | None = None,
        served: Collection[str] = (),
        refusal: Exception | None = None,
        binary: Mapping[str, Collection[str]] | None = None,
        settings: Settings = OPEN,
    ) -> None:
        self.checker = checker or FakeChecker()
        self.store = Store(lambda _: None)
        for obj in live:
            self.store.observe(obj)
        known, binary = data or {}, binary or {}

        async def want(*_: Any) -> None:
            if refusal:
                raise refusal

        watcher: Any = SimpleNamespace(
            want=want,
            data=lambda _kind, _namespace, name: known.get(name),
            binary_keys=lambda _kind, _namespace, name: binary.get(name, frozenset()),
        )

        async def get(*_: Any) -> dict[str, Any]:
            return {"metadata": {"uid": "uid-of-the-namespace"}}

        cluster: Any = SimpleNamespace(get=get)
        checks: Any = self.checker
        self.observe = Observer(watcher, lambda: served, settings)
        self.collector = InputCollector(cluster, self.store, watcher, settings, checks)
        self.plan = Planner(self.store, self.collector, checks)

    async def planned(self, **fields: Any) -> Scope:
        return await self.plan(await self.observe(Scope(raw=raw(**fields), now=NOW)))
