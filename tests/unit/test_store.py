"""What was seen: old news is dropped, what a list lacks is gone, and every change names its stack."""

from __future__ import annotations

from typing import Any

import pytest
from structlog.testing import capture_logs

from inventory_operator.api.metadata import APPLIED_ANNOTATION, KIND, STACK_LABEL, STACK_NAMESPACE_LABEL, Key
from inventory_operator.cache.store import FOR_EACH_STACK, WITHOUT_STACKS, Store
from inventory_operator.kube.kinds import CHILDREN, CONFIG_MAPS, STACKS

Object = dict[str, Any]
SHOP = ("ns", "shop")
SERVICES = next(resource for resource in CHILDREN if resource.kind == "Service")


def child(
    version: int, *, uid: str = "u1", kind: str = "Service", name: str = "web", stack: str = "shop", **more: Any
) -> Object:
    metadata = {
        "name": name,
        "namespace": "ns",
        "uid": uid,
        "labels": {STACK_LABEL: stack},
        "resourceVersion": str(version),
    }
    return {"kind": kind, "metadata": metadata, **more}


def stack(version: int, uid: str = "u1", name: str = "shop") -> Object:
    return {"kind": KIND, "metadata": {"name": name, "namespace": "ns", "uid": uid, "resourceVersion": str(version)}}


@pytest.fixture
def changed() -> list[Key]:
    return []


@pytest.fixture
def store(changed) -> Store:
    return Store(changed.append)


def test_a_child_is_kept_by_its_stack(store, changed) -> None:
    store.observe(child(5))
    assert store.of(SHOP)["Service", "web"].obj == child(5)
    assert store.of(SHOP)["Service", "web"].version == 5
    assert changed == [SHOP]
    assert store.of(("ns", "other")) == {}


@pytest.mark.parametrize("make", [child, stack])
def test_the_same_news_twice_and_older_news_change_nothing(store, changed, make) -> None:
    for version in (5, 5, 4, 10):
        store.observe(make(version))
    assert len(changed) == 2, "as numbers: 10 is newer than 5"
    known = store.stacks[SHOP] if make is stack else store.of(SHOP)["Service", "web"].obj
    assert known["metadata"]["resourceVersion"] == "10"


@pytest.mark.parametrize("make", [child, stack])
def test_a_deletion_is_news_but_for_a_late_one_and_that_of_a_predecessor(store, changed, make) -> None:
    store.observe(make(5))
    store.observe(make(4), gone=True)
    store.observe(make(9, uid="another"), gone=True)
    assert changed == [SHOP]
    store.observe(make(6), gone=True)
    assert changed == [SHOP, SHOP]
    assert SHOP not in store.stacks
    assert SHOP not in store.children, "no empty boxes are left"


def test_a_successor_takes_the_place(store) -> None:
    store.observe(child(5))
    store.observe(child(6, uid="u2"))
    assert store.of(SHOP)["Service", "web"].obj["metadata"]["uid"] == "u2"


def test_the_deletion_of_what_was_never_seen_is_harmless(store) -> None:
    store.observe(child(5), gone=True)
    store.observe(stack(5), gone=True)
    assert store.children == {}
    assert store.stacks == {}


def test_a_list_finds_what_is_gone_and_leaves_what_is_newer(store, changed) -> None:
    store.observe(child(5, uid="gone", name="gone"))
    store.observe(child(6, uid="stays", name="stays"))
    store.observe(child(21, uid="newer", name="newer"))
    store.observe(child(7, kind="Secret"))
    changed.clear()
    store.observe(child(6, uid="stays", name="stays"))
    store.observe(child(20, uid="new", name="new"))
    store.listed(SERVICES, {"stays", "new"}, list_version=20)
    assert {name for _, name in store.of(SHOP)} == {"stays", "newer", "new", "web"}
    assert changed == [SHOP, SHOP], "one came and one went"


def test_a_list_of_stacks_finds_what_is_gone(store) -> None:
    store.observe(stack(5))
    store.observe(stack(30, uid="u2", name="newer"))
    store.observe(child(5))
    store.listed(STACKS, set(), list_version=20)
    assert list(store.stacks) == [("ns", "newer")]
    assert store.of(SHOP), "children are not stacks"


