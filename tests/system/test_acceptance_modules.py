# Copyright (c) 2026, the winops.kms authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The modules for one step: license_info, product_key and activation, against what the lab's machines hold."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.winops.kms.tests.system.harness import Play, kinds
from kmslab.control import Lab

pytestmark = pytest.mark.estate("running")

MAK = "N3333-33333-33333-33333-MK333"


def told(result: dict[str, Any]) -> dict[str, Any]:
    """What license_info says of a machine, in the lab's words."""
    found, service, host = result["license"] or {}, result["service"], result["kms_host"]
    return {
        "version": service["version"],
        "build": service["build"],
        "cmid": service["client_machine_id"],
        "kms_server": service["kms_server"],
        "host_caching": service["host_caching"],
        "edition": found.get("edition"),
        "channel": found.get("channel"),
        "partial_product_key": found.get("partial_product_key"),
        "status": found.get("status", "unlicensed"),
        "grace_minutes_remaining": found.get("grace_minutes_remaining", 0),
        "is_kms_host": host["is_kms_host"],
        "current_count": host["current_count"] if host["is_kms_host"] else None,
        "listening_port": host["port"],
        "dns_publishing": host["dns_publishing"],
    }


def truth(machine: dict[str, Any]) -> dict[str, Any]:
    """The same from the lab itself."""
    host, settings = machine["host"], machine["settings"]
    keyed = machine["channel"] is not None
    return {
        "version": machine["version"],
        "build": machine["build"],
        "cmid": machine["cmid"],
        "kms_server": settings["kms_server"],
        "host_caching": settings["host_caching"],
        "edition": machine["edition"] if keyed else None,
        "channel": machine["channel"],
        "partial_product_key": machine["partial_product_key"],
        "status": machine["status"],
        "grace_minutes_remaining": machine["grace_minutes_remaining"],
        "is_kms_host": host["is_kms_host"],
        "current_count": host["current_count"],
        "listening_port": host["listening_port"] or 1688,
        "dns_publishing": host["dns_publishing"],
    }


def test_license_info(lab: Lab, play: Play, connection: str) -> None:
    names = lab.machines()
    lab.patch("pc", {"licensed": True, "kms_server": "kms1.corp.example", "kms_port": 1688})
    lab.advance(days=3)
    run = play([{"name": "read", "winops.kms.license_info": {}}], connection=connection)
    assert {name: told(run.result(name, "read")) for name in names} == {
        name: truth(lab.machine(name)) for name in names
    }
    assert run.changed_hosts == []
    assert kinds(lab.requests()).keys() == {"read"}
    facts = run.result("pc", "read")["ansible_facts"]["winops_kms"]
    assert facts["license"] == run.result("pc", "read")["license"]
    found = facts["license"]
    assert (found["kms_server"], found["kms_port"], found["kms_server_source"]) == ("kms1.corp.example", 1688, "fixed")
    # A client that is activated has less than 180 days left, as three of them went by.
    assert 0 < found["days_remaining"] <= 177


def steps(*options: dict[str, Any]) -> list[dict[str, Any]]:
    return [{"name": f"step {number}", **option} for number, option in enumerate(options, start=1)]


def test_product_key_and_activation(lab: Lab, play: Play, connection: str) -> None:
    key: dict[str, Any] = {"winops.kms.product_key": {"key": MAK, "key_channel": "mak"}}
    activate: dict[str, Any] = {"winops.kms.activation": {}}
    absent: dict[str, Any] = {"winops.kms.product_key": {"state": "absent"}}
    gvlk: dict[str, Any] = {"winops.kms.product_key": {"gvlk": True}}

    foretold = play(steps(key), hosts="retail,keyless", connection=connection, check=True)
    assert kinds(lab.requests()).keys() == {"read"}
    run = play(steps(key, activate, key, activate), hosts="retail,keyless", connection=connection)
    for name, before in (("retail", "*****-RT444"), ("keyless", None)):
        results = [run.result(name, f"step {number}") for number in range(1, 5)]
        assert [result["changed"] for result in results] == [True, True, False, False]
        assert results[0]["changes"] == [{"setting": "product_key", "before": before, "after": "*****-MK333"}]
        assert results[0]["changes"] == foretold.result(name, "step 1")["changes"]
        assert results[0]["license"]["channel"] == "Volume:MAK"
        assert results[1]["changes"] == [{"setting": "status", "before": "oob_grace", "after": "licensed"}]
        machine = lab.machine(name)
        assert (machine["channel"], machine["status"]) == ("Volume:MAK", "licensed")
        assert machine["counters"]["key_installs"] == 1
        assert machine["counters"]["activation_attempts"] == 1
        assert machine["counters"]["activations_spent"] == 1

    run = play(steps(absent, absent, gvlk, gvlk), hosts="retail,keyless", connection=connection)
    for name, partial in (("retail", "T83GX"), ("keyless", "VCFB2")):
        results = [run.result(name, f"step {number}") for number in range(1, 5)]
        assert [result["changed"] for result in results] == [True, False, True, False]
        assert results[0]["changes"] == [{"setting": "product_key", "before": "*****-MK333", "after": None}]
        assert results[2]["changes"] == [{"setting": "product_key", "before": None, "after": f"*****-{partial}"}]
        assert lab.machine(name)["channel"] == "Volume:GVLK"

    assert lab.machine("retail")["key_in_registry"] is True
    run = play(steps({"winops.kms.product_key": {"clear_from_registry": True}}), hosts="retail", connection=connection)
    assert run.changed("retail")
    assert lab.machine("retail")["key_in_registry"] is False
    assert lab.machine("retail")["partial_product_key"] == "T83GX"
