"""Each verb refused on each kind of child: told with its sentence while the rest goes on, and healed afterwards."""

from __future__ import annotations

import contextlib
import itertools
from typing import TYPE_CHECKING, Any

import pytest
from tests.framework.api import PATHS, Api, eventually, stack
from tests.framework.refusals import policy, told
from tests.framework.stacks import EXTERNAL, database_secret

from inventory_operator.api import metadata as meta

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

pytestmark = pytest.mark.xdist_group("second-operator")
Object = dict[str, Any]
#: A child of each kind in a namespace. ClusterRoleBindings are in none.
CHILDREN = {
    "ConfigMap": "shop-prometheus",
    "Deployment": "shop-inventory",
    "HorizontalPodAutoscaler": "shop-inventory",
    "Ingress": "shop-inventory",
    "NetworkPolicy": "shop-prometheus",
    "PersistentVolumeClaim": "shop-prometheus",
    "PodDisruptionBudget": "shop-inventory",
    "Role": "shop-prometheus",
    "RoleBinding": "shop-prometheus",
    "Secret": "shop-grafana",
    "Service": "shop-inventory",
    "ServiceAccount": "shop-prometheus",
}
SPEC = {
    **EXTERNAL,
    "service": {**EXTERNAL["service"], "autoscaling": {"minReplicas": 2, "maxReplicas": 4}},
    "ingress": {"hosts": {"service": "shop.example.com"}},
}
#: What the operator never deletes holds data that can't be had again.
PRUNED = CHILDREN.keys() - {"PersistentVolumeClaim", "Secret"}
#: What a namespace's labels name is refused to the operator; others may write.
KIND, NAME, VERB = (f"example.com/refused-{what}" for what in ("kind", "name", "verb"))
LEFT_OVER = "shop-left-over"
OPERATOR = "system:serviceaccount:inventory-system:inventory-operator"
_numbers = itertools.count(1)


def resource(kind: str) -> str:
    return PATHS[kind].rpartition("/")[2]


def sentence(verb: str, kind: str) -> str:
    return f"nobody may {verb} {resource(kind)} today"


@contextlib.contextmanager
def refusals(api: Api, verb: str) -> Iterator[None]:
    """Refuse a verb on the object that each namespace's labels name."""
    rule = {"apiGroups": ["*"], "apiVersions": ["*"], "operations": [verb], "resources": ["*"]}
    labels = "namespaceObject.metadata.labels"
    validation = {
        "expression": f"request.resource.resource != {labels}['{KIND}'] || request.name != {labels}['{NAME}']",
        "messageExpression": f"'nobody may {verb} ' + request.resource.resource + ' today'",
        "reason": "Forbidden",
    }
    spec = {
        "matchConstraints": {"resourceRules": [rule]},
        "matchConditions": [
            {"name": "operator", "expression": f"request.userInfo.username == '{OPERATOR}'"},
            # A namespaceSelector lets through what is in no namespace.
            {"name": "namespaced", "expression": "has(request.namespace)"},
        ],
        "validations": [validation],
    }
    with policy(api, f"refuses-{verb.lower()}", spec, {VERB: verb}):
        yield


@pytest.fixture
def namespaces(api: Api, operator: Any) -> Iterator[Callable[..., dict[str, str]]]:
    """A namespace for each kind, whose labels name a child of that kind and a verb."""
    made: list[str] = []

    def make(verb: str, refused: Mapping[str, str] = CHILDREN) -> dict[str, str]:
        found = {}
        for kind, child in refused.items():
            name = f"{verb.lower()}-{resource(kind)}-{next(_numbers)}"
            labels = {VERB: verb, KIND: resource(kind), NAME: child}
            api.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}})
            made.append(name)
            api.create(database_secret(), name)
            found[kind] = name
        return found

    yield make
    for name in made:
        if api.get("InventoryStack", name, "shop"):
            api.delete("InventoryStack", name, "shop")
        api.delete("Namespace", None, name)


@pytest.fixture
def as_operator(operator_kubeconfig: Any) -> Api:
    return Api(operator_kubeconfig)


def wait_until_told(api: Api, namespaces: dict[str, str], verb: str, names: dict[str, str]) -> None:
    for kind, namespace in namespaces.items():
        of = (namespace, f"{kind} {names[kind]}", sentence(verb, kind))
        eventually(lambda of=of: told(api, *of), f"{of} in the status")


def wait_until_healed(api: Api, namespaces: dict[str, str], verb: str) -> None:
    for kind, namespace in namespaces.items():
        of = (namespace, kind, sentence(verb, kind))
        eventually(lambda of=of: not told(api, *of), f"{of} to leave the status")


def wait_until_in_force(as_operator: Api, path: str, method: str, body: Object | None, text: str) -> None:
    """Wait until the API server heeds a policy: it reads new ones every second."""
    content_type = "application/merge-patch+json" if method == "PATCH" else "application/json"

    def refused() -> bool:
        return text in as_operator.request(method, path, body, content_type, dryRun="All").text

    eventually(refused, f"{method} {path} to be refused")


