# Copyright (c) 2026, the winops.kms authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The playbook `site` over the demo's estate: what check mode foretells happens, and then nothing more does."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest

from ansible_collections.winops.kms.tests.system.harness import Play, Run, brief, kinds
from kmslab.control import Lab

pytestmark = pytest.mark.estate("demo")

ZONE = "corp.example"
#: What a look at a machine changes: the licensing service starts on demand.
_VOLATILE = ("sppsvc", "open_enumerations")


def machines(lab: Lab) -> dict[str, dict[str, Any]]:
    """All machines as the estate itself knows them, by name."""
    return {name: lab.machine(name) for name in lab.machines()}


def steady(state: dict[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """The part of the machines' state that a run without changes must leave as it is."""
    return {
        name: {field: value for field, value in machine.items() if field not in _VOLATILE}
        for name, machine in state.items()
    }


def kms_records(lab: Lab) -> set[tuple[Any, ...]]:
    """The SRV records in the estate's zone."""
    return {
        (record["target"].rstrip("."), record["port"], record["priority"], record["weight"], record["ttl"])
        for record in lab.zone(ZONE)
        if record["type"] == "SRV"
    }


def record_changes(run: Run) -> dict[str, tuple[Counter[str], Counter[str]]]:
    """Host -> the lines that its task added to and took from the record set, by the diff of srv_record."""
    found = {}
    for event in run.events:
        if event.action == "winops.kms.srv_record" and event.result.get("changed"):
            (result,) = event.module_results
            before, after = (Counter(str(result["diff"][side]).splitlines()) for side in ("before", "after"))
            found[event.host] = (after - before, before - after)
    return found


def no_writes(lab: Lab) -> None:
    counts = kinds(lab.requests())
    assert counts.get("read"), "no request was recorded"
    assert set(counts) == {"read"}, brief([one for one in lab.requests() if one["kind"] != "read"])


def test_check_mode_foretells_the_run_and_a_second_run_changes_nothing(lab: Lab, play: Play) -> None:
    start, zone_at_start = machines(lab), lab.zone(ZONE)
    clients = [name for name, machine in start.items() if machine["channel"] != "Volume:MAK" and name[:3] != "kms"]
    assert len(clients) >= 26
    assert not any(machine["status"] == "licensed" for name, machine in start.items() if name in clients)

    foretold = play("winops.kms.site", connection="winrm", check=True, diff=True)
    no_writes(lab)
    assert lab.zone(ZONE) == zone_at_start
    assert steady(machines(lab)) == steady(start)

    lab.clear_requests()
    real = play("winops.kms.site", connection="psrp", diff=True)
    counts = kinds(lab.requests())
    assert counts["write"] > 0
    assert set(counts) == {"read", "write"}, brief([one for one in lab.requests() if one["kind"] == "shell"])
    assert foretold.changes() == real.changes()
    assert record_changes(foretold) == record_changes(real)
    assert foretold.changed_hosts == real.changed_hosts
    assert set(clients) <= set(real.changed_hosts)

    done = machines(lab)
    assert {name: done[name]["channel"] for name in clients} == dict.fromkeys(clients, "Volume:GVLK")
    assert {name: done[name]["status"] for name in clients} == dict.fromkeys(clients, "licensed")
    assert {done[name]["kms_host"] for name in clients} == {"kms1"}, "the host that is preferred in DNS"
    assert kms_records(lab) == {("kms1.corp.example", 1688, 0, 0, 3600), ("kms2.corp.example", 1688, 10, 0, 3600)}
    for host in ("kms1", "kms2"):
        assert (done[host]["channel"], done[host]["status"]) == ("Volume:CSVLK", "licensed")
        assert done[host]["firewall"]["SPPSVC-In-TCP"] is True
        assert done[host]["counters"]["activations_spent"] == 1
        assert done[host]["host"]["dns_publishing"] is False, "the collection writes the record"
        assert done[host]["sppsvc"]["restarts"] <= start[host]["sppsvc"]["restarts"] + 2
    assert steady(done)["travel"] == steady(start)["travel"], "the machine with a MAK is not to be touched"

    for connection in ("winrm", "psrp"):
        lab.clear_requests()
        run = play("winops.kms.site", connection=connection)
        assert run.changed_hosts == []
        assert run.changes() == {}
        no_writes(lab)
    assert steady(machines(lab)) == steady(done)
