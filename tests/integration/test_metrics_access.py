"""Who reads what of other stacks in the operator's metrics, on a real API server with the operator's own rights."""

from __future__ import annotations

import re
from http import HTTPStatus

import pytest
import requests
from tests.framework.api import LABEL, PATIENCE, Api, eventually, stack
from tests.framework.operators import Operator, reader_token, token_of

pytestmark = pytest.mark.xdist_group("operator")

NAMED = re.compile(r'^inventory_operator_stack_condition\{.*namespace="([^"]+)".*stack="([^"]+)"', re.MULTILINE)


def ask(operator: Operator, query: str = "", token: str = "") -> requests.Response:
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    return requests.get(f"http://127.0.0.1:{operator.port}/metrics{query}", headers=headers, timeout=PATIENCE)


def named(operator: Operator, query: str = "", token: str = "") -> set[tuple[str, str]]:
    answer = ask(operator, query, token)
    assert answer.ok, answer.text
    assert "inventory_operator_leader" in answer.text
    return set(NAMED.findall(answer.text))


def without_pause(operator: Operator, token: str) -> requests.Response:
    """Ask once the pause after another refusal is over."""

    def asked() -> list[requests.Response]:
        answer = ask(operator, "", token)
        return [] if answer.status_code == HTTPStatus.TOO_MANY_REQUESTS else [answer]

    return eventually(asked, "its turn")[0]


def plays_pod(api: Api, namespace: str, name: str, of: str, address: str, **spec: object) -> None:
    """Make a pod of a stack, and play its kubelet."""
    api.create(
        {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": name, "labels": {LABEL: of}},
            "spec": {"containers": [{"name": "one", "image": "none"}], **spec},
        },
        namespace,
    )
    running = {"phase": "Running", "podIP": address, "podIPs": [{"ip": address}]}
    api.patch("Pod", namespace, name, {"status": running}, "status")


def test_stacks_are_named_to_who_may_read_all_and_to_their_own_pods(api, kubectl, operator, namespace, settled) -> None:
    token = reader_token(api, kubectl)
    for name in ("shop", "other"):
        api.apply(stack(name, spec={"paused": True}), namespace)
        settled(namespace, name)
    both = {(namespace, "shop"), (namespace, "other")}
    eventually(lambda: both <= named(operator, "", token), "both, to who may read all")
    assert named(operator) == set()
    assert named(operator, f"?namespace={namespace}&stack=shop") == set()
    assert "inventory_operator_stacks{" in ask(operator).text, "how many there are is no secret"
    # A pod of one's own with another stack's name is of one's own namespace; one on the node's network is nobody's.
    plays_pod(api, namespace, "on-the-node", "other", "127.0.0.1", hostNetwork=True)
    plays_pod(api, namespace, "prometheus", "shop", "127.0.0.1")
    own = f"?namespace={namespace}&stack=shop"
    eventually(lambda: named(operator, own) == {(namespace, "shop")}, "its own stack to be named to its pod")
    in_it = f"?namespace={namespace}"
    for other in ("", in_it, f"{in_it}&stack=other", "?namespace=default&stack=shop"):
        assert named(operator, other) == set(), other
    api.delete("Pod", namespace, "prometheus")
    eventually(lambda: named(operator, own) == set(), "nobody to have the address any more")


def test_a_token_that_is_not_enough_is_refused_and_is_in_no_log(api, kubectl, operator, namespace) -> None:
    """Each costs a pause, which holds also for a better one from the same address."""
    reader_token(api, kubectl)
    account = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "tenant"}}
    api.create(account, namespace)
    theirs = token_of(api, namespace, "tenant")
    answer = without_pause(operator, theirs)
    assert (answer.status_code, answer.text) == (
        403,
        f"system:serviceaccount:{namespace}:tenant may not get /metrics (a nonResourceURL)\n",
    )
    answer = without_pause(operator, "no.such.token")
    assert (answer.status_code, answer.text) == (401, "the API server does not accept this token\n")
    assert NAMED.search(answer.text) is None
    log = operator.log.read_text()
    assert theirs not in log
    assert "no.such.token" not in log
