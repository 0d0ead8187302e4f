"""`rbac`: the rights that a person needs to create what a spec needs, as a Role."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from inventory_cli import options, output, stacks
from inventory_cli.failure import OK
from inventory_operator.api import metadata as meta
from inventory_operator.components import references, user_files
from inventory_operator.kube.kinds import CLUSTERS, CONFIG_MAPS, EVENTS, PODS, REPLICA_SETS, SECRETS, STACKS, Resource

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from inventory_cli.stacks import StackFile

Object = dict[str, Any]
#: What kubectl create, apply, edit, wait and delete send about an object that they know by its name.
_OF_STACK = ("get", "list", "watch", "patch", "update", "delete")
_OF_OTHERS = ("get", "patch", "update")
_RBAC = "rbac.authorization.k8s.io"

EXAMPLES = """
kubectl inventory rbac -f shop.yaml -n shop
kubectl inventory rbac -f shop.yaml -n shop --user ada --group shopkeepers | kubectl apply -f -
kubectl inventory rbac -f shop.yaml -n shop --inspect --user ada
"""


@click.command("rbac", cls=options.Command, short_help="Print the rights that a file needs.", examples=EXAMPLES)
@options.one_file
@click.option("-n", "--namespace", default="default", show_default=True, help="Namespace of a stack that names none.")
@click.option("--user", "users", multiple=True, help="A user to bind the Role to; can be repeated.")
@click.option("--group", "groups", multiple=True, help="A group to bind it to; can be repeated.")
@click.option("--inspect", is_flag=True, help="Also the rights that status, explain, open, report, top and verify use.")
@options.output("yaml", "json")
def command(  # noqa: PLR0913 - one for each option
    file: Path, namespace: str, users: Sequence[str], groups: Sequence[str], form: str, *, inspect: bool
) -> int:
    """Print the exact rights that a person needs to create the stack of a file and what its spec names.

    That is the stack itself, and the Secrets and ConfigMaps that its spec refers to; what comes of the stack is created
    by the operator, with its own rights. A right to create can't be restricted to a name: Kubernetes has no such rule.
    """
    one = stacks.read_one(file)
    role = _role(one, one.namespace(namespace), inspect=inspect)
    subjects = [*(("User", user) for user in users), *(("Group", group) for group in groups)]
    output.objects([role, *([_binding(role, subjects)] if subjects else [])], form)
    return OK


def _role(one: StackFile, namespace: str, *, inspect: bool) -> Object:
    spec, names = one.spec(), meta.names(one.identity(namespace))
    secrets = sorted({found.name for found in references(spec, names) if not found.created_by_stack})
    maps = sorted({found.name for found in user_files(spec)})
    rules = [_rule(STACKS, ["create"]), _rule(STACKS, _OF_STACK, [one.name])]
    for resource, named in ((SECRETS, secrets), (CONFIG_MAPS, maps)):
        if named:
            rules += [_rule(resource, ["create"]), _rule(resource, _OF_OTHERS, named)]
    if inspect:
        rules += _inspecting(one, names)
    metadata = {"name": f"inventorystack-{one.name}", "namespace": namespace}
    return {"apiVersion": f"{_RBAC}/v1", "kind": "Role", "metadata": metadata, "rules": rules}


def _inspecting(one: StackFile, names: meta.Names) -> list[Object]:
    """Return the rules for looking at what the stack consists of; no Secret is among it but Grafana's login."""
    spec = one.spec()
    rules = [
        _rule(PODS, ["get", "list"]),
        _rule(PODS, ["get"], subresource="log"),
        _rule(PODS, ["create"], subresource="portforward"),
        _rule(PODS, ["get", "create"], subresource="proxy"),
        _rule(EVENTS, ["list"]),
        _rule(REPLICA_SETS, ["list"]),
        *(_rule(Resource(version, "", plural), ["get", "list"]) for version, plural in _CHILDREN),
    ]
    if spec.service.database.cloud_native_pg:
        rules.append(_rule(CLUSTERS, ["get", "list"]))
    if spec.grafana.enabled:
        rules.append(_rule(SECRETS, ["get"], [spec.grafana.admin_secret_name or names.grafana]))
    return rules


#: What commands read of a stack beside its pods.
_CHILDREN = (
    ("v1", "configmaps"),
    ("v1", "persistentvolumeclaims"),
    ("v1", "services"),
    ("apps/v1", "deployments"),
    ("autoscaling/v2", "horizontalpodautoscalers"),
    ("networking.k8s.io/v1", "networkpolicies"),
)


def _rule(
    resource: Resource, verbs: Iterable[str], names: Sequence[str] = (), *, subresource: str | None = None
) -> Object:
    plural = f"{resource.plural}/{subresource}" if subresource else resource.plural
    rule: Object = {"apiGroups": [resource.group], "resources": [plural], "verbs": list(verbs)}
    return rule | ({"resourceNames": list(names)} if names else {})


def _binding(role: Object, subjects: Iterable[tuple[str, str]]) -> Object:
    return {
        "apiVersion": f"{_RBAC}/v1",
        "kind": "RoleBinding",
        "metadata": role["metadata"],
        "roleRef": {"apiGroup": _RBAC, "kind": "Role", "name": role["metadata"]["name"]},
        "subjects": [{"apiGroup": _RBAC, "kind": kind, "name": name} for kind, name in subjects],
    }
