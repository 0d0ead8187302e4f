"""The check HistoryStored: Prometheus has samples from before its last restart, and room for its retention."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from inventory_operator.kube.pods import is_ready
from inventory_operator.verification import prometheus
from inventory_operator.verification.answer import Answer, Outcome
from inventory_operator.verification.prometheus import NoAnswerError
from inventory_operator.verification.targets import seconds_ready

if TYPE_CHECKING:
    from inventory_operator.verification.ask import Ask
    from inventory_operator.verification.subject import Subject

Object = dict[str, Any]
CHECK = "HistoryStored"
#: What Prometheus says of itself (tsdb/db.go and the Go client).
_OLDEST, _STARTED = "prometheus_tsdb_lowest_timestamp_seconds", "process_start_time_seconds"
_BLOCKS, _WAL = "prometheus_tsdb_storage_blocks_bytes", "prometheus_tsdb_wal_storage_size_bytes"
_SECONDS, _BYTES = "prometheus_tsdb_retention_limit_seconds", "prometheus_tsdb_retention_limit_bytes"
#: Until then a Prometheus that was never restarted may have nothing old to show.
YOUNG_SECONDS = 600.0
_YOUNG = "Prometheus was started for the first time a moment ago"
#: After a start: later the oldest samples go because of their age, of which the shortest retention is two hours.
_RECENT_SECONDS = 3_600.0
#: A Prometheus that ran for so long has stored samples.
_RAN_SECONDS = 60.0
#: After its start Prometheus has scraped itself.
_SCRAPED_SECONDS = 150.0
#: The share of the retention after which what is stored tells how much all of it will be.
_TELLS = 0.25


@dataclass(slots=True)
class History:
    """What is remembered of the volume: its claim, and the time of its oldest sample, in seconds since 1970."""

    claim: str = ""
    oldest: float = float("inf")

    def is_lost(self, claim: str, oldest: float) -> bool:
        """Take in what is so now; return whether the same volume had an older sample before."""
        before = self.oldest if claim == self.claim else float("inf")
        self.claim, self.oldest = claim, min(before, oldest)
        return before < oldest


async def check(subject: Subject, ask: Ask, history: History, now: str) -> Answer:
    """Compare the oldest sample with the start of the process. `now` is RFC 3339."""
    try:
        found = await _own(subject, ask)
    except NoAnswerError as error:
        return error.answer(CHECK)
    if not {_OLDEST, _STARTED} <= found.keys():
        return _without_metrics(subject, now)
    seconds, oldest, started = datetime.fromisoformat(now).timestamp(), found[_OLDEST], found[_STARTED]
    lost = history.is_lost(next((one["metadata"]["uid"] for one in _claims(subject)), ""), oldest)
    if oldest >= started and seconds - started < _RECENT_SECONDS and (lost or _was_restarted(subject)):
        words = "samples from before the last restart of Prometheus are gone: see its volume and its log"
        return Answer(CHECK, Outcome.FAILED, "HistoryLost", words)
    if oldest >= started and seconds - oldest < YOUNG_SECONDS:
        return Answer(CHECK, Outcome.SKIPPED, "TooYoung", _YOUNG)
    if _is_too_small(found, seconds - oldest):
        words = (
            "the volume of Prometheus has no room for spec.prometheus.retention: the oldest samples will go earlier; "
            "raise spec.prometheus.storage.size, or lower the retention"
        )
        return Answer(CHECK, Outcome.FAILED, "VolumeTooSmall", words)
    return Answer(CHECK, Outcome.PASSED, "HistoryThere", "Prometheus keeps its samples, and has room for its retention")


def _without_metrics(subject: Subject, now: str) -> Answer:
    if any(seconds_ready(pod, now) < _SCRAPED_SECONDS for pod in subject.pods("prometheus")):
        return Answer(CHECK, Outcome.SKIPPED, "TooYoung", _YOUNG)
    words = "Prometheus has no metrics of itself: see its target of job prometheus"
    return Answer(CHECK, Outcome.FAILED, "NoOwnMetrics", words)


async def _own(subject: Subject, ask: Ask) -> dict[str, float]:
    """Return Prometheus' metrics about itself, by their names."""
    names = (_OLDEST, _STARTED, _BLOCKS, _WAL, _SECONDS, _BYTES)
    wanted = f'{{__name__=~"{"|".join(names)}", job="prometheus"}}'
    series = await prometheus.query(subject, ask, wanted, 2 * len(names))
    return {labels.get("__name__", ""): value for labels, value in series}


def _claims(subject: Subject) -> list[Object]:
    volumes = [one for pod in subject.pods("prometheus") for one in pod.get("spec", {}).get("volumes", ())]
    wanted = {one["persistentVolumeClaim"]["claimName"] for one in volumes if one.get("persistentVolumeClaim")}
    return [one for one in subject.of_kind("PersistentVolumeClaim") if one["metadata"]["name"] in wanted]


def _was_restarted(subject: Subject) -> bool:
    """Tell whether the container of a ready Prometheus ran before, long enough to have stored samples."""
    ready = [pod for pod in subject.pods("prometheus") if is_ready(pod)]
    states = [one for pod in ready for one in pod["status"].get("containerStatuses", ())]
    ends = [one.get("lastState", {}).get("terminated") or {} for one in states if one.get("name") == "prometheus"]
    return any(_seconds(one) > _RAN_SECONDS for one in ends)


def _seconds(terminated: Object) -> float:
    began, ended = (terminated.get(key) for key in ("startedAt", "finishedAt"))
    if not began or not ended:
        return 0.0
    return (datetime.fromisoformat(ended) - datetime.fromisoformat(began)).total_seconds()


def _is_too_small(found: dict[str, float], stored_seconds: float) -> bool:
    """Tell whether all of the retention would take more than Prometheus may use, by what it takes by now."""
    retention, limit = found.get(_SECONDS, 0.0), found.get(_BYTES, 0.0)
    if retention <= 0 or limit <= 0 or not _TELLS * retention <= stored_seconds < retention:
        return False
    return found.get(_BLOCKS, 0.0) * retention / stored_seconds + found.get(_WAL, 0.0) > limit