def test_a_list_knows_a_successor_by_its_uid(store) -> None:
    store.observe(child(5, uid="old"))
    store.observe(child(9, uid="new"))
    store.listed(SERVICES, {"new"}, list_version=20)
    assert store.of(SHOP)["Service", "web"].obj["metadata"]["uid"] == "new"


def test_managed_fields_are_not_kept_with_the_object(store) -> None:
    seen = child(5)
    seen["metadata"]["managedFields"] = [{"manager": "inventory-operator", "fieldsV1": {"f:spec": {}}}]
    empty = child(6, name="other")
    store.observe(seen)
    store.observe(empty)
    kept, other = store.of(SHOP)["Service", "web"], store.of(SHOP)["Service", "other"]
    assert "managedFields" not in kept.obj["metadata"]
    assert "managedFields" in seen["metadata"], "what was seen is left as it was"
    assert kept.owned != other.owned


def test_a_cluster_scoped_child_belongs_to_the_stack_that_its_labels_name(store, changed) -> None:
    binding = child(5, kind="ClusterRoleBinding")
    del binding["metadata"]["namespace"]
    binding["metadata"]["labels"][STACK_NAMESPACE_LABEL] = "ns"
    store.observe(binding)
    assert changed == [SHOP]


def test_what_carries_no_label_of_ours_is_not_kept(store, changed) -> None:
    stranger = child(5)
    stranger["metadata"]["labels"] = {"app": "web"}
    store.observe(stranger)
    assert store.children == {}
    assert changed == []


def test_of_our_files_only_the_names_are_kept_and_of_users_files_all(store) -> None:
    data = {"alerts.rules.yml": "groups: []", "user-team_rules.yml.rules.yml": "groups: [1]"}
    store.observe(child(5, kind="ConfigMap", data=data))
    kept = {"alerts.rules.yml": "", "user-team_rules.yml.rules.yml": "groups: [1]"}
    assert store.of(SHOP)["ConfigMap", "web"].obj["data"] == kept


def test_of_kinds_whose_metadata_tells_all_nothing_else_is_kept(store) -> None:
    """Also of the answer to a write, which is the whole object."""
    store.observe(child(5, spec={"clusterIP": "10.0.0.1"}, apiVersion="v1"))
    assert store.of(SHOP)["Service", "web"].obj.keys() == {"apiVersion", "kind", "metadata"}


def config_map(n: int, version: int = 5, size: int = 0) -> Object:
    return child(version, kind="ConfigMap", name=f"m-{n}", uid=f"m-{n}", data={"user-a": "x" * size})


def kept(store: Store) -> int:
    return len(store.of(SHOP))


def test_a_namespace_can_not_fill_the_store_with_objects(store, changed) -> None:
    """It harms its own stacks only: what came before stays, as does all of other namespaces."""
    store.observe(child(5))
    with capture_logs() as logs:
        for n in range(WITHOUT_STACKS.objects + 50):
            store.observe(config_map(n))
    assert kept(store) == WITHOUT_STACKS.objects
    assert len(changed) == WITHOUT_STACKS.objects, "what is not kept wakes nobody"
    assert [(entry["log_level"], entry["namespace"]) for entry in logs] == [("warning", "ns")]
    elsewhere = child(5)
    elsewhere["metadata"]["namespace"] = "elsewhere"
    store.observe(elsewhere)
    assert store.of(("elsewhere", "shop"))


