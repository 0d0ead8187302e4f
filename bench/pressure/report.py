"""The tables of one run of the comparison, and which of its bars the service's server met."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from bench.command import Bar, bar_table, markdown
from bench.pressure.rounds import ADDRESSES, ROUTES, SLOW
from bench.pressure.servers import BEFORE, OURS, PRODUCTS

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from bench.pressure.rounds import Endurance, Pressure, Throughput

#: The memory limit of the service's container, if a stack says nothing else.
MOST_MIB: Final = 256
MOST_PROBE_MS: Final = 1000.0
LEAST_THROUGHPUT: Final = 0.95
MOST_TIMES: Final = 2.0
MOST_MORE_MS: Final = 50.0


@dataclass(slots=True)
class Result:
    """What was measured; empty where it was not asked for."""

    machine: str
    throughput: Sequence[Throughput] = ()
    pressure: Sequence[Pressure] = ()
    endurance: Endurance | None = None

    @property
    def bars(self) -> list[Bar]:
        """What must hold of ours."""
        return [*_throughput_bars(self.throughput), *_pressure_bars(self.pressure), *_endurance_bars(self.endurance)]


def table(result: Result) -> str:
    """Return the Markdown of one run."""
    parts = [[f"{result.machine}."], _throughput_table(result.throughput), _pressure_table(result.pressure)]
    if result.endurance:
        held = result.endurance
        where = f"{OURS} for {held.minutes:g} minutes beside {SLOW} slow clients from {_addresses(ADDRESSES[-1])}"
        probes = f"{held.probes:,} probes, {held.failed_probes} failed, the longest took {held.longest_probe_ms:.0f} ms"
        parts.append([f"{where}: {probes}; {held.memory_mib:.0f} MiB at most."])
    parts.append(bar_table(result.bars))
    return "\n\n".join("\n".join(part) for part in parts)


def _throughput_bars(found: Sequence[Throughput]) -> Iterable[Bar]:
    for each in found:
        if each.server == OURS and any(other.server == BEFORE for other in found):
            what = f"{each.route}, {OURS} : {BEFORE}"
            yield Bar(what, f"{each.ratio:.2f}x", f">= {LEAST_THROUGHPUT}x", each.ratio >= LEAST_THROUGHPUT)


def _pressure_bars(found: Sequence[Pressure]) -> Iterable[Bar]:
    for each in found:
        if each.server == OURS:
            where = f"beside {SLOW} slow clients from {_addresses(each.addresses)}"
            most = max(MOST_TIMES * each.alone_p99_ms, each.alone_p99_ms + MOST_MORE_MS)
            yield Bar(
                f"p99 {where}",
                "no answer" if each.beside_p99_ms is None else f"{each.beside_p99_ms:.0f} ms",
                f"<= {most:.0f} ms",
                each.beside_p99_ms is not None and each.beside_p99_ms <= most,
            )
            yield _probe_bar(where, each.longest_probe_ms)
            yield _memory_bar(where, each.memory_mib)
            yield Bar(f"failed requests {where}", str(each.failed), "0", not each.failed)


def _endurance_bars(held: Endurance | None) -> Iterable[Bar]:
    if held:
        where = f"in {held.minutes:g} minutes"
        yield _probe_bar(where, held.longest_probe_ms)
        yield _memory_bar(where, held.memory_mib)
        yield Bar(f"failed probes {where}", str(held.failed_probes), "0", not held.failed_probes)


def _probe_bar(where: str, found: float) -> Bar:
    return Bar(f"longest probe {where}", f"{found:.0f} ms", f"< {MOST_PROBE_MS:.0f} ms", found < MOST_PROBE_MS)


def _memory_bar(where: str, found: float) -> Bar:
    return Bar(f"memory {where}", f"{found:.0f} MiB", f"< {MOST_MIB} MiB", found < MOST_MIB)


def _throughput_table(found: Sequence[Throughput]) -> list[str]:
    names = list(dict.fromkeys(each.server for each in found))
    rows = []
    for route in ROUTES:
        by_name = {each.server: each for each in found if each.route == route}
        rows.append(
            (route, *[text for n in names for text in (f"{by_name[n].per_second:,.0f}", f"{by_name[n].ratio:.2f}x")])
        )
    heads = [text for name in names for text in (f"{name}, 1/s", f": {BEFORE}")]
    return markdown((f"16 connections, {PRODUCTS:,} products, nobody slow", *heads), rows)


def _pressure_table(found: Sequence[Pressure]) -> list[str]:
    heads = (
        "p99 alone, ms",
        "beside, ms",
        "beside : alone",
        "answered beside, 1/s",
        "failed",
        "longest probe, ms",
        "MiB",
    )
    rows = []
    for each in found:
        alone, beside = each.alone_p99_ms, each.beside_p99_ms
        times = (f"{alone:.0f}", *(("-", "-") if beside is None else (f"{beside:.0f}", f"{beside / alone:.2f}x")))
        rest = (f"{each.answered:,.0f}", str(each.failed), f"{each.longest_probe_ms:,.0f}", f"{each.memory_mib:.0f}")
        rows.append((f"{each.server}, {_addresses(each.addresses)}", *times, *rest))
    return markdown((f"beside {SLOW} slow clients from", *heads), rows)


def _addresses(number: int) -> str:
    return "one address" if number == 1 else f"{number} addresses"