def components(api: Api, namespace: str) -> dict[tuple[str, str], str]:
    """The component of each child."""
    children = api.children(namespace, "shop")
    return {key: obj["metadata"]["labels"][meta.COMPONENT_LABEL] for key, obj in children.items()}


def test_each_kind_that_may_not_be_created(api, namespaces, as_operator, namespace, settled) -> None:
    api.create(database_secret(), namespace)
    api.apply(stack(spec=SPEC), namespace)
    settled(namespace)
    whole = components(api, namespace)
    assert whole.keys() >= set(CHILDREN.items())
    with refusals(api, "CREATE"):
        refused = namespaces("CREATE")
        role = {"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "Role", "metadata": {"name": CHILDREN["Role"]}}
        where = api.path("Role", refused["Role"])
        wait_until_in_force(as_operator, where, "POST", role | {"rules": []}, sentence("CREATE", "Role"))
        for one in refused.values():
            api.apply(stack(spec=SPEC), one)
        wait_until_told(api, refused, "CREATE", CHILDREN)
        for kind, one in refused.items():
            component = whole[kind, CHILDREN[kind]]
            made = components(api, one)
            assert (kind, CHILDREN[kind]) not in made
            assert {key for key, other in whole.items() if other != component} <= made.keys(), kind
    for one in refused.values():
        eventually(lambda one=one: components(api, one) == whole, f"all that {one} waits for")
    wait_until_healed(api, refused, "CREATE")


def test_each_kind_that_may_not_be_updated(api, namespaces, as_operator, settled) -> None:
    refused = namespaces("UPDATE")
    for one in refused.values():
        api.apply(stack(spec=SPEC), one)
    for one in refused.values():
        settled(one)
    label = "app.kubernetes.io/managed-by"
    without = {"metadata": {"labels": {label: None}}}
    with refusals(api, "UPDATE"):
        wait_until_in_force(
            *(as_operator, api.path("Role", refused["Role"], "shop-prometheus"), "PATCH", without),
            sentence("UPDATE", "Role"),
        )
        others = {kind: "Role" if kind == "ServiceAccount" else "ServiceAccount" for kind in refused}
        for kind, one in refused.items():
            for patched in (kind, others[kind]):
                api.patch(patched, one, CHILDREN[patched], without)
        wait_until_told(api, refused, "UPDATE", CHILDREN)
        for kind, one in refused.items():
            other = others[kind]
            assert label not in api.get(kind, one, CHILDREN[kind])["metadata"]["labels"]
            eventually(
                lambda one=one, other=other: label in api.get(other, one, CHILDREN[other])["metadata"]["labels"],
                f"the {other} to be repaired beside the {kind}",
            )
    for kind, one in refused.items():
        eventually(
            lambda one=one, kind=kind: label in api.get(kind, one, CHILDREN[kind])["metadata"]["labels"],
            f"the {kind} to be repaired",
        )
    wait_until_healed(api, refused, "UPDATE")


def test_each_kind_that_may_not_be_deleted(api, namespaces, as_operator, settled) -> None:
    refused = namespaces("DELETE", dict.fromkeys(PRUNED, LEFT_OVER))
    for one in refused.values():
        api.apply(stack(spec=SPEC), one)
    for one in refused.values():
        settled(one)
    with refusals(api, "DELETE"):
        where = refused["Role"]
        foreign = {"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "Role", "metadata": {"name": LEFT_OVER}}
        api.create(foreign | {"rules": []}, where)
        role = api.path("Role", where, LEFT_OVER)
        wait_until_in_force(as_operator, role, "DELETE", None, sentence("DELETE", "Role"))
        api.delete("Role", where, LEFT_OVER)
        # What an earlier version of the operator made, and this one does not.
        for kind, one in refused.items():
            left_over(api, as_operator, one, kind)
        wait_until_told(api, refused, "DELETE", dict.fromkeys(PRUNED, LEFT_OVER))
        for kind, one in refused.items():
            api.delete("Role", one, "shop-prometheus")
            assert api.get(kind, one, LEFT_OVER)
        for one in refused.values():
            eventually(lambda one=one: api.get("Role", one, "shop-prometheus"), f"the Role of {one}")
    for kind, one in refused.items():
        eventually(lambda kind=kind, one=one: not api.get(kind, one, LEFT_OVER), f"the {kind} to go")
    wait_until_healed(api, refused, "DELETE")


def left_over(api: Api, as_operator: Api, namespace: str, kind: str) -> None:
    """Let the operator's user make an object as its children are, of a name that no child has."""
    child = api.get(kind, namespace, CHILDREN[kind])
    assert child
    metadata = {
        "name": LEFT_OVER,
        **{key: child["metadata"].get(key) for key in ("labels", "annotations", "ownerReferences")},
    }
    content = {key: value for key, value in child.items() if key not in {"metadata", "status"}}
    if kind == "Service":
        content["spec"] = {key: value for key, value in content["spec"].items() if "clusterIP" not in key}
    answer = as_operator.request(
        *("POST", api.path(kind, namespace), {**content, "metadata": metadata}), fieldManager=meta.FIELD_MANAGER
    )
    assert answer.ok, answer.text