def test_a_namespace_can_not_fill_the_store_with_bytes(store) -> None:
    for n in range(10):
        store.observe(config_map(n, size=WITHOUT_STACKS.bytes // 8))
    assert kept(store) == 7


def test_an_object_that_grows_beyond_the_limit_is_kept_no_longer(store, changed) -> None:
    store.observe(config_map(1))
    store.observe(config_map(1, version=6, size=WITHOUT_STACKS.bytes))
    assert kept(store) == 0
    assert len(changed) == 2
    assert store.children == {}


def test_each_stack_lets_its_namespace_put_in_more(store) -> None:
    for n in range(2):
        store.observe(stack(5, uid=f"s{n}", name=f"shop-{n}"))
    more = WITHOUT_STACKS.objects + 2 * FOR_EACH_STACK.objects
    for n in range(more + 10):
        store.observe(config_map(n))
    assert kept(store) == more


def test_what_was_refused_is_listed_again_once_there_is_room(store) -> None:
    for n in range(WITHOUT_STACKS.objects + 50):
        store.observe(config_map(n))
    assert not store.wants_list(CONFIG_MAPS), "no list can help now"
    store.observe(config_map(0, version=6), gone=True)
    assert not store.wants_list(CONFIG_MAPS), "nor for each that goes"
    for n in range(1, WITHOUT_STACKS.objects // 5):
        store.observe(config_map(n, version=6), gone=True)
    assert store.wants_list(CONFIG_MAPS)
    assert not store.wants_list(CONFIG_MAPS), "one list is enough"
    assert not store.wants_list(SERVICES)


def test_what_goes_and_comes_again_counts_once(store) -> None:
    for version in range(5, 25, 2):
        store.observe(config_map(1, version, size=WITHOUT_STACKS.bytes // 3))
        assert kept(store) == 1
        store.observe(config_map(1, version + 1), gone=True)
    for n in range(2):
        store.observe(config_map(n, version=100, size=WITHOUT_STACKS.bytes // 3))
    assert kept(store) == 2


def created(version: int, digest: str = "d1") -> Object:
    made = child(version)
    made["metadata"]["annotations"] = {APPLIED_ANNOTATION: digest}
    return made


def test_nobody_is_told_of_a_child_that_the_pass_creates_itself(store, changed) -> None:
    with store.expecting(created(0)):
        store.observe(created(5))  # the watch is faster than the answer
        assert store.answered(created(5)).version == 5
    assert changed == []
    store.observe(created(5))
    assert changed == [], "known by then"


@pytest.mark.parametrize(
    "news",
    [created(6, "d2"), created(6)],
    ids=["somebody else's of that name", "a change of it"],
)
def test_all_else_that_is_seen_of_it_meanwhile_is_told(store, changed, news) -> None:
    with store.expecting(created(0)):
        if news == created(6):
            store.observe(created(5))
        store.observe(news)
    assert changed == [SHOP]


def test_a_child_that_goes_while_it_is_created_is_told(store, changed) -> None:
    with store.expecting(created(0)):
        store.observe(created(5))
        store.observe(created(6), gone=True)
    assert changed == [SHOP]


def test_once_the_request_has_ended_a_child_is_told_as_always(store, changed) -> None:
    with pytest.raises(TimeoutError), store.expecting(created(0)):
        raise TimeoutError
    store.observe(created(5))
    assert changed == [SHOP]


def test_nobody_is_told_of_a_status_that_the_pass_writes_itself(store, changed) -> None:
    store.observe(stack(5))
    status = {"conditions": [{"type": "Ready", "status": "False"}]}
    with store.expecting(stack(0) | {"status": status}):
        store.observe(stack(6) | {"status": status})
    assert changed == [SHOP], "only of the stack"
    assert store.stacks[SHOP]["status"] == status


@pytest.mark.parametrize(
    "more",
    [{"status": {"conditions": []}}, {"spec": {"paused": True}}, {}],
    ids=["another status", "another spec", "none"],
)
def test_all_else_that_is_seen_of_a_stack_meanwhile_is_told(store, changed, more) -> None:
    store.observe(stack(5))
    written = {"status": {"conditions": [{"type": "Ready", "status": "False"}]}}
    with store.expecting(stack(0) | written):
        store.observe(stack(6) | (written if "spec" in more else {}) | more)
    assert changed == [SHOP, SHOP]


def test_an_answer_that_came_late_is_returned_as_it_is_and_not_kept(store) -> None:
    store.observe(created(7, "d2"))
    assert store.answered(created(6)).version == 6
    assert store.of(SHOP)["Service", "web"].version == 7
