"""What a support bundle of a stack holds: specs, statuses, events, logs and versions, each bounded; never a Secret."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import yaml

from inventory_cli.failure import FORBIDDEN, explained, shortened
from inventory_cli.findings import findings
from inventory_cli.live import children
from inventory_cli.redaction import redacted, values
from inventory_operator.api import metadata as meta
from inventory_operator.api.stack import InvalidSpec, parse
from inventory_operator.components import references
from inventory_operator.kube.client import TRANSIENT, ApiError
from inventory_operator.kube.kinds import EVENTS, PODS, REPLICA_SETS, SECRETS, of
from inventory_operator.manifests.render import secrets

if TYPE_CHECKING:
    from inventory_cli.raw import Raw
    from inventory_operator.kube.client import Cluster
    from inventory_operator.kube.kinds import Resource

Object = dict[str, Any]
MOST_PODS, MOST_EVENTS = 30, 500
#: Of the log of each container.
_LINES, _BYTES = "1000", 500_000
_BOOKKEEPING = ("managedFields",)
_OK = 200


async def contents(cluster: Cluster, raw: Raw, stack: Object) -> dict[str, str]:
    """Return the files of the bundle of a stack by their names; what may not be read is named in `missing.txt`."""
    namespace, name = stack["metadata"]["namespace"], stack["metadata"]["name"]
    missing: list[str] = []
    selector = {"labelSelector": f"{meta.STACK_LABEL}={name}"}
    live = await children(cluster, namespace, name)
    missing += [f"{kind}: not read, or your rights do not suffice" for kind in sorted(live.hidden)]
    pods = (await _listed(cluster, PODS, namespace, missing, **selector))[:MOST_PODS]
    sets = await _listed(cluster, REPLICA_SETS, namespace, missing, **selector)
    events = _of_stack(await _listed(cluster, EVENTS, namespace, missing), name)
    files = {
        "stack.yaml": _yaml([stack]),
        "explain.txt": "".join(
            f"{one.about} is {one.status}: {one.reason}: {one.message}\n" for one in findings(stack)
        ),
        "pods.yaml": _yaml(pods),
        "replicasets.yaml": _yaml(sets),
        "events.yaml": _yaml(events),
    }
    for kind in sorted({kind for kind, _ in live.objects}):
        found = [one for (of_kind, _), one in sorted(live.objects.items()) if of_kind == kind]
        files[f"{of(found[0]).plural}.yaml"] = _yaml(found)
    logs = await asyncio.gather(*(_logs(raw, pod, missing) for pod in pods))
    files |= {file: text for of_pod in logs for file, text in of_pod.items()}
    known = values(await _secrets(cluster, stack, missing))
    files = {file: redacted(text, known) for file, text in files.items()}
    return files | {"missing.txt": "".join(f"{line}\n" for line in missing)}


async def _listed(cluster: Cluster, kind: Resource, namespace: str, missing: list[str], **query: str) -> list[Object]:
    with explained(f"list {kind.plural}"):
        try:
            found, _ = await cluster.list(kind, namespace, **query)
        except ApiError as error:
            if error.code != FORBIDDEN:
                raise
            missing.append(f"{kind.plural}: your rights do not suffice")
            return []
    return found


def _of_stack(events: list[Object], name: str) -> list[Object]:
    """Return the newest events about the stack and about objects that are called after it."""
    found = [
        event
        for event in events
        if (about := str(event.get("involvedObject", {}).get("name", ""))) == name or about.startswith(f"{name}-")
    ]
    return sorted(found, key=lambda one: str(one.get("lastTimestamp") or one.get("eventTime") or ""))[-MOST_EVENTS:]


async def _logs(raw: Raw, pod: Object, missing: list[str]) -> dict[str, str]:
    """Return the last lines of each container of a pod, and of its run before where it was restarted."""
    metadata, spec = pod["metadata"], pod.get("spec", {})
    states = pod.get("status", {})
    restarted = {
        one["name"]
        for key in ("containerStatuses", "initContainerStatuses")
        for one in states.get(key) or ()
        if one.get("restartCount")
    }
    found = {}
    for container in [*spec.get("initContainers", ()), *spec.get("containers", ())]:
        for previous in (False, True) if container["name"] in restarted else (False,):
            what = f"{metadata['name']}/{container['name']}{'.previous' if previous else ''}"
            path = f"/api/v1/namespaces/{metadata['namespace']}/pods/{metadata['name']}/log"
            query = {"container": container["name"], "tailLines": _LINES, "limitBytes": str(_BYTES)}
            query |= {"previous": "true"} if previous else {}
            try:
                answer = await raw.ask(path, most_bytes=_BYTES, query=query)
            except TRANSIENT as error:
                missing.append(f"log of {what}: {type(error).__name__}")
                continue
            if answer.status == _OK and answer.text:
                found[f"logs/{what}.log"] = answer.text
            else:
                missing.append(f"log of {what}: {shortened(answer.text, 200) or 'nothing is in it'}")
    return found


async def _secrets(cluster: Cluster, stack: Object, missing: list[str]) -> list[Object]:
    """Return the Secrets that the stack uses, to take their values out of everything; where the user may read them."""
    metadata = stack["metadata"]
    of_stack = meta.Stack(metadata["namespace"], metadata["name"], metadata["uid"])
    try:
        spec = parse(stack)
    except InvalidSpec:
        return []
    names = {one.name for one in references(spec, meta.names(of_stack))}
    names |= {one["metadata"]["name"] for one in secrets(of_stack, spec)}
    found = []
    with explained("read Secrets"):
        for name in sorted(names):
            try:
                secret = await cluster.get(SECRETS, name, metadata["namespace"])
            except ApiError as error:
                if error.code != FORBIDDEN:
                    raise
                missing.append(f"Secret {name}: not readable, so only what looks like a credential was taken out")
                continue
            found += [secret] if secret else []
    return found


def _yaml(objects: list[Object]) -> str:
    for one in objects:
        for key in _BOOKKEEPING:
            one.get("metadata", {}).pop(key, None)
        one.get("metadata", {}).get("annotations", {}).pop("kubectl.kubernetes.io/last-applied-configuration", None)
    text: str = yaml.dump_all(objects, Dumper=yaml.CSafeDumper, sort_keys=False, allow_unicode=True)
    return text
