# Copyright (c) 2026, the winops.kms authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What becomes of licences and counts as time goes by, in license_info and in the report.

By Microsoft's rules: a client renews every 7 days and is licensed for 180; then it has 30 days of grace, as a new one
has; then Windows notifies.  A KMS host counts the machines that have asked it in the last 30 days.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.winops.kms.tests.system.harness import Play
from kmslab.control import Lab

pytestmark = pytest.mark.estate("clock")

CLIENTS = ("steady", "away", "never", "mak")


class Watch:
    """Runs the report, and tells what it has of a host; license_info must say the same."""

    def __init__(self, lab: Lab, play: Play, folder: Path) -> None:
        self._lab, self._play, self._folder = lab, play, folder
        self.report: dict[str, Any] = {}

    def after(self, days: int) -> dict[str, tuple[Any, Any, Any]]:
        """Move the clock and run the report: host -> (status, days left, severity)."""
        self._lab.advance(days=days)
        run = self._play("winops.kms.report", extra_vars={"report_directory": str(self._folder)})
        assert run.changed_hosts == ["kms1"], "time goes by in the report"
        self.report = json.loads((self._folder / "kms-report.json").read_text(encoding="utf-8"))
        rows = {row["host"]: row for row in self.report["rows"]}
        assert set(rows) == {*CLIENTS, "kms1", "kms2"}
        for name in CLIENTS:
            result = run.result(name, "Read the licences")
            (license_,) = result["licenses"]
            assert (license_["status"], license_["days_remaining"]) == (rows[name]["status"], rows[name]["days_left"])
        return {name: (row["status"], row["days_left"], row["severity"]) for name, row in rows.items()}

    @property
    def counts(self) -> dict[str, int]:
        """KMS host -> how many machines it counts."""
        return {host["host"]: host["current_count"] for host in self.report["summary"]["kms_hosts"]}

    def row(self, host: str) -> dict[str, Any]:
        rows: dict[str, dict[str, Any]] = {row["host"]: row for row in self.report["rows"]}
        return rows[host]

    def days_left(self) -> dict[str, int]:
        """The columns of the page that are not empty."""
        return {entry["range"]: entry["count"] for entry in self.report["summary"]["days_left"] if entry["count"]}


def test_a_year_of_a_fleet(lab: Lab, play: Play, tmp_path: Path) -> None:
    play("winops.kms.site", limit="all:!never")
    watch = Watch(lab, play, tmp_path / "report")
    assert {name: lab.machine(name)["days_left"] for name in ("steady", "away", "never")} == {
        "steady": 180, "away": 180, "never": 30,
    }  # fmt: skip
    lab.patch("away", {"reachable_1688": False})

    # After a week, who can has renewed.
    found = watch.after(7)
    assert [found[name][:2] for name in CLIENTS] == [
        ("licensed", 180),
        ("licensed", 173),
        ("oob_grace", 23),
        ("licensed", None),
    ]
    assert watch.row("never")["error_code"] == "0xC004F074", "it has asked in vain"
    assert watch.counts == {"kms1": 32, "kms2": 30}

    # After 31 days a machine that has not asked is counted no more; the first grace is over.
    found = watch.after(24)
    assert [found[name] for name in CLIENTS] == [
        ("licensed", 177, "ok"),
        ("licensed", 149, "warn"),
        ("notification", 0, "bad"),
        ("licensed", None, "ok"),
    ]
    assert "has not renewed its activation for 31 days" in watch.row("away")["remedy"]
    assert watch.counts == {"kms1": 31, "kms2": 0}, "steady and 30 others; nobody has asked the second one"

    # 181 days after its activation, one is in grace; the other one has lost its KMS hosts and runs down.
    for name in ("kms1", "kms2"):
        lab.patch(name, {"power": False})
    found = watch.after(150)
    assert [found[name] for name in CLIENTS] == [
        ("licensed", 27, "warn"),
        ("oot_grace", 29, "warn"),
        ("notification", 0, "bad"),
        ("licensed", None, "ok"),
    ]
    assert (found["kms1"][0], found["kms2"][0]) == ("not_reached", "not_reached")
    assert watch.counts == {}
    assert (watch.row("away")["error_code"], watch.row("steady")["error_code"]) == ("0xC004F074", None)
    assert watch.days_left() == {"expired": 1, "under_30": 2, "permanent": 1, "not_known": 2}

    # After 220 days the grace of the first one is over, and that of the second one runs.
    found = watch.after(39)
    assert [found[name][:2] for name in CLIENTS] == [
        ("oot_grace", 18),
        ("notification", 0),
        ("notification", 0),
        ("licensed", None),
    ]
    (error,) = [entry for entry in watch.report["summary"]["errors"] if entry["code"] == "0xC004F074"]
    assert error["hosts"] == ["away", "never", "steady"]
    assert error["remedy"]

    # And when a KMS host is back, each comes back by itself.
    lab.patch("kms1", {"power": True})
    lab.patch("away", {"reachable_1688": True})
    found = watch.after(1)
    assert [found[name][:2] for name in CLIENTS] == [
        ("licensed", 180),
        ("licensed", 180),
        ("notification", 0),
        ("licensed", None),
    ]
    assert watch.counts == {"kms1": 32}
