# Copyright (c) 2026, the winops.kms authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A whole job, short enough to be run on every supported ansible-core: foretold, done, done again."""

from __future__ import annotations

from ansible_collections.winops.kms.tests.system.harness import Play, brief, kinds
from kmslab.control import Lab

#: What ansible-core prints of a use of it that a later release takes away, or that may not be what was meant.
COMPLAINTS = ("[WARNING]", "[DEPRECATION WARNING]", "Traceback")
BLOCKED = "N2222-22222-22222-22222-HK888"


def test_site_twice_after_a_check(lab: Lab, play: Play, connection: str) -> None:
    foretold = play("winops.kms.site", connection=connection, check=True, diff=True)
    assert kinds(lab.requests()).keys() == {"read"}, brief([one for one in lab.requests() if one["kind"] != "read"])

    first = play("winops.kms.site", connection=connection, diff=True)
    assert first.changed_hosts == foretold.changed_hosts == ["kms1", "pc1", "pc2"]
    assert {name: lab.machine(name)["status"] for name in lab.machines()} == dict.fromkeys(lab.machines(), "licensed")
    assert "shell" not in kinds(lab.requests())

    lab.clear_requests()
    second = play("winops.kms.site", connection=connection, diff=True)
    assert second.changed_hosts == []
    assert kinds(lab.requests()).keys() == {"read"}, brief([one for one in lab.requests() if one["kind"] != "read"])

    for run in (first, second):
        complaints = [line for line in run.output.splitlines() if any(word in line for word in COMPLAINTS)]
        assert not complaints, complaints


def test_each_kind_of_failure(lab: Lab, play: Play, connection: str) -> None:
    """What Windows refuses, a host that does not answer, an option that does not exist: each told as what it is."""
    lab.patch("pc2", {"power": False})
    misspelt = {"winops.kms.activation": {"aplication": "office"}, "when": "inventory_hostname == 'pc1'"}
    blocked = {"winops.kms.host": {"key": BLOCKED, "activate": True}, "when": "inventory_hostname == 'kms1'"}

    run = play([misspelt, blocked], connection=connection, verbosity=3, expect=None)

    assert (run.outcome("kms1"), run.outcome("pc1")) == ("failed", "failed")
    assert run.result("kms1")["error"]["code"] == "0xC004C003"
    assert "aplication" in run.result("pc1")["msg"]
    assert BLOCKED not in run.output

    run = play([{"winops.kms.license_info": {}}], connection=connection, verbosity=3, expect=None)

    assert {host: run.outcome(host) for host in run.recap} == {"kms1": "ok", "pc1": "ok", "pc2": "unreachable"}
    assert "Traceback" not in run.output
