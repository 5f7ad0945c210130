# Copyright (c) 2026, the winops.kms authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The playbook report: what it writes, that the same state writes nothing, and hosts that can't be asked."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.winops.kms.tests.system.harness import Play, brief, kinds
from kmslab.control import Lab

pytestmark = pytest.mark.estate("running")

FILES = ["kms-report.csv", "kms-report.html", "kms-report.json"]
WRITE = "Write the report"


def read(folder: Path) -> dict[str, Any]:
    report: dict[str, Any] = json.loads((folder / "kms-report.json").read_text(encoding="utf-8"))
    return report


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_fleet_is_reported_and_the_same_state_writes_nothing(
    lab: Lab, play: Play, connection: str, tmp_path: Path
) -> None:
    lab.advance(hours=3)  # Clients that look in DNS have activated themselves.
    lab.patch("seven", {"power": False})
    lab.patch("german", {"grace_minutes_left": 0})
    lab.patch("ltsc", {"cmid": lab.machine("core")["cmid"]})
    lab.fault("wrong", "access_denied", count=1000)
    lab.clear_requests()
    folder = tmp_path / "reports" / "kms"
    variables = {"report_directory": str(folder)}

    predicted = play("winops.kms.report", connection=connection, extra_vars=variables, check=True, diff=True)
    assert predicted.changed_hosts == ["kms1"]
    assert not folder.exists()
    assert "+" in predicted.stdout
    assert "pc,ok,licensed,ok,180" in predicted.stdout, "the difference can be read"
    assert "<svg" not in predicted.stdout

    run = play("winops.kms.report", connection=connection, extra_vars=variables)
    assert {counts["failures"] + counts["unreachable"] for counts in run.recap.values()} == {0}
    assert run.changed_hosts == ["kms1"]
    assert names(folder) == FILES
    assert {path.stat().st_mode & 0o777 for path in folder.iterdir()} == {0o640}
    assert folder.stat().st_mode & 0o777 == 0o750
    folder.chmod(0o755)
    assert kinds(lab.requests()).keys() == {"read"}, brief(lab.requests())

    report = read(folder)
    rows = {row["host"]: row for row in report["rows"]}
    assert set(rows) == {"kms1", "pc", "retail", "keyless", "mak", "wrong", "seven", "german", "ltsc", "core"}
    assert {name: (row["status"], row["days_left"]) for name, row in rows.items()} == {
        "kms1": ("licensed", None),
        "pc": ("licensed", 180),
        "retail": ("oob_grace", 30),
        "keyless": ("no_key", None),
        "mak": ("licensed", None),
        "wrong": ("failed", None),
        "seven": ("not_reached", None),
        "german": ("notification", 0),
        "ltsc": ("oob_grace", 30),
        "core": ("no_key", None),
    }
    pc = lab.machine("pc")
    assert rows["pc"]["client_machine_id"] == pc["cmid"].lower()
    assert (rows["pc"]["kms_server"], rows["pc"]["channel"]) == ("kms1.corp.example", "Volume:GVLK")
    assert (rows["wrong"]["outcome"], rows["wrong"]["error_code"]) == ("failed", "0x00000005")
    assert rows["wrong"]["remedy"]
    assert rows["seven"]["error_message"]
    summary = report["summary"]
    assert summary["totals"]["hosts"] == 10
    assert (summary["totals"]["hosts_not_reached"], summary["totals"]["hosts_failed"]) == (1, 1)
    assert [(one["host"], one["current_count"]) for one in summary["kms_hosts"]] == [("kms1", 32)], "and 30 others"
    assert summary["duplicates"] == [
        {"client_machine_id": lab.machine("core")["cmid"].lower(), "hosts": ["core", "ltsc"]}
    ]
    with (folder / "kms-report.csv").open(encoding="utf-8", newline="") as table:
        assert [line["host"] for line in csv.DictReader(table)] == sorted(rows)
    page = (folder / "kms-report.html").read_text(encoding="utf-8")
    assert page.startswith("<!DOCTYPE html>")
    assert "0x00000005" in page
    for secret in ("MK333", "N3333-33333", "Lab-only"):
        assert secret not in page
        assert secret not in run.output
    assert "N3333-33333" not in (folder / "kms-report.csv").read_text(encoding="utf-8")

    before = {path.name: (path.read_bytes(), path.stat().st_mtime_ns) for path in folder.iterdir()}
    again = play("winops.kms.report", connection=connection, extra_vars=variables)
    assert again.changed_hosts == []
    assert {path.name: (path.read_bytes(), path.stat().st_mtime_ns) for path in folder.iterdir()} == before

    assert folder.stat().st_mode & 0o777 == 0o755, "it belongs to the operator"

    # The retail machine has a day less.
    lab.advance(days=1)
    later = play("winops.kms.report", connection=connection, extra_vars=variables, check=True, diff=True)
    assert later.changed_hosts == ["kms1"]
    assert "-retail,ok,oob_grace,warn,30" in later.stdout
    assert "+retail,ok,oob_grace,warn,29" in later.stdout
    assert {path.name: (path.read_bytes(), path.stat().st_mtime_ns) for path in folder.iterdir()} == before


