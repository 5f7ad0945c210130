# Copyright (c) 2026, the winops.kms authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is claimed of the collection's speed, and whether the results bear it out."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass

from .results import Results, Sample, median, ratio
from .variants import CONCURRENCY, NARROW, VARIANTS

#: The claims' own numbers.
MOST_OVER_FLOOR = 1.3
MOST_REQUESTS = 2
MOST_SENT = 6 * 1024
MANY = 10_000
MOST_SECONDS = 60
MOST_MEMORY = 400_000_000
SLOW_MS = 50.0
#: More of the time than that is spent waiting: else it is the cores that everything waits for.
WAITING = 0.5
#: Twice as many machines at a time are to be that many times faster.
MOST_OF_DOUBLE = 1.7
#: How much more the next machine may cost with 10,000 of them than with 1,000.
MOST_SLOPE = 1.3
TIMES_FEWER = 20


@dataclass(frozen=True)
class Claim:
    """`verdict` is PASS, FAIL, or `-` where the results do not tell."""

    text: str
    found: str
    verdict: str


def _wall(sample: Sample) -> float:
    return sample.wall


def judge(results: Results) -> list[Claim]:
    """All claims, in the order in which they are told."""
    return [
        _over_floor(results, "converged", "the connection's variables plain"),
        _over_floor(results, "converged_vault", "the password a template"),
        *_converged(results),
        *_many(results),
        _linear(results),
        _doubled(results),
        _waiting(results),
        *_fewer(results),
    ]


def _verdict(holds: bool) -> str:
    return "PASS" if holds else "FAIL"


def _over_floor(results: Results, name: str, how: str) -> Claim:
    hosts = results.method.get("claim_hosts") or 0
    text = f"a converged client takes at most {MOST_OVER_FLOOR} times the time of a task that does nothing, {how}"
    floor, converged = results.of(VARIANTS[name].floor, hosts), results.of(name, hosts)
    if not floor or not converged:
        return Claim(text, "not measured", "-")
    found = ratio(converged, floor, _wall)
    cpu = ratio(converged, floor, lambda one: one.cpu)
    shown = f"{found:.2f} times ({hosts} hosts, {len(converged)} pairs; {cpu:.2f} times the CPU time)"
    return Claim(text, shown, _verdict(found <= MOST_OVER_FLOOR))


def _converged(results: Results) -> Iterator[Claim]:
    samples = [one for one in results.samples if one.variant in ("converged", "converged_vault")]
    requests = f"a converged client takes {MOST_REQUESTS} requests"
    sent = f"a converged client sends at most {MOST_SENT} bytes"
    if not samples:
        yield from (Claim(text, "not measured", "-") for text in (requests, sent))
        return
    most = max(one.requests / one.hosts for one in samples)
    yield Claim(requests, f"{most:.2f} at most in any run", _verdict(most <= MOST_REQUESTS))
    largest = max(one.sent / one.hosts for one in samples)
    yield Claim(sent, f"{largest:.0f} at most in any run, heads included", _verdict(largest <= MOST_SENT))


def _many(results: Results) -> Iterator[Claim]:
    time = f"fleet_report surveys {MANY:,} machines within {MOST_SECONDS} s"
    memory = f"fleet_report takes less than {MOST_MEMORY // 10**6} MB for that on the controller"
    samples = results.of("fleet_report", MANY)
    if not samples:
        yield from (Claim(text, "not measured", "-") for text in (time, memory))
        return
    seconds = median(samples, _wall)
    share = median(samples, lambda one: one.lab_cpu / (one.lab_cpu + one.cpu))
    shown = f"{seconds:.1f} s, the lab on the same machine, which has {share:.0%} of the CPU time"
    yield Claim(time, shown, _verdict(seconds <= MOST_SECONDS))
    peaks = [one.memory for one in samples if one.memory is not None]
    if peaks:
        shown = f"{max(peaks) / 10**6:.0f} MB in all its processes"
        yield Claim(memory, shown, _verdict(max(peaks) < MOST_MEMORY))
    else:
        yield Claim(memory, "not measured", "-")


def slopes(results: Results, latency_ms: float = 0) -> list[tuple[int, int, float]]:
    """(hosts, more hosts, seconds that each of the additional ones cost) of fleet_report."""
    sizes = [hosts for hosts in results.hosts_of("fleet_report") if results.of("fleet_report", hosts, latency_ms)]
    walls = {hosts: median(results.of("fleet_report", hosts, latency_ms), _wall) for hosts in sizes}
    return [(low, high, (walls[high] - walls[low]) / (high - low)) for low, high in itertools.pairwise(sizes)]


def _linear(results: Results) -> Claim:
    text = "its time grows with the number of machines, no faster"
    found = slopes(results)
    if len(found) < 2:
        return Claim(text, "not measured", "-")
    shown = ", ".join(f"{slope * 1000:.2f} ms for each from {low:,} to {high:,}" for low, high, slope in found)
    return Claim(text, shown, _verdict(found[-1][2] <= MOST_SLOPE * found[0][2]))


def _doubled(results: Results) -> Claim:
    text = f"with {SLOW_MS:.0f} ms of latency, fleet_report is twice as fast with twice as many machines at a time"
    by_number = {number: [one for one in results.samples if one.variant == name] for name, number in NARROW.items()}
    if not all(by_number.values()):
        return Claim(text, "not measured", "-")
    few, more = by_number.values()
    found = ratio(few, more, _wall)
    times = ", ".join(f"{median(samples, _wall):.1f} s with {number}" for number, samples in by_number.items())
    return Claim(text, f"{found:.2f} times ({few[0].hosts:,} hosts: {times})", _verdict(found >= MOST_OF_DOUBLE))


def _waiting(results: Results) -> Claim:
    text = f"with {CONCURRENCY} machines at a time, too, it is waiting that takes the time, and not the cores"
    samples = results.of("fleet_report", MANY, SLOW_MS)
    cores = results.machine.get("cores")
    if not samples or not cores:
        return Claim(text, "not measured", "-")
    seconds = median(samples, _wall)
    waiting = median(samples, _requests) * SLOW_MS / 1000 / CONCURRENCY
    busy = median(samples, lambda one: (one.cpu + one.lab_cpu) / (one.wall * cores))
    shown = f"{waiting:.1f} of {seconds:.1f} s ({MANY:,} hosts; {busy:.0%} of {cores} cores in use, with the lab)"
    return Claim(text, shown, _verdict(waiting >= WAITING * seconds))


def _fewer(results: Results) -> Iterator[Claim]:
    sizes = [hosts for hosts in results.hosts_of("stock") if results.of("fleet_report", hosts)]
    for word, of in (("requests", _requests), ("bytes", _bytes)):
        text = f"fleet_report takes at most a twentieth of the {word} of the stock way"
        if not sizes:
            yield Claim(text, "not measured", "-")
            continue
        stock, own = (median(results.of(name, sizes[-1]), of) / sizes[-1] for name in ("stock", "fleet_report"))
        shown = f"{stock:,.1f} and {own:,.1f} per host: {stock / own:.1f} times fewer"
        if of is _requests and stock < TIMES_FEWER:
            shown += f"; a single one would be {stock:.0f} times fewer"
        yield Claim(text, shown, _verdict(stock / own >= TIMES_FEWER))


def _requests(sample: Sample) -> float:
    return sample.requests


def _bytes(sample: Sample) -> float:
    return sample.sent + sample.received
