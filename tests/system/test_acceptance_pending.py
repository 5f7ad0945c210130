# Copyright (c) 2026, the winops.kms authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A KMS host that too few machines have asked: the clients wait, and are activated once there are enough."""

from __future__ import annotations

import pytest

from ansible_collections.winops.kms.tests.system.harness import Play
from kmslab.control import Lab

pytestmark = pytest.mark.estate("few")

CLIENTS = ("pc1", "pc2", "pc3", "srv1")
SET_UP = "Set up the KMS client and activate it"


def test_too_few_machines_end_pending_and_are_activated_later(lab: Lab, play: Play, connection: str) -> None:
    run = play("winops.kms.point_clients", connection=connection)

    assert run.changed_hosts == []
    assert lab.machine("kms1")["host"]["current_count"] == 4
    for name in CLIENTS:
        result = run.result(name, SET_UP)
        assert result["pending"] is True
        assert result["threshold"] == (5 if name == "srv1" else 25)
        assert (result["error"]["code"], result["error"]["name"]) == ("0xC004F038", "SL_E_VL_NOT_ENOUGH_COUNT")
        assert result["error"]["remedy"]
        assert lab.machine(name)["status"] == "oob_grace"
        assert lab.machine(name)["counters"]["activation_attempts"] == 1, "asking again would be in vain"
    assert "3 machines are pending. The KMS host has counted 4 machines and needs 25: 21 more must ask it" in run.stdout
    assert "1 machines are pending. The KMS host has counted 4 machines and needs 5: 1 more must ask it" in run.stdout

    insisting = play(
        "winops.kms.point_clients",
        connection=connection,
        expect="failed",
        extra_vars={"point_clients_require_activated": True},
        limit="pc1,kms1",
    )
    assert "pc1 is pending. The KMS host has counted 4 machines and needs 25" in insisting.stdout
    by_module = play(
        [{"winops.kms.activation": {"fail_when_pending": True}}], hosts="pc2", connection=connection, expect="failed"
    )
    assert by_module.result("pc2")["pending"] is True
    assert by_module.result("pc2")["error"]["code"] == "0xC004F038"

    # 30 more machines of the organisation ask the same host.
    lab.patch("kms1", {"seed_cmids": 30})
    later = play("winops.kms.point_clients", connection=connection)
    assert later.changed_hosts == list(CLIENTS)
    assert "are pending" not in later.stdout.replace("that are pending", "")
    assert {lab.machine(name)["status"] for name in CLIENTS} == {"licensed"}
