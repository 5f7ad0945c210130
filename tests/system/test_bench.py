# Copyright (c) 2026, the winops.kms authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The benchmark over ten hosts: it does what it measures, and counts it.  How fast that is, nobody asks here."""

from __future__ import annotations

from pathlib import Path

from ansible_collections.winops.kms.tests.bench import run
from ansible_collections.winops.kms.tests.bench.results import Results, Sample

HOSTS = 10
#: The stock way needs collections that are not part of a test run.
VARIANTS = ("nothing", "converged", "set_up", "license_info", "fleet_report")


def test_ten_hosts(tmp_path: Path) -> None:
    path = tmp_path / "results.json"
    options = [
        "--sizes",
        str(HOSTS),
        "--latencies",
        "1",
        "--repeats",
        "1",
        "--claim-hosts",
        "0",
        "--variants",
        *VARIANTS,
    ]
    assert run.main([*options, "--results", str(path)]) == 0
    results = Results.read(path)
    samples: dict[str, Sample] = {one.variant: one for one in results.samples}
    assert samples.keys() == set(VARIANTS)
    per_host = {name: sample.requests / HOSTS for name, sample in samples.items()}
    assert (per_host["nothing"], per_host["converged"], per_host["license_info"]) == (0, 2, 2)
    assert per_host["set_up"] > 4
    assert 2 <= per_host["fleet_report"] < 3
    assert samples["nothing"].connections == 0
    assert samples["converged"].connections == HOSTS
    assert samples["converged"].sent < HOSTS * 6 * 1024
    assert all(one.wall > 0 and one.cpu > 0 and one.largest > 10_000_000 for one in samples.values())
    assert results.machine["cores"] >= 1
