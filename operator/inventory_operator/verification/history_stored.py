"""The check HistoryStored: Prometheus stores samples, has those from before its last restart, and room for all."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from inventory_operator.api.quantities import duration_seconds
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
#: The name of ours for the seconds since Prometheus stored the last sample of itself.
_AGE = "age"
#: Scrape intervals, and seconds besides, after which the next sample is late.
_LATE, _SCRAPE_SECONDS = 1.2, 1.0
#: From tsdb/wlog/wlog.go: writes to the write-ahead log that failed, without which no sample is stored.
_FAILED_WRITES = re.compile(
    rb"^prometheus_tsdb_wal_writes_failed_total (\d{1,15}(?:\.\d{1,15})?(?:e\+\d{1,2})?)$", re.MULTILINE
)
_FULL = (
    "Prometheus stores nothing any more, for it can't write to its volume: mostly that is full, its log says it; raise "
    "spec.prometheus.storage.size"
)
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
        if found.get(_AGE, float("inf")) > _late_seconds(subject) and await _fails_to_write(subject, ask):
            return Answer(CHECK, Outcome.FAILED, "VolumeFull", _FULL)
    except NoAnswerError as error:
        return error.answer(CHECK)
    return _judged(subject, found, history, now)


def _judged(subject: Subject, found: dict[str, float], history: History, now: str) -> Answer:
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
    # A label of its own: `or` does not look at names, and drops what has the same labels.
    age = f'label_replace(time() - timestamp(up{{job="prometheus"}}), "of", "{_AGE}", "", "")'
    series = await prometheus.query(subject, ask, f"{wanted} or {age}", 2 * len(names))
    return {labels.get("of") or labels.get("__name__", ""): value for labels, value in series}


def _late_seconds(subject: Subject) -> float:
    return _LATE * duration_seconds(subject.spec.prometheus.scrape_interval) + _SCRAPE_SECONDS


async def _fails_to_write(subject: Subject, ask: Ask) -> bool:
    """Tell whether Prometheus failed to write what it scraped: what it can't store can't be queried, only read."""
    page = await prometheus.metrics(subject, ask)
    found = _FAILED_WRITES.search(page)
    return found is not None and float(found[1]) > 0


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
