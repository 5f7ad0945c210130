# Copyright (c) 2026, the winops.kms authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What `make bench` has measured: a page and a picture, of docs/benchmark/results.json."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path

from ansible_collections.winops.kms.tests.bench.claims import judge
from ansible_collections.winops.kms.tests.bench.results import Results, Sample, median, ratio
from ansible_collections.winops.kms.tests.bench.variants import VARIANTS

from .rst import document, introduction, list_table, paragraph, title
from .svg import Picture

RESULTS = Path(__file__).resolve().parents[3] / "docs" / "benchmark" / "results.json"
_SOURCE = "docs/benchmark/results.json, which `make bench` writes"
_MIB = 2**20

_COLUMNS = ("Way", "Time", "CPU", "Per host", "Sent, received", "Memory", "To the floor, to stock", "Lab")
_WIDTHS = (22, 14, 12, 12, 12, 12, 14, 6)
_EXPLANATION = """
Time and CPU time (user and system, of ``ansible-playbook`` and all that it starts) are the median of the repeats,
with the lowest and the highest; CPU per host is in milliseconds. Per host: requests of WS-Management, and
connections. Sent and received are all bytes of HTTP per host, with heads and refused log-ons. Memory is the peak of
all processes of the controller together, what they share counted once (looked at every second, in the last repeat),
and that of the largest process alone. The ratios are those of the times, to a task that does nothing and to the stock
way, each of runs of the same repeat. Lab is the share of the simulated machines in all CPU time.
"""
_FAILED = """
What fails there was aimed at, and is told because it was. Ansible makes a process for each host and task, in which
the first request by the connection's library costs more than anything else that a converged client does. The fewest
requests that the stock way can do with are so few that a twentieth of them is less than one. And latency is no longer
what a survey waits for when a hundred machines are asked at a time: the cores are busy with the answers, so that more
of them make it faster, and more machines at a time do not.
"""
_METHOD = (
    """
Every run is a whole ``ansible-playbook`` without gathering facts, with {forks} forks and Ansible's own defaults
otherwise. The connection is {connection}; its variables are plain texts, except where the password is named as a
template: Ansible compiles a template once more for each host, with whatever task. Each case is measured {repeats}
times. A repeat goes through all ways before the next one begins, and begins with another way each time, so that what
else happens on the machine meets all of them. The lab runs on the same machine, as one process; its CPU time is its
own and in no other figure.
""",
    """
``client, from no key to activated`` begins with machines that have no key, and ends with every one activated by a
simulated KMS host, which is found by real DNS. All that follow find its machines as it has left them.
``fleet_report`` has a fleet of its own, in which some machines are not activated, soon will not be, have Office, or
another kind of key.
""",
    """
The stock way is {stock}: ``win_shell`` with ``slmgr.vbs /dlv``, and ``win_product_facts``. The lab takes in their
modules and says at once that all is well. On Windows, each of them starts a PowerShell, which takes far longer than
anything here: the figures are a bound in favour of that way. It is measured by the connection plugin winrm alone, as
the lab has no PowerShell for runspaces.
""",
    """
Latency is added to every answer, but not to the TCP handshake. Loops over hosts are measured with {loop:,} hosts at
most: beyond, a run takes from many minutes to an hour, and nothing here is extrapolated.
""",
)


@cache
def _results() -> Results:
    return Results.read(RESULTS)


