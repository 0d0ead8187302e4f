"""`verify`: the operator's checklist, run now, from where the user is; with `--load`, known traffic is found again."""

from __future__ import annotations

import asyncio
import re
import sys
import time
from typing import TYPE_CHECKING, Any

import aiohttp
import click
from rich.console import Console
from rich.progress import Progress

from inventory_cli import load, options, output
from inventory_cli.asking import ProxyAsk
from inventory_cli.connection import Access, run, stack_named
from inventory_cli.failure import NO_ACCESS, NOT_AS_IT_SHOULD_BE, OK, Failure, explained
from inventory_cli.foretelling import kubelet_is_open
from inventory_cli.live import children
from inventory_cli.raw import UnexpectedAnswerError
from inventory_cli.tree import line
from inventory_operator.api import metadata as meta
from inventory_operator.api.quantities import duration_seconds
from inventory_operator.api.stack import InvalidSpec, parse
from inventory_operator.components.prometheus import PROMETHEUS
from inventory_operator.components.service import SERVICE
from inventory_operator.kube.kinds import PODS, REPLICA_SETS
from inventory_operator.kube.pods import is_ready
from inventory_operator.kube.timestamps import timestamp
from inventory_operator.settings import Settings
from inventory_operator.verification.answer import Answer, Outcome
from inventory_operator.verification.checklist import CHECKS, Memory, Round
from inventory_operator.verification.cluster_reads import ClusterReads
from inventory_operator.verification.subject import Subject

if TYPE_CHECKING:
    from inventory_cli.raw import Raw
    from inventory_operator.kube.client import Cluster

Object = dict[str, Any]
#: Seconds in which a check may come to an answer that needs more than one look, and between two looks.
_PATIENCE, _PAUSE = 20.0, 3.0
_STYLES = {Outcome.PASSED: "green", Outcome.FAILED: "red", Outcome.UNKNOWN: "yellow", Outcome.SKIPPED: "dim"}
#: Seconds of traffic, at most.
_LONGEST_LOAD = 600

EXAMPLES = """
kubectl inventory verify shop -n shop
kubectl inventory verify shop -n shop --load 60s
kubectl inventory verify shop -n shop -o json
"""


class _Seconds(click.ParamType[float]):
    """A duration like 60s or 2m."""

    name = "duration"

    def convert(self, value: Any, _: click.Parameter | None, __: click.Context | None) -> float:
        """Return the seconds."""
        text = str(value)
        seconds = float(duration_seconds(text)) if re.fullmatch(r"[0-9]{1,4}(s|m)", text) else 0.0
        if not 0 < seconds <= _LONGEST_LOAD:
            self.fail(f"expected a duration like 60s, at most {_LONGEST_LOAD}s, got {text[:20]!r}")
        return seconds


@click.command("verify", cls=options.Command, short_help="Run the checklist of a stack now.", examples=EXAMPLES)
@options.stack_name()
@click.option(
    "--load", "load_seconds", type=_Seconds(), help="Send known traffic for so long first, and find it again."
)
@options.output("table", "json", "yaml")
@options.access
def command(access: Access, *, name: str, load_seconds: float | None, form: str) -> int:
    """Run the operator's checklist of a stack now, through the API server with your own rights (get on pods/proxy).

    With --load known requests are sent first, to paths that the service does not have: they change nothing and harm no
    objective. Then exactly these have to be in the metrics of each pod and in Prometheus. The exit code is 1 unless
    every check passes, or is skipped with a reason.
    """
    try:
        return run(_Verification(access, name, form, load_seconds).run())
    except (aiohttp.ClientError, TimeoutError) as error:
        words = str(error) or type(error).__name__
        raise Failure(f"can't ask the pods: no usable answer from the API server: {words}", NO_ACCESS) from None
    except UnexpectedAnswerError as error:
        raise Failure(str(error)) from None


