"""The faults as data: the stack, what is done to it, how that is undone, and the one alert that is expected."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any

from tests.faults.evidence import Expectation
from tests.faults.fixture import STACK, STOCK

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.faults.fixture import StackFixture

    Act = Callable[[StackFixture], object]

_AVAILABILITY = {"availability": "99.9"}
_LATENCY = {"latency": {"threshold": "300ms", "objective": "99"}}
SLO = {"alerting": {"slo": {**_AVAILABILITY, **_LATENCY}}}
#: Half a gigabyte is the least, and nearly so much seems to be in its write-ahead log.
_SMALL_VOLUME = {"prometheus": {"storage": {"size": "512Mi"}}}
_FILLER = "/prometheus/wal/filler"
_FILLER_MIB = 505
_RULES = "house-rules"
GOOD_GROUP, BAD_GROUP = "house", "broken"
_GOOD = f'groups: [{{name: {GOOD_GROUP}, rules: [{{record: "house:targets:count", expr: count(up)}}]}}]\n'
_NO_RULE = f'groups: [{{name: {BAD_GROUP}, rules: [{{record: "house:broken:sum", expr: "sum("}}]}}]\n'
#: Well written, and yet each side has several series for one namespace.
_FAILING = 'groups: [{name: failing, rules: [{record: "house:up:squared", expr: up * on (namespace) up}]}]\n'


def nothing(_: StackFixture) -> None:
    """Do nothing."""


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault; `named` are the words of a status and of an Event where the operator refuses what was asked."""

    name: str
    what: str
    expected: Expectation
    inject: Act
    recover: Act
    spec: dict[str, Any] = field(default_factory=dict)
    prepare: Act = nothing
    named: tuple[str, ...] = ()
    #: The image that can misbehave instead of the shipped one.
    faulty: bool = False
    #: Requests per second, before and during the fault, and after it.
    rate: float = 1.0
    rate_after: float = 1.0
    #: Seconds: of quiet before; until delivery at most; of the fault at least, for slower alerts; until resolved.
    quiet: float = 150.0
    delivered_within: float = 480.0
    lasts: float = 240.0
    resolved_within: float = 780.0


def _ask_for(fixture: StackFixture, fault: str, every: int) -> None:
    fixture.load.fault = (fault, every)


def _ask_for_nothing(fixture: StackFixture) -> None:
    fixture.load.fault = None


def _set_stock(fixture: StackFixture, level: int) -> None:
    fixture.set_stock(level)


def _bad_image(fixture: StackFixture) -> None:
    fixture.apply(service={"image": "registry.invalid/inventory-service:none"})


def _as_before(fixture: StackFixture) -> None:
    fixture.apply()


def _good_rule(fixture: StackFixture) -> None:
    fixture.config_map(_RULES, good_yml=_GOOD)


def _add_rule(fixture: StackFixture, text: str) -> None:
    fixture.config_map(_RULES, good_yml=_GOOD, other_yml=text)
    keys = ("good.yml", "other.yml")
    fixture.apply(prometheus={"additionalRules": [{"name": _RULES, "key": key} for key in keys]})


def _fill(fixture: StackFixture) -> None:
    """Let the write-ahead log seem large: the file is sparse, so it takes nothing of the host's disk."""
    fixture.in_prometheus("dd", "if=/dev/null", f"of={_FILLER}", "bs=1M", "count=0", f"seek={_FILLER_MIB}")
    taken = int(fixture.in_prometheus("stat", "-c", "%b", _FILLER))
    assert taken == 0, f"the file is not sparse: {taken} blocks"


def _empty(fixture: StackFixture) -> None:
    fixture.in_prometheus("rm", "-f", _FILLER)


def _peer_away(fixture: StackFixture) -> None:
    fixture.apply(paused=True)
    fixture.scale(f"{STACK}-alertmanager-1", 0)