def page() -> str:
    """The page's text."""
    results = _results()
    claims = judge(results)
    tables = [
        part
        for hosts in sorted({hosts for _name, hosts, _latency, _forks in results.cases()})
        for latency in sorted({one[2] for one in results.cases() if one[1] == hosts})
        for part in (
            title(f"{hosts:,} hosts, {_latency(latency)}", "~"),
            list_table(_WIDTHS, _COLUMNS, _rows(results, hosts, latency)),
        )
    ]
    return document(
        "benchmark",
        _SOURCE,
        "What it costs",
        introduction("benchmark"),
        *([f".. note:: {results.method['note']}"] if results.method.get("note") else []),
        title("What is claimed"),
        list_table(
            (45, 40, 15),
            ("Claim", "Found", ""),
            [(_sentence(claim.text), claim.found, claim.verdict.strip("-")) for claim in claims],
        ),
        *([paragraph(_FAILED)] if any(claim.verdict == "FAIL" for claim in claims) else []),
        title("Time by number of hosts"),
        ".. figure:: images/benchmark.svg\n   :alt: " + _summary(results).replace("\n", " "),
        title("All figures"),
        paragraph(_EXPLANATION),
        *tables,
        title("Machine"),
        paragraph(_machine(results)),
        title("Method"),
        *(paragraph(text.format(**_facts(results))) for text in _METHOD),
        paragraph("``make bench`` runs all of it and writes the results; this page is made of them."),
    )


def _sentence(text: str) -> str:
    """A claim with what is a name of the collection marked as such."""
    marked = re.sub(r"\b(fleet_report|client)\b", r"``\1``", text)
    return marked[0].upper() + marked[1:]


def _latency(milliseconds: float) -> str:
    return f"{milliseconds:g} ms of latency" if milliseconds else "no added latency"


def _facts(results: Results) -> dict[str, object]:
    versions = results.machine.get("stock") or {}
    stock = " and ".join(f"{name} {version}" for name, version in versions.items()) or "ansible.windows"
    return {
        "forks": results.method["forks"],
        "repeats": results.method["repeats"],
        "connection": results.method["connection"],
        "stock": stock,
        "loop": max(one.most for one in VARIANTS.values() if one.estate == "clients"),
    }


def _machine(results: Results) -> str:
    about = results.machine
    libraries = ", ".join(f"{name} {version}" for name, version in about["libraries"].items())
    return (
        f"{about['processor']}, {about['cores']} cores, {about['memory_gib']} GiB of memory, {about['kernel']}, Python "
        f"{about['python']}, ansible-core {about['ansible_core']}, {libraries}; measured on {results.method['date']}."
    )


def _rows(results: Results, hosts: int, latency: float) -> list[tuple[str, ...]]:
    stock = results.of("stock", hosts, latency)
    return [
        _row(name, samples, results.of(one.floor, hosts, latency), stock)
        for name, one in VARIANTS.items()
        if (samples := results.of(name, hosts, latency))
    ]


def _row(name: str, samples: Sequence[Sample], floor: Sequence[Sample], stock: Sequence[Sample]) -> tuple[str, ...]:
    def per_host(of: Callable[[Sample], float]) -> float:
        return median(samples, lambda one: of(one) / one.hosts)

    peaks = [one.memory for one in samples if one.memory is not None]
    ratios = [
        f"{ratio(samples, others, lambda one: one.wall):.2f}" if others and name != own else "\\-"
        for own, others in ((VARIANTS[name].floor, floor), ("stock", stock))
    ]
    return (
        VARIANTS[name].title,
        f"{_spread(samples, lambda one: one.wall)} s",
        f"{_spread(samples, lambda one: one.cpu)} s\n\n{per_host(lambda one: one.cpu) * 1000:.1f} ms per host",
        f"{per_host(lambda one: one.requests):.1f} requests\n\n{per_host(lambda one: one.connections):.1f} connections",
        f"{per_host(lambda one: one.sent):,.0f}\n\n{per_host(lambda one: one.received):,.0f}",
        (f"{max(peaks) / _MIB:,.0f} MiB\n\n" if peaks else "")
        + f"{max(one.largest for one in samples) / _MIB:,.0f} MiB alone",
        ", ".join(ratios),
        f"{median(samples, lambda one: one.lab_cpu / (one.lab_cpu + one.cpu)):.0%}",
    )


def _spread(samples: Sequence[Sample], of: Callable[[Sample], float]) -> str:
    middle = median(samples, of)
    if len(samples) < 2:
        return f"{middle:.1f}"
    return f"{middle:.1f} ({min(map(of, samples)):.1f} to {max(map(of, samples)):.1f})"


# -- the picture ------------------------------------------------------------------------------------------------------