class _Verification:
    """One run of the command."""

    def __init__(self, access: Access, name: str, form: str, load_seconds: float | None) -> None:
        self._access, self._name, self._form, self._load_seconds = access, name, form, load_seconds
        self._console = output.console()
        #: What the operator has found out.
        self._status: Object = {}

    async def run(self) -> int:
        """Check, and print each answer as it comes; returns the exit code."""
        async with self._access.cluster() as cluster, self._access.raw() as raw:
            subject, settings = await self._subject(cluster)
            found = await self._load(raw, subject) if self._load_seconds else []
            answers = await self._answers(cluster, raw, subject, settings)
        bad = any(one.outcome in {Outcome.FAILED, Outcome.UNKNOWN} for one in answers) or any(
            one.problem for one in found
        )
        counted = [one for one in answers if one.outcome is not Outcome.SKIPPED]
        passed = sum(one.outcome is Outcome.PASSED for one in counted)
        if self._form == "table":
            self._console.print(line((f"{passed}/{len(counted)} checks passed", "bold red" if bad else "bold green")))
        else:
            load_ = [
                {
                    "pod": one.pod,
                    "sent": one.sent,
                    "pods": one.counted,
                    "prometheus": one.in_prometheus,
                    "problem": one.problem,
                }
                for one in found
            ]
            checks = [
                {"check": one.check, "status": str(one.outcome), "reason": one.reason, "message": one.message}
                for one in answers
            ]
            output.data({"summary": f"{passed}/{len(counted)}", "checks": checks, "load": load_}, self._form)
        return NOT_AS_IT_SHOULD_BE if bad else OK

    async def _subject(self, cluster: Cluster) -> tuple[Subject, Settings]:
        namespace = self._access.namespace
        raw = await stack_named(cluster, namespace, self._name)
        self._status = raw.get("status", {}).get("verification") or {}
        try:
            spec = parse(raw)
        except InvalidSpec as error:
            raise Failure(f"the spec is invalid: {error}") from None
        live = await children(cluster, namespace, self._name)
        if hidden := live.hidden & {"Deployment", "ConfigMap"}:
            raise Failure(f"your rights do not suffice to list {', '.join(sorted(hidden))}", NO_ACCESS)
        selector = {"labelSelector": f"{meta.STACK_LABEL}={self._name}"}
        with explained("list pods"):
            pods, _ = await cluster.list(PODS, namespace, **selector)
            sets, _ = await cluster.list(REPLICA_SETS, namespace, **selector)
        stack = meta.Stack(namespace, self._name, raw["metadata"]["uid"])
        prometheus = meta.names(stack).prometheus
        # The administrator's setting is seen in what the operator made.
        settings = Settings(allow_kubelet_metrics=kubelet_is_open(live.objects, spec, prometheus))
        return Subject(stack, spec, (*live.objects.values(), *pods, *sets)), settings

    async def _answers(self, cluster: Cluster, raw: Raw, subject: Subject, settings: Settings) -> list[Answer]:
        """Return the answer of each check; one that needs another look gets it for a while."""
        memory, deadline = Memory(), time.monotonic() + _PATIENCE
        reads = ClusterReads(cluster, self._access.namespace)
        found: dict[str, Answer] = {}
        while True:
            of = Round(
                subject, ProxyAsk(raw), timestamp(), time.monotonic(), settings,
                policies=reads.policies,
                config_map=reads.config_map,
                memory=memory,
            )  # fmt: skip
            late = time.monotonic() > deadline
            for check in CHECKS:
                if check.name not in found:
                    answer = self._of_operator(check.name) if check.password else await check.run(of)
                    if late or answer.outcome in {Outcome.PASSED, Outcome.SKIPPED}:
                        found[check.name] = answer
                        self._say(answer.check, str(answer.outcome), _STYLES[answer.outcome], answer)
            if len(found) == len(CHECKS):
                return [found[check.name] for check in CHECKS]
            await asyncio.sleep(_PAUSE)

    def _of_operator(self, check: str) -> Answer:
        """Return what the operator found: it has the passwords, and a way to the pods that passes them on."""
        found = next((one for one in self._status.get("checks") or () if one.get("check") == check), None)
        if not found:
            words = "it needs a password, which the API server does not pass on, and the operator has not checked it"
            return Answer(check, Outcome.SKIPPED, "NotAsked", words)
        message = f"as the operator found it: {found.get('message', '')}"
        return Answer(check, Outcome(found["status"]), found["reason"], message)

    async def _load(self, raw: Raw, subject: Subject) -> list[load.Found]:
        assert self._load_seconds
        pods = [pod["metadata"]["name"] for pod in subject.pods(SERVICE.name) if is_ready(pod)][: load.MOST_PODS]
        scrapers = [pod["metadata"]["name"] for pod in subject.pods(PROMETHEUS.name) if is_ready(pod)]
        if not pods or not scrapers:
            raise Failure("known traffic needs a ready pod of the service and of Prometheus: kubectl inventory explain")
        with Progress(console=Console(file=sys.stderr), disable=not sys.stderr.isatty(), transient=True) as bar:
            task = bar.add_task("known traffic", total=None)
            sent = await load.send(
                raw,
                self._access.namespace,
                pods,
                self._load_seconds,
                lambda done, of: bar.update(task, completed=done, total=of),
            )
        interval = float(duration_seconds(subject.spec.prometheus.scrape_interval))
        found = await load.find(raw, self._access.namespace, (scrapers[0], PROMETHEUS.port), sent, interval)
        for one in found:
            words = one.problem or f"pod {one.pod}: all {one.sent} requests are in its metrics and in Prometheus"
            status, style = ("Failed", "red") if one.problem else ("Passed", "green")
            self._say("KnownTraffic", status, style, words)
        return found

    def _say(self, check: str, status: str, style: str, why: Answer | str) -> None:
        if self._form == "table":
            words = why if isinstance(why, str) else f"{why.reason}: {why.message}"
            self._console.print(line((f"{check}: ", ""), (status, style), (f" {words}", "")))
