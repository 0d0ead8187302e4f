"""The tables of one run of the monitoring's measurement, and which of its bars it met.

It only compares numbers with limits and puts them into words.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from bench.command import Bar, bar_table, markdown
from bench.monitoring.queries import PRODUCTS
from bench.monitoring.series import PARTS

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from bench.monitoring.containers import Containers
    from bench.monitoring.queries import Queries, Timed
    from bench.monitoring.series import Density, Series

#: As the operator renders them for a spec that says nothing.
INTERVAL: Final = 10.0
RETENTION_HOURS: Final = 200
DISK_GB: Final = 8 * 2**30 / 1e9
#: Prometheus' own default: query.timeout.
TIMEOUT: Final = 120.0
#: A dashboard asks again this often.
REFRESH: Final = 30.0
#: No rule group may take more of its interval; with many pods all of it, or evaluations would be left out.
SHARE: Final = 0.25
#: Seconds of CPU for one query: a tenth of what a dashboard has until it asks again.
MOST_CPU: Final = REFRESH / 10
_SLOWEST: Final = 5
#: Rules of smaller stacks take next to nothing.
_SHOWN: Final = 1_000


@dataclass(slots=True)
class Result:
    """What was measured; None or empty where it was not asked for."""

    machine: str
    series: Sequence[Series] = ()
    density: Density | None = None
    containers: Containers | None = None
    queries: Queries | None = None

    @property
    def bars(self) -> list[Bar]:
        """What must hold of what was measured."""
        return [*_series_bars(self.series), *_rule_bars(self), *_query_bars(self.queries)]


def table(result: Result) -> str:
    """Return the Markdown of one run."""
    parts = [[f"{result.machine}."]]
    if result.series:
        parts += [_series_table(result.series), _cost_table(result.series, result.density)]
    if result.density:
        parts.append(_density_words(result.density))
    if result.containers:
        parts.append(_container_words(result.containers))
    parts.append(_rules_table(result))
    if result.queries:
        parts += [_query_table(result.queries), _query_words(result.queries)]
    parts.append(bar_table(result.bars))
    return "\n\n".join("\n".join(part) for part in parts if part)


def disk_gb(series: int, bytes_per_sample: float) -> float:
    """Return the GB of the samples of so many series at the default interval and retention."""
    return series * RETENTION_HOURS * 3600 / INTERVAL * bytes_per_sample / 1e9


def slowest(queries: Queries) -> list[Timed]:
    """Return the queries that take Prometheus the most work."""
    return sorted(queries.timed, key=lambda one: -one.cpu)[:_SLOWEST]


def _series_bars(found: Sequence[Series]) -> Iterable[Bar]:
    for one in found[-1:]:
        share = one.samples / one.sample_limit
        what = f"samples of a scrape, {one.products:,} products, of the sample_limit"
        yield Bar(what, f"{share:.0%}", "<= 100%", share <= 1)


def _rule_bars(result: Result) -> Iterable[Bar]:
    runs = [(_size(one), one.groups, SHARE if one.replicas == 1 else 1.0) for one in result.series[-2:]]
    if result.queries:
        runs.append((_history(result.queries), result.queries.groups, SHARE))
    for what, groups, most in runs:
        name, worst = max(groups.items(), key=lambda item: item[1].share)
        found = f"{worst.share:.1%} of its {worst.interval:.0f} s"
        yield Bar(f"slowest rule group, {what}: {name}", found, f"<= {most:.0%}", worst.share <= most)


def _query_bars(queries: Queries | None) -> Iterable[Bar]:
    if queries:
        worst = slowest(queries)[0]
        what = f"slowest query at {queries.history.hours} h, CPU: {worst.panel}"
        yield Bar(what, f"{worst.cpu:.2f} s", f"<= {MOST_CPU:.0f} s", worst.cpu <= MOST_CPU)
        refused = [one for one in queries.timed if one.error]
        yield Bar("refused queries", str(len(refused)), "0", not refused)


def _series_table(found: Sequence[Series]) -> list[str]:
    heads = ("series of a stack", "total", *PARTS, "one scrape of a pod : its limit")
    rows = [
        (
            _size(one),
            f"{one.total:,}",
            *(f"{one.parts[name]:,}" for name in PARTS),
            f"{one.samples:,} : {one.sample_limit:,} = {one.samples / one.sample_limit:.0%}",
        )
        for one in found
    ]
    return markdown(heads, rows)


def _cost_table(found: Sequence[Series], density: Density | None) -> list[str]:
    heads = ("cost", "memory, MB", "of its limit", "memory of a series, kB", "index of a series, bytes")
    disk = (f"samples of {RETENTION_HOURS} h, GB", "of the volume's share") if density else ()
    rows = []
    for one in found:
        cells = [f"{one.memory_mb:.0f}", f"{one.memory_mb / one.memory_limit_mb:.0%}"]
        cells += [f"{one.memory_mb / one.total * 1000:.1f}", f"{one.index_bytes:.0f}"]
        if density:
            needed = disk_gb(one.total, density.bytes_per_sample)
            cells += [f"{needed:.2f}", f"{needed / DISK_GB:.0%}"]
        rows.append((_size(one), *cells))
    return markdown((*heads, *disk), rows)


def _density_words(density: Density) -> list[str]:
    words = (
        f"- {density.bytes_per_sample:.2f} bytes a sample on disk: {density.samples:,} samples of {density.series:,} "
        f"series, scraped each second from a service with {density.products:,} products in use. "
        f"The disk for {RETENTION_HOURS} h is calculated from it, at one sample every {INTERVAL:.0f} s."
    )
    return [words]


def _container_words(found: Containers) -> list[str]:
    if found.reason:
        return [f"- Container series before and after the filter: not measured, {found.reason}."]
    words = (
        f"- Container series of one scrape of a live kubelet with {found.pods} pods: {found.before:,} before the "
        f"filter, {found.after:,} after it, for the stack {found.stack}: {found.after / found.before:.1%}."
    )
    return [words]


def _rules_table(result: Result) -> list[str]:
    runs = [(_size(one), one.groups) for one in result.series if one.products >= _SHOWN]
    if result.queries:
        runs.append((_history(result.queries), result.queries.groups))
    rows = []
    for name in sorted({name for _, groups in runs for name in groups}):
        found = [groups.get(name) for _, groups in runs]
        times = [f"{group.seconds * 1000:.1f}" if group else "" for group in found]
        worst = max((group for group in found if group), key=lambda group: group.share)
        rows.append((name, f"{worst.interval:.0f}", *times, f"{worst.share:.2%}"))
    heads = ("median evaluation of a rule group, ms", "every, s", *(what for what, _ in runs), "most : interval")
    return markdown(heads, rows) if rows else []


def _history(queries: Queries) -> str:
    return f"{PRODUCTS} products, {queries.history.hours} h of data"


def _query_table(queries: Queries) -> list[str]:
    heads = (f"slowest queries at {queries.history.hours} h", "series", "CPU, s", "waited, s", "CPU : timeout")
    rows = [
        (
            f"{one.dashboard}: {one.panel} ({one.ref})",
            f"{one.series:,}",
            f"{one.cpu:.2f}",
            f"{one.waited:.2f}",
            f"{one.cpu / TIMEOUT:.2%}",
        )
        for one in slowest(queries)
    ]
    return markdown(heads, rows)


def _query_words(queries: Queries) -> list[str]:
    history, empty = queries.history, [one for one in queries.timed if not one.series]
    boards = {one.dashboard: 0.0 for one in queries.timed}
    for one in queries.timed:
        boards[one.dashboard] += one.cpu
    made = (
        f"- {len(queries.timed)} queries, {len(boards)} dashboards. The history is made up: {history.series:,} series "
        f"with a sample in {history.step} s, {history.samples / 1e6:.1f} million, in {queries.blocks} blocks after "
        f"compaction; {queries.bytes_per_sample:.2f} bytes a sample with its index; written in {history.seconds:.0f} s."
    )
    whole = (
        f"- CPU time of all queries of a dashboard: "
        f"{', '.join(f'{name} {seconds:.2f} s' for name, seconds in boards.items())}; it asks again every "
        f"{REFRESH:.0f} s. Memory of Prometheus afterwards: {queries.memory_mb:.0f} MB."
    )
    names = ", ".join(f"{one.panel} ({one.ref})" for one in empty)
    return [made, whole, *([f"- Without data, so that their time says nothing: {names}."] if empty else [])]


def _size(one: Series) -> str:
    return f"{one.products:,} products, {one.replicas} {'pod' if one.replicas == 1 else 'pods'}"
