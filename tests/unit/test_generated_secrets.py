"""Generated Secrets: created once with random values, and never written over."""

from __future__ import annotations

import base64

from tests.framework.faulty_cluster import STACK, Object, live, manifest, secret

from inventory_operator.api import metadata as meta
from inventory_operator.controller.generated_secrets import with_values
from inventory_operator.kube.client import ApiError


async def test_generated_secrets_are_created_once_with_long_random_values(applier, cluster, store) -> None:
    await applier.create_secrets(STACK, [with_values(secret(user="YWRtaW4=")), manifest()])
    assert cluster.writes == ["create Secret shop-grafana"]
    data = cluster.sent[0]["data"]
    assert data.keys() == {"user", "admin-password", "token"}
    assert data["user"] == "YWRtaW4="
    assert data["admin-password"] != data["token"]
    assert all(len(base64.b64decode(data[key])) >= 32 for key in ("admin-password", "token"))
    await applier.create_secrets(STACK, [secret(user="YWRtaW4=")])
    assert len(cluster.writes) == 1


async def test_a_generated_secret_that_a_person_rotated_is_left_alone(applier, cluster, store) -> None:
    without_data = {key: value for key, value in secret().items() if key != "data"}
    store.observe({**live(without_data), "data": {"admin-password": "cm90YXRlZA=="}})
    assert await applier.create_secrets(STACK, [secret()]) == []
    assert (await applier.apply(STACK, [secret()]))[1] == []
    assert cluster.writes == []


async def test_new_labels_reach_a_generated_secret_without_its_data(applier, cluster, store) -> None:
    store.observe({**live(secret()), "data": {"admin-password": "cm90YXRlZA=="}})
    changed = secret(user="YWRtaW4=")
    changed["metadata"]["labels"]["new"] = "label"
    await applier.create_secrets(STACK, [changed])
    assert cluster.writes == ["apply Secret shop-grafana"]
    assert "data" not in cluster.sent[0]


async def test_a_generated_secret_that_is_to_outlive_its_stack_loses_its_owner(applier, cluster, store) -> None:
    owned, kept = secret(), secret()
    owned["metadata"]["ownerReferences"] = [meta.owner_reference(STACK)]
    store.observe(live(owned))
    assert await applier.create_secrets(STACK, [kept]) == []
    assert cluster.writes == ["apply Secret shop-grafana", "patch Secret shop-grafana"]
    references = [{"$patch": "delete", "uid": STACK.uid}]
    assert cluster.sent[1] == {"metadata": {"uid": "u-child", "ownerReferences": references}}


async def test_a_generated_secret_that_the_watches_do_not_show_yet_is_not_overwritten(applier, cluster) -> None:
    def appears(verb: str, _obj: Object) -> Exception | None:
        if verb != "create":
            return None
        cluster.objects["Secret", "shop-grafana"] = {**live(secret()), "data": {"admin-password": "b2xk"}}
        return ApiError(409, "AlreadyExists", "exists")

    cluster.fault = appears
    assert await applier.create_secrets(STACK, [secret()]) == []
    assert cluster.writes == ["create Secret shop-grafana"]
    assert cluster.objects["Secret", "shop-grafana"]["data"] == {"admin-password": "b2xk"}
