"""Names and labels: unique to a stack, and short enough."""

from __future__ import annotations

import re
from dataclasses import astuple

import pytest

from inventory_operator.api import metadata as meta

LONGEST = "a" + "b" * 39


def pods_of(deployment: str) -> list[str]:
    """Return names as Kubernetes makes them: a template hash of up to ten characters, cut to 58, five at random."""
    bases = [f"{deployment}-{'f7c9b5d6x8'[:length]}-" for length in (8, 9, 10)]
    return [base[:58] + "x2k4z" for base in bases]


def stacks_beginning_with(name: str) -> list[str]:
    """Return stacks in the same namespace whose children's names begin like those of `name`."""
    longer = [f"{name}-b", *(f"{name}-{suffix}" for suffix in ("inventory", "prometheus", "alertmanager", "grafana"))]
    padded = [f"{stack}-{'c' * 40}"[:40] for stack in longer]
    return [stack for stack in (*longer, *padded) if len(stack) <= 40 and stack != name and stack[-1] != "-"]


def deployments(stack: str) -> list[str]:
    names = meta.names(meta.Stack("ns", stack, "uid"))
    return [getattr(names, component) for component in meta.COMPONENTS]


@pytest.mark.parametrize("stack", ["a", "shop", "shop-b", "a" * 31, "a" * 33, "a" * 36, LONGEST])
def test_a_pod_pattern_matches_exactly_the_own_pods(stack: str) -> None:
    pattern = re.compile("|".join(meta.pod_pattern(deployment) for deployment in deployments(stack)))
    own = [pod for deployment in deployments(stack) for pod in pods_of(deployment)]
    assert [pod for pod in own if not pattern.fullmatch(pod)] == []
    others = [
        pod
        for other in stacks_beginning_with(stack)
        for deployment in deployments(other)
        for pod in pods_of(deployment)
    ]
    assert [pod for pod in others if pattern.fullmatch(pod)] == []


def test_names_of_the_longest_stack_fit() -> None:
    names = meta.names(meta.Stack("n" * 63, LONGEST, "uid"))
    assert all(len(name) <= 63 for name in astuple(names) if name != names.kubelet_binding)
    assert len(names.kubelet_binding) <= 253


def test_no_two_stacks_share_a_cluster_scoped_name() -> None:
    first, second = (meta.names(meta.Stack(*place, "uid")) for place in (("a-b", "c"), ("a", "b-c")))
    assert first.kubelet_binding != second.kubelet_binding


def test_selectors_of_two_stacks_never_meet() -> None:
    selectors = [meta.selector(meta.Stack("ns", stack, "uid"), "service") for stack in ("shop", "shop-b")]
    assert selectors[0] != selectors[1]
    assert selectors[0].keys() == selectors[1].keys()


def test_labels_contain_the_selector_and_no_version() -> None:
    stack = meta.Stack("ns", "shop", "uid")
    for component in (*meta.COMPONENTS, "stack"):
        labels = meta.labels(stack, component)
        assert meta.selector(stack, component).items() <= labels.items()
        assert not [label for label in labels if "version" in label]