def test_a_history_of_reports_and_names_that_nobody_expects(lab: Lab, play: Play, tmp_path: Path) -> None:
    evil = "<img src=x onerror=alert(1)>{{ 7 * 7 }}"
    odd = tmp_path / "odd.json"
    # Nothing listens on the discard port.
    nowhere = {"ansible_host": "127.0.0.1", "ansible_port": 9, "kms_note": evil}
    odd.write_text(json.dumps({"all": {"children": {"kms_clients": {"hosts": {"=1+1": nowhere, "<b>x": nowhere}}}}}))
    folder = tmp_path / "history"
    variables = {
        "report_directory": str(folder),
        "report_time_stamp": True,
        "report_time": "2026-03-02T08:00:00Z",
        "report_title": "The <fleet>",
        "kms_report_pattern": "kms_clients:!retail",
    }
    run = play("winops.kms.report", extra_vars=variables, inventory=[odd])
    assert names(folder) == sorted(FILES + [name.replace(".", "-20260302T080000Z.") for name in FILES])
    report = read(folder)
    assert (report["title"], report["time"]) == ("The <fleet>", "2026-03-02T08:00:00Z")
    hosts = {row["host"]: row["status"] for row in report["rows"]}
    assert (hosts["=1+1"], hosts["<b>x"]) == ("not_reached", "not_reached")
    assert not {"retail", "kms1"} & set(hosts), "the pattern chooses the hosts"
    table = (folder / "kms-report.csv").read_text(encoding="utf-8")
    assert "\n'=1+1,unreachable" in table
    page = (folder / "kms-report.html").read_text(encoding="utf-8")
    assert "<b>x" not in page
    assert "&lt;b&gt;x" in page
    assert "<title>The &lt;fleet&gt;</title>" in page
    for name in FILES:
        stamped = folder / name.replace(".", "-20260302T080000Z.")
        assert stamped.read_bytes() == (folder / name).read_bytes()

    # The same state at another time: of its own accord the report keeps the time that it has.
    kept = play("winops.kms.report", extra_vars={**variables, "report_time": ""}, inventory=[odd])
    assert kept.changed_hosts == []
    told = play("winops.kms.report", extra_vars={**variables, "report_time": "2026-03-09T08:00:00Z"}, inventory=[odd])
    assert len(told.changed_hosts) == 1
    assert len(names(folder)) == 9
    assert read(folder)["time"] == "2026-03-09T08:00:00Z"
    assert run.rc == 0


def test_a_fleet_of_which_nothing_answers_is_reported(lab: Lab, play: Play, tmp_path: Path) -> None:
    nowhere = {"ansible_host": "127.0.0.1", "ansible_port": 9, "report_directory": "some/folder"}
    play(
        [{"hosts": "kms1:pc", "vars": nowhere, "roles": ["winops.kms.report"]}],
    )
    # A path that is not absolute begins where ansible-playbook was started.
    (folder,) = tmp_path.glob("*/some/folder")
    totals = read(folder)["summary"]["totals"]
    assert (totals["hosts"], totals["hosts_not_reached"], totals["licenses"]) == (2, 2, 0)
