"""What applying a spec does to each object of a stack: created, reloaded, restarted, resized, deleted, kept, unchanged.

Pure: it compares what the operator's templates make of the spec that is live and of the new one. What only the operator
knows (its settings, digests of Secrets) is the same in both, so it needs not be known.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from inventory_cli.differences import paths, told
from inventory_cli.stacks import NO_UID
from inventory_operator.api import metadata as meta
from inventory_operator.components import references, user_files
from inventory_operator.manifests.render import RenderInputs, render, secrets
from inventory_operator.manifests.templates import registry
from inventory_operator.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from inventory_operator.api.stack import Spec

Object = dict[str, Any]
ObjectId = tuple[str, str]
#: A job in Prometheus' configuration that is there where the administrator has opened the kubelets' metrics.
_KUBELET_JOB = "job_name: cadvisor"


class Effect(StrEnum):
    """What becomes of an object."""

    CREATED = "created"
    #: It is there from before, with what it holds: the volume of a part that was switched off, or of a deleted stack.
    REUSED = "reused"
    #: Its pods are replaced: the pod template changes.
    RESTARTED = "restarted"
    #: Running pods pick it up.
    RELOADED = "reloaded"
    UPDATED = "updated"
    DELETED = "deleted"
    #: It is not wanted any more, and stays because it holds data.
    KEPT = "kept"
    #: The API server would refuse it, or the operator leaves it alone.
    REFUSED = "refused"
    UNCHANGED = "unchanged"


@dataclass(frozen=True, slots=True)
class Change:
    """What becomes of one object, and why."""

    kind: str
    name: str
    component: str
    effect: Effect
    why: str = ""
    #: Whether the API server said so (a dry run), or only the rendered manifests do.
    dry_run: bool = False
    #: The manifests of before and after; not printed.
    old: Object | None = field(default=None, repr=False)
    new: Object | None = field(default=None, repr=False)


def inputs(stack: meta.Stack, spec: Spec, image: str | None, *, kubelet: bool) -> RenderInputs:
    """Return what stands for the things that only the operator knows, alike for the specs of before and after.

    A digest of Secrets is another where the spec names others, as the operator's is. `image` is the one that runs where
    the live spec names none; `kubelet` says whether container metrics are open.
    """
    names = meta.names(stack)
    started: dict[str, list[str]] = {}
    mounted: dict[str, list[str]] = {}
    for one in references(spec, names):
        (mounted if one.mounted else started).setdefault(one.component, []).append(f"{one.name}/{','.join(one.keys)}")
    for secret in secrets(stack, spec):
        if secret["metadata"]["name"] != names.digest_key:
            component = secret["metadata"]["labels"][meta.COMPONENT_LABEL]
            started.setdefault(component, []).append(secret["metadata"]["name"])
    files: dict[str, dict[str, str]] = {}
    for file in user_files(spec):
        files.setdefault(file.component, {})[file.target] = ""
    return RenderInputs(
        service_image=image or Settings().service_image,
        namespace_uid=NO_UID if kubelet else None,
        secret_digests={component: " ".join(sorted(names_)) for component, names_ in started.items()},
        mounted_digests={component: " ".join(sorted(names_)) for component, names_ in mounted.items()},
        user_files=files,
    )


def kubelet_is_open(live: Mapping[ObjectId, Object], spec: Spec, name: str) -> bool:
    """Return whether stacks get container metrics, as far as the live configuration of Prometheus tells."""
    data = live.get(("ConfigMap", name), {}).get("data", {})
    # A stack that has none says nothing about others.
    return spec.container_metrics == "none" or any(_KUBELET_JOB in text for text in data.values())


def rendered(stack: meta.Stack, spec: Spec, known: RenderInputs) -> dict[ObjectId, Object]:
    """Return what a spec becomes, by kind and name."""
    return {(one["kind"], one["metadata"]["name"]): one for one in render(stack, spec, known)}


def changes(old: Mapping[ObjectId, Object], new: Mapping[ObjectId, Object], missing: set[ObjectId]) -> list[Change]:
    """Return what becomes of each object; `missing` are those that are not in the cluster although they should be."""
    return [
        *(_change(one, old.get(one), new[one], missing=one in missing) for one in sorted(new)),
        *(_unwanted(one, old[one]) for one in sorted(old.keys() - new.keys())),
    ]


def _change(one: ObjectId, old: Object | None, new: Object, *, missing: bool) -> Change:
    def becomes(effect: Effect, why: str = "") -> Change:
        return Change(*one, new["metadata"]["labels"][meta.COMPONENT_LABEL], effect, why, old=old, new=new)

    if old is None or missing:
        return becomes(Effect.CREATED, "it is not in the cluster" if old else "")
    if old == new:
        return becomes(Effect.UNCHANGED)
    if new["kind"] == "Deployment":
        template = list(_reasons(old, new))
        if template:
            return becomes(Effect.RESTARTED, told(template))
    if new["kind"] == "ConfigMap":
        keys = _changed_keys(old, new)
        reloaded = [key for key in keys if key not in _restart_files()]
        if reloaded or not keys:
            return becomes(Effect.RELOADED, told(reloaded) or told(list(paths(old, new))))
        return becomes(Effect.UPDATED, told(keys))
    return becomes(Effect.UPDATED, told(list(paths(old, new))))


def _reasons(old: Object, new: Object) -> Iterator[str]:
    """Yield why the pods of a Deployment are replaced."""
    for path in paths(old["spec"]["template"], new["spec"]["template"]):
        yield "what it reads only when it starts" if path.endswith(meta.RESTART_ANNOTATION) else path


def _changed_keys(old: Object, new: Object) -> list[str]:
    ours, theirs = old.get("data", {}), new.get("data", {})
    return sorted(key for key in ours.keys() | theirs.keys() if ours.get(key) != theirs.get(key))


def _restart_files() -> set[str]:
    return {file.key for component in registry() for file in component.config if file.restarts}


def _unwanted(one: ObjectId, old: Object) -> Change:
    component = old["metadata"]["labels"][meta.COMPONENT_LABEL]
    generated = meta.GENERATE_ANNOTATION in old["metadata"].get("annotations", {})
    if one[0] in meta.KEEPS_DATA or generated:
        why = "the stack does not use it any more; it stays until you delete it"
        return Change(*one, component, Effect.KEPT, why, old=old)
    return Change(*one, component, Effect.DELETED, old=old)
