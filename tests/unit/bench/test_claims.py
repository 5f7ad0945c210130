# Copyright (c) 2026, the winops.kms authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Claims of speed are judged by what was measured, and the page shows it."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from ansible_collections.winops.kms.tests.bench.claims import Claim, judge
from ansible_collections.winops.kms.tests.bench.results import Results, Sample, median, ratio
from ansible_collections.winops.kms.tests.tools.pages import benchmark

MIB = 2**20


def sample(variant: str, hosts: int, wall: float, **more: Any) -> Sample:
    values: dict[str, Any] = {
        "latency_ms": 0.0,
        "forks": 20,
        "repeat": 1,
        "cpu": wall,
        "lab_cpu": wall / 4,
        "largest": 80 * MIB,
        "memory": 200 * MIB,
        "requests": 2 * hosts,
        "sent": 5_000 * hosts,
        "received": 5_000 * hosts,
        "connections": hosts,
        **more,
    }
    return Sample(variant=variant, hosts=hosts, wall=wall, **values)


def results(*samples: Sample) -> Results:
    machine = {
        "processor": "a processor",
        "cores": 2,
        "memory_gib": 8,
        "kernel": "Linux 6",
        "python": "3.11",
        "ansible_core": "2.19",
        "libraries": {"pywinrm": "0.5"},
        "stock": {"ansible.windows": "2.8.0"},
    }
    method = {"forks": 20, "repeats": 3, "claim_hosts": 500, "connection": "winrm", "date": "2026-11-22"}
    return Results(machine, method, list(samples))


GOOD = (
    *(sample("nothing", 500, 20.0 + repeat, repeat=repeat, requests=0) for repeat in (1, 2, 3)),
    *(sample("converged", 500, 24.0 + repeat, repeat=repeat) for repeat in (1, 2, 3)),
    *(sample("nothing_vault", 500, 30.0, repeat=repeat, requests=0) for repeat in (1, 2, 3)),
    *(sample("converged_vault", 500, 36.0, repeat=repeat) for repeat in (1, 2, 3)),
    sample("fleet_report_5", 1_000, 25.0, latency_ms=50.0),
    sample("fleet_report_10", 1_000, 13.0, latency_ms=50.0),
    sample("fleet_report", 100, 2.0),
    sample("fleet_report", 1_000, 5.0),
    sample("fleet_report", 10_000, 35.0),
    sample("fleet_report", 10_000, 15.0, latency_ms=50.0, cpu=10.0, lab_cpu=2.0),
    sample("stock", 1_000, 100.0, requests=41_000, sent=400_000_000),
)


def verdicts(*samples: Sample) -> dict[str, str]:
    return {claim.text: claim.verdict for claim in judge(results(*samples))}


def claim(word: str, *samples: Sample) -> Claim:
    (found,) = [one for one in judge(results(*samples)) if word in one.text]
    return found


def test_all_claims_hold() -> None:
    assert set(verdicts(*GOOD).values()) == {"PASS"}
    assert "1.18 times" in claim("plain", *GOOD).found
    assert "1.20 times" in claim("template", *GOOD).found
    assert "1.92 times" in claim("twice as fast", *GOOD).found
    assert "10.0 of 15.0 s" in claim("waiting", *GOOD).found
    assert "3.33 ms for each from 1,000 to 10,000" in claim("grows", *GOOD).found


def test_what_was_not_measured_is_not_judged() -> None:
    assert set(verdicts().values()) == {"-"}


@pytest.mark.parametrize(
    ("word", "bad"),
    [
        ("plain", sample("converged", 500, 30.0)),
        ("template", sample("converged_vault", 500, 42.0)),
        ("takes 2 requests", sample("converged", 100, 5.0, requests=201)),
        ("6144 bytes", sample("converged", 100, 5.0, sent=620_000)),
        ("within 60 s", sample("fleet_report", 10_000, 61.0)),
        ("400 MB", sample("fleet_report", 10_000, 35.0, memory=401_000_000)),
        ("grows", sample("fleet_report", 10_000, 60.0)),
        ("twice as fast", sample("fleet_report_10", 1_000, 20.0, latency_ms=50.0)),
        ("waiting", sample("fleet_report", 10_000, 50.0, latency_ms=50.0, cpu=80.0, lab_cpu=15.0)),
        ("of the requests", sample("stock", 1_000, 100.0, requests=12_000)),
        ("of the bytes", sample("stock", 1_000, 100.0, sent=40_000_000)),
    ],
)
def test_a_claim_that_does_not_hold(word: str, bad: Sample) -> None:
    others = [one for one in GOOD if one.case != bad.case]
    assert claim(word, *others, *GOOD[:3], bad).verdict == "FAIL"


def test_ratios_are_those_of_one_repeat() -> None:
    above = [sample("converged", 5, wall, repeat=repeat) for repeat, wall in ((1, 10.0), (2, 40.0), (3, 11.0))]
    below = [sample("nothing", 5, wall, repeat=repeat) for repeat, wall in ((1, 10.0), (2, 20.0))]
    assert ratio(above, below, lambda one: one.wall) == 1.5
    assert median(above, lambda one: one.wall) == 11.0


def test_results_come_back_from_their_file(tmp_path: Path) -> None:
    written = results(*GOOD)
    written.write(tmp_path / "results.json")
    assert Results.read(tmp_path / "results.json") == written


def test_the_page_and_its_picture(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(benchmark, "_results", lambda: results(*GOOD))
    page = benchmark.page()
    assert "1,000 hosts, no added latency" in page
    assert "10,000 hosts, 50 ms of latency" in page
    assert "PASS" in page
    assert "ansible.windows 2.8.0" in " ".join(page.split())
    picture = benchmark.picture()
    ElementTree.fromstring(picture)
    assert ">fleet_report<" in picture
    assert "10,000 hosts 35 s" in picture
