# Copyright (c) 2026, the winops.kms authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The module host: every setting written once, one restart of the licensing service at the end, and the way back."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest

from ansible_collections.winops.kms.tests.system.harness import Play, Run, brief, kinds
from kmslab.control import Lab

pytestmark = pytest.mark.estate("running")

HOST: dict[str, Any] = {
    "key": "N2222-22222-22222-22222-HK222",
    "activate": True,
    "port": 1700,
    "activation_interval": 240,
    "renewal_interval": 20160,
    "dns_publishing": False,
    "publish_domains": [{"domain": "corp.example", "priority": 10, "weight": 20}, {"domain": "lab.example"}],
    "low_priority": True,
    "firewall": True,
}
CHANGES: dict[str, tuple[Any, Any]] = {
    "product_key": ("*****-YP6DF", "*****-HK222"),
    "status": ("oob_grace", "licensed"),
    "port": (None, 1700),
    "activation_interval": (120, 240),
    "renewal_interval": (10080, 20160),
    "dns_publishing": (True, False),
    "low_priority": (False, True),
    "publish_domains": ([], ["corp.example, 10, 20", "lab.example, 0, 0"]),
    "firewall": (False, True),
}
RESTART = ("StopService", "StartService")


def host(lab: Lab, play: Play, options: dict[str, Any], **settings: Any) -> Run:
    lab.clear_requests()
    return play([{"name": "host", "winops.kms.host": options}], hosts="new", **settings)


def written(lab: Lab) -> list[str]:
    """The methods that wrote, in their order."""
    return [one["method"] for one in lab.requests("new") if one["kind"] == "write"]


def changes(run: Run) -> dict[str, tuple[Any, Any]]:
    """Setting -> (before, after), which the diff must say as well."""
    result = run.result("new", "host")
    found = run.changes().get("new", {})
    assert found == {name: (result["diff"]["before"][name], result["diff"]["after"][name]) for name in found}
    assert result["diff"]["before"].keys() == result["diff"]["after"].keys() == found.keys()
    assert result["changed"] is bool(found)
    return {name: (before, after) for name, (before, after) in found.items()}


def test_host(lab: Lab, play: Play, connection: str) -> None:
    # Check mode foretells all of it and writes nothing.
    foretold = host(lab, play, HOST, connection=connection, check=True, diff=True)
    assert changes(foretold) == CHANGES
    assert written(lab) == []

    # Every method once, the key first, the service restarted once when all is written.
    starts = lab.machine("new")["sppsvc"]["restarts"]
    run = host(lab, play, HOST, connection=connection, diff=True)
    assert changes(run) == CHANGES
    assert run.result("new", "host")["restarted"] is True
    methods = written(lab)
    assert Counter(method for method in methods if method != "RefreshLicenseStatus") == Counter(
        {
            "InstallProductKey": 1,
            "Activate": 1,
            "SetKeyManagementServiceListeningPort": 1,
            "SetVLActivationInterval": 1,
            "SetVLRenewalInterval": 1,
            "DisableKeyManagementServiceDnsPublishing": 1,
            "EnableKeyManagementServiceLowPriority": 1,
            "SetMultiStringValue": 1,
            "Enable": 1,
            "StopService": 1,
            "StartService": 1,
        }
    ), brief(lab.requests("new"))
    assert methods[0] == "InstallProductKey"
    assert tuple(methods[-2:]) == RESTART
    machine = lab.machine("new")
    assert machine["sppsvc"]["restarts"] == starts + 1
    assert (machine["channel"], machine["status"]) == ("Volume:CSVLK", "licensed")
    assert machine["counters"]["activations_spent"] == 1
    assert machine["firewall"]["SPPSVC-In-TCP"] is True
    assert machine["host"]["is_kms_host"] is True
    assert machine["host"]["effective_port"] == 1700
    assert machine["host"]["activation_interval"] == 240
    assert machine["host"]["renewal_interval"] == 20160
    assert machine["host"]["dns_publishing"] is False
    assert machine["host"]["publish_domains"] == ["corp.example, 10, 20", "lab.example, 0, 0"]
    assert machine["host"]["low_priority"] is True
    assert machine["host"]["restart_pending"] is False
    assert published(lab) == [("kms1", 1688, 0, 0)]

    # Converged: nothing is written and nothing restarted.
    assert changes(host(lab, play, HOST, connection=connection)) == {}
    assert kinds(lab.requests("new")).keys() == {"read"}
    assert lab.machine("new")["sppsvc"]["restarts"] == starts + 1

    # One setting alone: the restart makes it take effect, here the host publishes itself.
    options = {"dns_publishing": True, "publish_domains": HOST["publish_domains"][:1]}
    run = host(lab, play, options, connection=connection)
    assert changes(run) == {
        "dns_publishing": (False, True),
        "publish_domains": (["corp.example, 10, 20", "lab.example, 0, 0"], ["corp.example, 10, 20"]),
    }
    assert Counter(written(lab)) == Counter(
        ["DisableKeyManagementServiceDnsPublishing", "SetMultiStringValue", *RESTART]
    )
    assert published(lab) == [("kms1", 1688, 0, 0), ("new", 1700, 10, 20)]

    # A firewall rule needs no restart.
    run = host(lab, play, {"firewall": False}, connection=connection)
    assert changes(run) == {"firewall": (True, False)}
    assert written(lab) == ["Disable"]
    assert run.result("new", "host")["restarted"] is False

    # The way back.
    lab.patch("new", {"firewall": {"SPPSVC-In-TCP": True}})
    away = {
        "firewall": (True, False),
        "publish_domains": (["corp.example, 10, 20"], []),
        "port": (1700, None),
        "product_key": ("*****-HK222", None),
    }
    assert changes(host(lab, play, {"state": "absent"}, connection=connection, check=True)) == away
    assert written(lab) == []
    assert changes(host(lab, play, {"state": "absent"}, connection=connection)) == away
    assert [method for method in written(lab) if method in RESTART] == list(RESTART)
    machine = lab.machine("new")
    assert (machine["channel"], machine["status"]) == (None, "unlicensed")
    assert machine["host"]["is_kms_host"] is False
    assert machine["host"]["listening_port"] == 0
    assert machine["host"]["publish_domains"] is None
    assert machine["firewall"]["SPPSVC-In-TCP"] is False
    assert changes(host(lab, play, {"state": "absent"}, connection=connection)) == {}
    assert kinds(lab.requests("new")).keys() == {"read"}


def published(lab: Lab) -> list[tuple[str, int, int, int]]:
    """The SRV records in DNS: (machine, port, priority, weight)."""
    return sorted(
        (record["target"].partition(".")[0], record["port"], record["priority"], record["weight"])
        for record in lab.zone("corp.example")
        if record["type"] == "SRV"
    )