def _house_rules(*keys: str) -> dict[str, Any]:
    return {"prometheus": {"additionalRules": [{"name": _RULES, "key": key} for key in keys]}}


FAULTS = (
    Fault(
        name="service-down",
        what="the service's image can't be pulled: no pod of it answers",
        expected=Expectation("InventoryDown"),
        inject=_bad_image,
        recover=_as_before,
        lasts=420.0,
    ),
    Fault(
        name="errors",
        what="every fifth request is answered with 500; no SLO in the spec",
        expected=Expectation("ServiceErrorsHigh"),
        inject=partial(_ask_for, fault="error", every=5),
        recover=_ask_for_nothing,
        faulty=True,
        rate=4.0,
        rate_after=4.0,
    ),
    Fault(
        name="latency",
        what="every second request takes 1.5 s longer; no SLO in the spec",
        expected=Expectation("ServiceSlow"),
        inject=partial(_ask_for, fault="sleep=1.5", every=2),
        recover=_ask_for_nothing,
        faulty=True,
        rate=4.0,
        rate_after=4.0,
    ),
    Fault(
        name="errors-slo",
        what="every 20th request is answered with 500; availability 99.9 in the spec",
        expected=Expectation("AvailabilityBudgetBurnFast", frozenset({"AvailabilityBudgetBurnSlow"})),
        spec={"alerting": {"slo": _AVAILABILITY}},
        inject=partial(_ask_for, fault="error", every=20),
        recover=_ask_for_nothing,
        faulty=True,
        rate=4.0,
        rate_after=36.0,
        lasts=0.0,
        resolved_within=2100.0,
    ),
    Fault(
        name="latency-slo",
        what="every second request takes 0.6 s longer; latency 300ms, 99 in the spec",
        expected=Expectation("LatencyBudgetBurnFast", frozenset({"LatencyBudgetBurnSlow"})),
        spec={"alerting": {"slo": _LATENCY}},
        inject=partial(_ask_for, fault="sleep=0.6", every=2),
        recover=_ask_for_nothing,
        faulty=True,
        rate=4.0,
        rate_after=24.0,
        lasts=0.0,
        resolved_within=2100.0,
    ),
    Fault(
        name="low-stock",
        what=f"the stock of a product goes from {STOCK} to 5, below the threshold of 10",
        expected=Expectation("ProductLowStock"),
        inject=partial(_set_stock, level=5),
        recover=partial(_set_stock, level=STOCK),
    ),
    Fault(
        name="out-of-stock",
        what=f"the stock of a product goes from {STOCK} to 0",
        expected=Expectation("ProductOutOfStock"),
        inject=partial(_set_stock, level=0),
        recover=partial(_set_stock, level=STOCK),
    ),
    Fault(
        name="bad-rule",
        what="a user's rule file that promtool refuses is added beside a good one",
        expected=Expectation(None),
        spec=_house_rules("good.yml"),
        prepare=_good_rule,
        inject=partial(_add_rule, text=_NO_RULE),
        recover=_as_before,
        named=(_RULES, "other.yml"),
    ),
    Fault(
        name="failing-rule",
        what="a user's rule that promtool accepts, and that fails whenever it is evaluated",
        expected=Expectation("PrometheusRuleFailures"),
        spec=_house_rules("good.yml"),
        prepare=_good_rule,
        inject=partial(_add_rule, text=_FAILING),
        recover=_as_before,
    ),
    Fault(
        name="disk-filling",
        what=f"{_FILLER_MIB} MiB (sparse) in the write-ahead log of a Prometheus with a volume of 512Mi",
        expected=Expectation("PrometheusStorageFilling"),
        spec=_SMALL_VOLUME,
        inject=_fill,
        recover=_empty,
    ),
    Fault(
        name="alertmanager-away",
        what="one of two Alertmanagers is gone, and the operator is paused",
        expected=Expectation("AlertmanagerDown"),
        spec={"alerting": {"replicas": 2}},
        inject=_peer_away,
        recover=_as_before,
    ),
)
