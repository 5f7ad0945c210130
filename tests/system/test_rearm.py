# Copyright (c) 2026, the winops.kms authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The module rearm against the lab: a reason, a reserve, one rearm, and nothing after the restart."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.winops.kms.tests.system.harness import Play, brief, kinds
from kmslab.control import Lab

pytestmark = pytest.mark.estate("maintenance")

SHARED = "5d3b3e3a-0000-4000-8000-0000000000aa"
CURE: dict[str, Any] = {"name": "cure", "winops.kms.rearm": {"if_client_machine_id": [SHARED]}}
TWINS = ("twin-1", "twin-2")


def test_duplicate_client_machine_ids(lab: Lab, play: Play, connection: str) -> None:
    def run(**how: Any) -> dict[str, dict[str, Any]]:
        lab.clear_requests()
        done = play([CURE], hosts="twin-1,twin-2,single", connection=connection, **how)
        return {name: done.result(name, "cure") for name in (*TWINS, "single")}

    foretold = run(check=True, diff=True)
    assert kinds(lab.requests("twin-1")).keys() == {"read"}
    # One of them does it, but its answer is lost.
    lab.fault("twin-1", "drop_after", method="ReArmWindows")
    results = run(diff=True)
    for name in TWINS:
        result = results[name]
        assert result["changes"] == [{"setting": "remaining_windows_rearms", "before": 3, "after": 2}]
        assert result["diff"] == foretold[name]["diff"]
        assert result["diff"] == {"before": {"remaining_windows_rearms": 3}, "after": {"remaining_windows_rearms": 2}}
        assert result["restart_required"] is True
        assert (result["rearms"]["before"]["windows"], result["rearms"]["after"]["windows"]) == (3, 2)
        assert result["rearms"] == foretold[name]["rearms"]
        machine = lab.machine(name)
        assert (machine["rearms"], machine["rearm_waiting"], machine["cmid"]) == (2, ["windows"], SHARED)
        sent = [one for one in lab.requests(name) if one["kind"] == "write"]
        assert [one["method"] for one in sent] == ["ReArmWindows"], brief(sent)
    assert results["single"]["changed"] is False

    results = run()
    for name in TWINS:
        assert (results[name]["changed"], results[name]["restart_required"]) == (False, True)
        assert lab.machine(name)["rearms"] == 2
        lab.patch(name, {"restart": True})

    results = run()
    for name in TWINS:
        assert (results[name]["changed"], results[name]["restart_required"]) == (False, False)
        assert results[name]["client_machine_id"] == lab.machine(name)["cmid"] != SHARED
    assert kinds(lab.requests()).keys() == {"read"}
    assert lab.machine("twin-1")["cmid"] != lab.machine("twin-2")["cmid"]
    assert lab.machine("single")["rearms"] == 3


def test_grace_periods_that_are_over(lab: Lab, play: Play, connection: str) -> None:
    tasks = [{"name": "rearm", "winops.kms.rearm": {}}]
    run = play(tasks, hosts="late,single,last,told-not-to", connection=connection, expect="failed")
    assert run.result("late", "rearm")["changed"] is True
    assert run.result("single", "rearm")["changed"] is False
    assert "1 rearms of the windows are left" in run.result("last", "rearm")["msg"]
    refused = run.result("told-not-to", "rearm")
    assert "SkipRearm is 1" in refused["msg"]
    assert refused["error"]["remedy"]
    for name in ("last", "told-not-to"):
        assert kinds(lab.requests(name)).keys() == {"read"}
    lab.patch("late", {"restart": True})
    assert lab.machine("late")["status"] == "oob_grace"
    lab.patch("last", {"registry": {"SkipRearm": 0}})

    again = play([{"name": "rearm", "winops.kms.rearm": {"keep": 0}}], hosts="late,last", connection=connection)
    assert again.result("late", "rearm")["changed"] is False
    assert again.result("last", "rearm")["rearms"]["after"]["windows"] == lab.machine("last")["rearms"] == 0


def test_applications_products_and_what_was_counted(lab: Lab, play: Play, connection: str) -> None:
    (late,) = [one for one in lab.machine("late")["products"] if one["partial_product_key"]]
    application = {"winops.kms.rearm": {"scope": "application"}}
    product = {"winops.kms.rearm": {"scope": "product", "activation_id": late["id"]}}
    tasks = [application, product, application, product]
    run = play(
        [{"hosts": "late", "tasks": [{"name": f"step {number}", **task} for number, task in enumerate(tasks)]},
         {"hosts": "counted", "tasks": [{**CURE, "ignore_errors": True}]}],
        connection=connection,
    )  # fmt: skip
    results = [run.result("late", f"step {number}") for number in range(4)]
    assert [result["changed"] for result in results] == [True, True, False, False]
    assert [result["restart_required"] for result in results] == [True] * 4
    settings = ["remaining_application_rearms", "remaining_product_rearms"]
    assert [result["changes"][0]["setting"] for result in results[:2]] == settings
    (found,) = [one for one in lab.machine("late")["products"] if one["id"] == late["id"]]
    assert (found["rearms"], found["app_rearms"]) == (late["rearms"] - 1, late["app_rearms"] - 1)
    lab.patch("late", {"restart": True})
    assert lab.machine("late")["status"] == "oob_grace"
    assert "a rearm would undo that" in run.result("counted", "cure")["msg"]
    assert lab.machine("counted")["rearms"] == 3
