# Copyright (c) 2026, the winops.kms authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""point_clients_wait: pending machines wait for those of other jobs, with and without the KMS host in the inventory."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import yaml

from ansible_collections.winops.kms.tests.system.harness import Ansible, Run
from kmslab.control import Lab

pytestmark = pytest.mark.estate("slices")

SERVERS = tuple(f"srv{number}" for number in range(1, 7))
#: With hosts sorted by name, host i goes to slice i mod 2.
SLICES = SERVERS[0::2], SERVERS[1::2]
CANARY = "Ask until the KMS host has counted enough machines"
AGAIN = "Ask again now that the KMS host has counted enough machines"
COUNT = "Wait until a KMS host has counted enough machines"
WAIT = {"point_clients_wait": 120, "point_clients_delay": 1, "point_clients_preflight": "skip"}


def inventory_of(lab: Lab, hosts: Sequence[str], folder: Path) -> Path:
    """The lab's inventory with these hosts alone, as each slice of a job gets it."""
    content = yaml.safe_load(lab.inventory.read_text(encoding="utf-8"))
    groups = content["all"]["children"]
    for group in list(groups):
        members = groups[group].get("hosts") or {}
        groups[group]["hosts"] = {name: value for name, value in members.items() if name in hosts}
        if not groups[group]["hosts"]:
            del groups[group]
    path = folder / f"{hosts[0]}.yml"
    path.write_text(yaml.safe_dump(content), encoding="utf-8")
    return path


def until(condition: Callable[[], Any], what: str) -> None:
    """Look until it is so; the lab has no event to wait for."""
    end = time.monotonic() + 120
    while not condition():
        assert time.monotonic() < end, what
        time.sleep(0.1)


def attempts(lab: Lab, name: str) -> int:
    count: int = lab.machine(name)["counters"]["activation_attempts"]
    return count


def retries(run: Run, task: str) -> list[str]:
    return [event.host for event in run.events if event.event == "retry" and event.task.endswith(task)]


def test_slices_wait_for_each_other(lab: Lab, tmp_path: Path) -> None:
    """The first slice is too small for the threshold; it goes on when the second one has asked."""
    first, second = (
        Ansible(lab, tmp_path / hosts[0], inventory=inventory_of(lab, hosts, tmp_path)) for hosts in SLICES
    )
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(first.play, "winops.kms.point_clients", extra_vars=WAIT)
        until(lambda: attempts(lab, "srv1") > 2, "the canary of the first slice does not ask")
        assert [attempts(lab, name) for name in SLICES[0]][1:] == [1, 1]
        run_2 = second.play("winops.kms.point_clients", extra_vars=WAIT)
        run_1 = waiting.result()
    assert {lab.machine(name)["status"] for name in SERVERS} == {"licensed"}
    assert set(retries(run_1, CANARY)) == {"srv1"}
    assert not retries(run_2, CANARY)
    assert [attempts(lab, name) for name in SLICES[0]][1:] == [2, 2], "only the canary asks again and again"
    assert sorted(run_1.changed_hosts) == sorted(SLICES[0])
    assert sorted(run_2.changed_hosts) == sorted(SLICES[1])
    assert "3 machines are pending. No KMS host of the group kms_hosts could tell" in run_1.stdout
    assert "Waiting for more machines to ask, up to 120 seconds in all." in run_1.stdout


def test_the_count_of_a_host_in_the_inventory_is_read(lab: Lab, tmp_path: Path) -> None:
    play = Ansible(lab, tmp_path).play
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(play, "winops.kms.point_clients", extra_vars=WAIT, limit="srv1,srv2,srv3")
        until(lambda: len(lab.requests("kms1")) > 8, "the count is not looked at")
        assert [attempts(lab, name) for name in SERVERS[:3]] == [1, 1, 1]
        play("winops.kms.point_clients", extra_vars=WAIT, limit="srv4,srv5,srv6")
        run = waiting.result()
    assert {lab.machine(name)["status"] for name in SERVERS} == {"licensed"}
    assert [attempts(lab, name) for name in SERVERS[:3]] == [2, 2, 2]
    assert retries(run, COUNT)
    assert not retries(run, CANARY)
    assert {request["kind"] for request in lab.requests("kms1")} == {"read"}
    assert "3 machines are pending. The KMS host has counted 3 machines and needs 5: 2 more must ask it." in run.stdout


@pytest.mark.parametrize("known", [True, False], ids=["in the inventory", "in another one"])
def test_the_time_is_over(known: bool, lab: Lab, tmp_path: Path) -> None:
    """Too few machines ask: they stay pending, which is no failure unless it is asked for."""
    hosts = SLICES[0]
    inventory = None if known else inventory_of(lab, hosts, tmp_path)
    play = Ansible(lab, tmp_path, inventory=inventory).play
    brief = {**WAIT, "point_clients_wait": 2}
    run = play("winops.kms.point_clients", extra_vars=brief, limit=",".join(hosts))
    assert run.changed_hosts == []
    assert {lab.machine(name)["status"] for name in hosts} == {"oob_grace"}
    assert [attempts(lab, name) for name in hosts[1:]] == [1, 1]
    # It asks once at least, however long that takes.
    assert attempts(lab, "srv1") > 1 or known
    assert run.result("srv1", COUNT if known else CANARY)["attempts"] >= 1
    assert "3 machines are pending." in run.stdout
    insisting = play(
        "winops.kms.point_clients",
        extra_vars={**brief, "point_clients_require_activated": True},
        limit=",".join(hosts),
        expect="failed",
    )
    assert "srv1 is pending." in insisting.stdout


def test_without_waiting_nobody_waits(lab: Lab, tmp_path: Path) -> None:
    """The default: where no KMS host can be read, each pending machine asks once more, and that is all."""
    hosts = SLICES[0]
    run = Ansible(lab, tmp_path, inventory=inventory_of(lab, hosts, tmp_path)).play("winops.kms.point_clients")
    assert [attempts(lab, name) for name in hosts] == [2, 2, 2]
    assert not retries(run, "")
