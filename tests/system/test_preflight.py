# Copyright (c) 2026, the winops.kms authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What stands in the way is told before anything is changed, by the module and by the roles."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.winops.kms.tests.system.harness import Play, Run, brief, kinds
from kmslab.control import Lab

pytestmark = pytest.mark.estate("preflight")

ROLES = [
    {"hosts": "candidates:!r2", "roles": ["winops.kms.install_kms_host"]},
    {"hosts": "kms_clients", "roles": ["winops.kms.point_clients"]},
]
#: Machine -> the findings that are errors.
REFUSED = {
    "azure": ["azure_edition"],
    "trial": ["evaluation_edition"],
    "wintertime": ["clock_wrong"],
    "stopped": ["sppsvc_disabled"],
    "late": ["clock_refused"],
}
MODULE = [
    {
        "hosts": "kms1,kms2,candidates",
        "tasks": [{"name": "look", "winops.kms.preflight_info": {"role": "host"}, "register": "looked"}],
    },
    {
        "hosts": "kms_clients",
        "tasks": [
            {
                "name": "look",
                "winops.kms.preflight_info": {
                    "role": "client",
                    "name": "{{ inventory_hostname }}",
                    "kms_hosts": [
                        "{{ hostvars.kms1.looked }}",
                        "{{ hostvars.kms2.looked.facts | combine({'name': 'kms2'}) }}",
                    ],
                },
            }
        ],
    },
]
#: Machine -> everything that is found there when nothing is about to be changed.
FOUND = {
    "kms1": [],
    "kms2": ["updates_missing"],
    "new": ["firewall_closed", "tpm_not_ready"],
    "azure": ["azure_edition", "firewall_closed"],
    "trial": ["evaluation_edition", "firewall_closed"],
    "wintertime": ["clock_wrong", "firewall_closed"],
    "r2": ["firewall_closed", "updates_unknown"],
    "pc": [],
    "srv25": ["host_does_not_activate"],
    "stopped": ["sppsvc_disabled", "time_service_disabled"],
    "late": ["clock_refused", "clock_refused", "clock_differs"],
    "ending": ["grace_ends_soon"],
    "rogue": ["foreign_kms_host"],
    "cloud": ["host_does_not_activate", "azure_kms"],
    "member": ["ad_activation"],
    "imaged": ["skip_rearm", "user_operations", "foreign_kms_host", "no_rearms_left", "no_gen_ticket"],
}


def checks(result: dict[str, Any]) -> list[str]:
    return [finding["check"] for finding in result["findings"]]


def said(run: Run) -> set[str]:
    """What the roles printed of the findings."""
    return {
        str(item["msg"])
        for event in run.events
        if event.task.startswith("Say what stands")
        for item in event.module_results
        if "msg" in item
    }


def unlooked(lab: Lab) -> dict[str, Any]:
    """What a look must leave as it is; the licensing service starts on demand."""
    return {name: {**lab.machine(name), "sppsvc": None, "open_enumerations": None} for name in lab.machines()}


def test_each_trouble_is_found_and_nothing_is_written(lab: Lab, play: Play, connection: str) -> None:
    before = unlooked(lab)
    run = play(MODULE, connection=connection)
    assert {host: checks(run.result(host, "look")) for host in FOUND} == FOUND
    assert run.changed_hosts == []
    assert kinds(lab.requests()).keys() == {"read"}
    assert unlooked(lab) == before
    for host, most in (("pc", 8), ("kms1", 8), ("new", 9)):
        assert len(lab.requests(host)) <= most, brief(lab.requests(host))
    assert "UTC+01:00" in run.result("ending", "look")["findings"][0]["message"]
    facts = run.result("new", "look")["facts"]
    assert (facts["tpm"]["spec_version"], facts["firewall_rule"]) == ("1.2, 2, 3", False)


def test_fail_stops_a_machine_before_anything_is_written(lab: Lab, play: Play, connection: str) -> None:
    modes = {"install_kms_host_preflight": "fail", "point_clients_preflight": "fail"}
    run = play(ROLES, connection=connection, extra_vars=modes, expect=None)
    outcomes = {host: run.outcome(host) for host in run.recap}
    # The setting of the application, which the role does not clear, leads to a host that is none.
    failed = {host for host, outcome in outcomes.items() if outcome != "ok"} - {"imaged"}
    assert failed == set(REFUSED), run.output[-6000:]
    for host, errors in REFUSED.items():
        assert kinds(lab.requests(host)).keys() == {"read"}, brief(lab.requests(host))
        messages = [event.result["msg"] for event in run.events if event.host == host and event.event == "failed"]
        assert len(messages) == 1 and "1 error" in messages[0], (host, messages)
        assert errors[0] in run.output
    assert lab.machine("new")["host"]["is_kms_host"] and lab.machine("pc")["status"] == "licensed"

    lab.clear_requests()
    again = play(
        ROLES,
        connection=connection,
        extra_vars=modes,
        limit="all:" + ":".join(f"!{host}" for host in [*REFUSED, "imaged"]),
    )
    assert again.changed_hosts == []
    assert kinds(lab.requests()).keys() == {"read"}
    asked = [one for one in lab.requests("pc") if one["method"]]
    assert (len(lab.requests("pc")), asked) == (4, []), "of an activated machine only the licence is looked at"


def test_warn_tells_and_goes_on(lab: Lab, play: Play) -> None:
    run = play(ROLES, connection="winrm", extra_vars={"install_kms_host_preflight": ""}, expect=None)
    text = "\n".join(said(run))
    for part in (
        "error: azure has Datacenter: Azure Edition (ServerTurbine), which can't be a KMS host. Choose a machine",
        "error: trial has an evaluation edition (ServerStandardEval)",
        "error: The clock of wintertime is 5 h behind that of the controller.",
        "info: The TPM of new is not ready",
        "error: The service sppsvc of stopped is disabled",
        "error: The clock of late is 5 h 1 min behind that of the KMS host kms1.",
        "warning: cloud asks azkms.core.windows.net, the KMS host of Azure, and is to ask another one.",
        "warning: imaged keeps asking kms.old.example, the KMS host of the application",
        "warning: member is activated by the activation object Volume activation",
    ):
        assert part in text, text
    assert "SPPSVC-In-TCP" not in text, "the role opens it"
    assert "rogue" not in text, "the role points it elsewhere"
    # Of the hosts, those fail that no host key can be installed on, and no key was sent to them.
    for host in ("azure", "trial"):
        assert run.outcome(host) == "failed" and kinds(lab.requests(host)).keys() == {"read"}
        assert lab.machine(host)["counters"]["key_installs"] == 0
    assert run.outcome("wintertime") == "ok" and lab.machine("wintertime")["host"]["is_kms_host"]


def test_skip_does_not_look(lab: Lab, play: Play) -> None:
    modes = {"install_kms_host_preflight": "skip", "point_clients_preflight": "skip"}
    run = play(ROLES, connection="psrp", extra_vars=modes, limit="new:pc")
    assert said(run) == set()
    assert {one["method"] for one in lab.requests()}.isdisjoint({"EnumValues", "GetDWORDValue"})
    assert lab.requests("kms1") == []


def test_a_kms_host_that_cannot_be_read_is_no_trouble_of_the_client(lab: Lab, play: Play) -> None:
    lab.patch("kms1", {"power": False})
    run = play(
        ROLES[1:], connection="winrm", extra_vars={"point_clients_activate": False}, limit="pc:srv25", check=True
    )
    assert {text.partition(".")[0] for text in said(run)} == {
        f"info: Whether a KMS host activates {name}, can't be told: kms1 could not be read" for name in ("pc", "srv25")
    }