_LEFT, _TOP, _RIGHT, _BOTTOM = 70, 30, 210, 60
_WIDTH, _HEIGHT = 820, 440
#: Between the baselines of two labels.
_APART = 18


def _curves(results: Results) -> list[tuple[str, list[tuple[int, float]], bool]]:
    """(name, points of hosts and seconds, dashed) of what was measured with more than one number of hosts."""
    slow = max((one.latency_ms for one in results.samples), default=0)
    wanted = [(name, 0.0, one.short) for name, one in VARIANTS.items()]
    if slow:
        wanted += [("fleet_report", slow, f"fleet_report, {slow:g} ms latency")]
    curves = []
    for name, latency, label in wanted:
        points = [
            (hosts, median(found, lambda one: one.wall))
            for hosts in results.hosts_of(name)
            if (found := results.of(name, hosts, latency))
        ]
        if len(points) > 1:
            curves.append((label, points, latency > 0))
    return curves


def _summary(results: Results) -> str:
    lines = [
        f"{label}: " + ", ".join(f"{hosts:,} hosts {seconds:.0f} s" for hosts, seconds in points)
        for label, points, _dashed in _curves(results)
    ]
    return "Time by number of hosts. " + ". ".join(lines) + "."


def picture() -> str:
    """Both axes are logarithmic: a line at half a right angle is a time in proportion to the number of hosts."""
    results = _results()
    curves = _curves(results)
    drawing = Picture(_WIDTH, _HEIGHT)
    every = [point for _label, points, _dashed in curves for point in points] or [(1, 1.0), (10, 10.0)]
    low_x, high_x = (math.log10(bound(hosts for hosts, _s in every)) for bound in (min, max))
    low_y = math.floor(math.log10(min(seconds for _h, seconds in every)))
    high_y = math.log10(max(seconds for _h, seconds in every)) + 0.1

    def x(hosts: float) -> float:
        part = (math.log10(hosts) - low_x) / ((high_x - low_x) or 1)
        return round(_LEFT + part * (_WIDTH - _LEFT - _RIGHT), 1)

    def y(seconds: float) -> float:
        part = (math.log10(seconds) - low_y) / ((high_y - low_y) or 1)
        return round(_HEIGHT - _BOTTOM - part * (_HEIGHT - _TOP - _BOTTOM), 1)

    drawing.line((_LEFT, _TOP), (_LEFT, _HEIGHT - _BOTTOM), (_WIDTH - _RIGHT, _HEIGHT - _BOTTOM))
    for power in range(low_y, math.floor(high_y) + 1):
        drawing.text(_LEFT - 10, y(10**power) + 4, f"{10**power:g} s", "soft", anchor="end")
        drawing.line((_LEFT - 5, y(10**power)), (_LEFT, y(10**power)))
    for hosts in sorted({hosts for hosts, _seconds in every}):
        drawing.text(x(hosts), _HEIGHT - _BOTTOM + 22, f"{hosts:,}", "soft", anchor="middle")
        drawing.line((x(hosts), _HEIGHT - _BOTTOM), (x(hosts), _HEIGHT - _BOTTOM + 5))
    drawing.text(_WIDTH - _RIGHT, _HEIGHT - 14, "hosts", "soft", anchor="end")
    for label, points, dashed in curves:
        drawing.line(*((x(hosts), y(seconds)) for hosts, seconds in points), dashed=dashed)
        for hosts, seconds in points:
            drawing.dot(x(hosts), y(seconds), hollow=not label.startswith("fleet_report"))
    _label(drawing, [(label, x(points[-1][0]), y(points[-1][1])) for label, points, _dashed in curves])
    return drawing.document(title="Time by number of hosts", description=_summary(results), source=_SOURCE)


def _label(drawing: Picture, ends: Sequence[tuple[str, float, float]]) -> None:
    """A name at the end of each curve, moved down where another one is in its place."""
    for column in sorted({right for _label, right, _end in ends}):
        last = -math.inf
        for label, _right, end in sorted((one for one in ends if one[1] == column), key=lambda one: one[2]):
            last = max(end + 4, last + _APART)
            drawing.text(column + 14, last, label, "soft")
