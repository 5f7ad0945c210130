# Copyright (c) 2026, the winops.kms authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The role point_clients on machines of every sort, and clients whose KMS host can't be found or reached."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.winops.kms.tests.system.harness import Play, brief, kinds
from kmslab.control import Lab
from kmslab.model.catalogue import Catalogue

pytestmark = pytest.mark.estate("running")

SORTS = ("pc", "retail", "keyless", "wrong", "seven", "german", "ltsc", "core")


def client_setup_key(machine: dict[str, Any]) -> str:
    """The last five characters of the key that belongs on the machine, by the lab's own table."""
    return Catalogue.load().edition(machine["edition"], machine["build"]).gvlk[-5:]


def test_machines_of_every_sort_become_activated_clients(lab: Lab, play: Play, connection: str) -> None:
    with_mak = lab.machine("mak")
    before = {name: lab.machine(name) for name in SORTS}

    run = play("winops.kms.point_clients", connection=connection)

    assert run.changed_hosts == sorted(SORTS)
    for name in SORTS:
        machine = lab.machine(name)
        assert machine["channel"] == "Volume:GVLK", name
        assert machine["partial_product_key"] == client_setup_key(machine), name
        assert (machine["status"], machine["days_left"], machine["kms_host"]) == ("licensed", 180, "kms1"), name
        had_it = before[name]["partial_product_key"] == machine["partial_product_key"]
        assert machine["counters"]["key_installs"] == (0 if had_it else 1), name
        assert machine["counters"]["activation_attempts"] == 1, name
        assert run.result(name, "Set up the KMS client and activate it")["license"]["status"] == "licensed"
    assert before["wrong"]["settings"]["kms_server"] == "gone.corp.example"
    assert lab.machine("wrong")["settings"]["kms_server"] is None
    assert lab.machine("wrong")["settings"]["kms_port"] == 0
    after = lab.machine("mak")
    assert {field: after[field] for field in with_mak if field != "sppsvc"} == {
        field: with_mak[field] for field in with_mak if field != "sppsvc"
    }
    assert kinds(lab.requests("mak")).keys() == {"read"}, brief(lab.requests("mak"))

    lab.clear_requests()
    again = play("winops.kms.point_clients", connection=connection)
    assert again.changed_hosts == []
    assert kinds(lab.requests()).keys() == {"read"}, brief([one for one in lab.requests() if one["kind"] != "read"])


# Host -> (options of `client`, the error that Windows gives).  pc looks in DNS.
TROUBLE: dict[str, tuple[dict[str, Any], str, str, str]] = {
    "pc": (
        {"activate": True},
        "0x8007232B",
        "DNS_ERROR_RCODE_NAME_ERROR",
        "publish_dns",
    ),
    "core": (
        {"gvlk": True, "server": "closed.corp.example", "activate": True},
        "0xC004F074",
        "SL_E_VL_BINDING_SERVICE_UNAVAILABLE",
        "SPPSVC-In-TCP",
    ),
    "seven": (
        {"gvlk": True, "server": "dark.corp.example", "activate": True},
        "0xC004F074",
        "SL_E_VL_BINDING_SERVICE_UNAVAILABLE",
        "TCP 1688",
    ),
}
ACTIVATE = [
    {"name": "activate", "winops.kms.client": "{{ options[inventory_hostname] }}"},
]


def test_trouble_on_the_way_to_the_host_is_told_with_its_remedy(lab: Lab, play: Play, connection: str) -> None:
    records = [record for record in lab.zone("corp.example") if record["type"] in ("A", "AAAA")]
    lab.put_zone("corp.example", records)
    lab.patch("dark", {"power": False})
    variables = {"options": {name: options for name, (options, *_ignored) in TROUBLE.items()}}

    run = play(
        ACTIVATE, hosts=",".join(TROUBLE), connection=connection, extra_vars=variables, expect="failed", verbosity=1
    )

    for name, (_ignored, code, symbol, hint) in TROUBLE.items():
        result = run.result(name, "activate")
        assert run.outcome(name) == "failed"
        assert (result["error"]["code"], result["error"]["name"]) == (code, symbol), result
        assert hint in result["error"]["remedy"]
        assert result["msg"].startswith(f"{name}: {code} {symbol}: ")
        assert result["error"]["remedy"] in result["msg"]
        assert result["pending"] is False
        assert result["license"]["status"] == "oob_grace" == lab.machine(name)["status"]
        # What was done before the activation failed was done, and says so.
        assert result["changed"] is (name != "pc")
        assert run.changed(name) is False, "Ansible counts a task that failed as failed alone"
    assert lab.machine("core")["partial_product_key"] == client_setup_key(lab.machine("core"))

    # The causes are removed; pc once has the record and finds the firewall of its host closed.
    lab.patch("dark", {"power": True})
    lab.patch("closed", {"firewall": {"SPPSVC-In-TCP": True}})
    lab.patch("kms1", {"firewall": {"SPPSVC-In-TCP": False}})
    lab.put_zone("corp.example", [*records, srv("kms1.corp.example")])
    run = play(ACTIVATE, hosts=",".join(TROUBLE), connection=connection, extra_vars=variables, expect="failed")
    assert {name: run.outcome(name) for name in TROUBLE} == {"pc": "failed", "core": "ok", "seven": "ok"}
    assert run.result("pc")["error"]["code"] == "0xC004F074"
    assert {lab.machine(name)["status"] for name in ("core", "seven")} == {"licensed"}
    assert (lab.machine("core")["kms_host"], lab.machine("seven")["kms_host"]) == ("closed", "dark")

    lab.patch("kms1", {"firewall": {"SPPSVC-In-TCP": True}})
    run = play(ACTIVATE, hosts="pc", connection=connection, extra_vars=variables)
    assert run.changes() == {"pc": {"status": ("oob_grace", "licensed")}}
    assert lab.machine("pc")["kms_host"] == "kms1"


def srv(target: str) -> dict[str, Any]:
    return {"name": "_vlmcs._tcp.corp.example.", "type": "SRV", "ttl": 3600, "port": 1688, "target": f"{target}."}
