# Copyright (c) 2026, the winops.kms authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a task costs in WS-Management requests, by the lab's recording, over both connection plugins."""

from __future__ import annotations

import pytest

from ansible_collections.winops.kms.tests.system.harness import Play, brief, kinds
from kmslab.control import Lab

pytestmark = pytest.mark.estate("running")

PORT = 1700
HOST = {
    "key": "N2222-22222-22222-22222-HK222",
    "activate": True,
    "port": PORT,
    "activation_interval": 240,
    "renewal_interval": 20160,
    "dns_publishing": False,
    "publish_domains": [{"domain": "corp.example", "priority": 10, "weight": 20}, {"domain": "lab.example"}],
    "low_priority": True,
    "firewall": True,
}
CLIENT = {"gvlk": True, "server": "new.corp.example", "port": PORT, "activate": True}
FULL_CLIENT = CLIENT | {"host_caching": False, "lookup_domain": "", "activation_type": "kms"}
PLAYS = [
    {"hosts": "new", "tasks": [{"name": "host", "winops.kms.host": HOST}]},
    {"hosts": "retail", "tasks": [{"name": "client", "winops.kms.client": CLIENT}]},
    {"hosts": "pc", "tasks": [{"name": "client", "winops.kms.client": FULL_CLIENT}]},
]


def test_requests_per_task(lab: Lab, play: Play, connection: str) -> None:
    first = play(PLAYS, connection=connection)
    assert first.changed_hosts == ["new", "pc", "retail"]
    asked = lab.requests("retail")
    assert len(asked) <= 12, brief(asked)
    assert lab.machine("retail")["status"] == "licensed"
    assert lab.machine("retail")["kms_host"] == "new"
    assert kinds(lab.requests()).keys() == {"read", "write"}

    lab.clear_requests()
    second = play(PLAYS, connection=connection)
    assert second.changed_hosts == []
    assert kinds(lab.requests("retail")) == {"read": 2}, brief(lab.requests("retail"))
    assert kinds(lab.requests("pc")) == {"read": 2}, brief(lab.requests("pc"))
    asked = lab.requests("new")
    assert kinds(asked).keys() == {"read"}, brief(asked)
    assert len(asked) <= 5, brief(asked)
    assert {one["status"] for one in lab.requests()} == {200}
