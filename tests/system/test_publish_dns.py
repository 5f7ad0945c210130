# Copyright (c) 2026, the winops.kms authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The role publish_dns: its methods, several zones and hosts, removal, verification, and what it refuses."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from ansible_collections.winops.kms.tests.system.harness import Play, Run, brief, kinds
from kmslab.control import Lab

pytestmark = pytest.mark.estate("dns_methods")

QUICK = {"publish_dns_retries": 1, "publish_dns_delay": 0}
#: By the collection's key, in corp.example and branch.example; options left empty count as not set.
BY_KEY = {
    **QUICK,
    "publish_dns_method": "rfc2136",
    "publish_dns_zones": ["corp.example", {"zone": "branch.example", "priority": 5, "ttl": 900}],
    "publish_dns_tsig_algorithm": "",
    "publish_dns_gss_keytab": "",
    "publish_dns_gss_password": "",
}
#: On dc1, in ad.example and file.example.
BY_WINDOWS = {
    **QUICK,
    "publish_dns_method": "windows",
    "publish_dns_windows_server": "dc1",
    "publish_dns_zones": ["ad.example", {"zone": "file.example", "priority": 5}],
}
#: By themselves, in open.example and wide.example.
BY_THEMSELVES = {
    **QUICK,
    "publish_dns_method": "self",
    "publish_dns_zones": ["open.example", {"domain": "wide.example", "priority": 5}],
}

BOTH = ["1 0 1688 kms1.corp.example.", "2 20 1688 kms2.corp.example."]
BOTH_AT_5 = ["5 0 1688 kms1.corp.example.", "5 20 1688 kms2.corp.example."]
FOREIGN = ["0 0 1688 kms0.corp.example."]


def published(lab: Lab, zone: str) -> list[str]:
    """The SRV records of a zone, as `priority weight port target.`."""
    return sorted(record["data"] for record in lab.zone(zone) if record["type"] == "SRV")


def zones(lab: Lab) -> dict[str, list[str]]:
    """The SRV records of the zones that have any."""
    names = ("corp.example", "branch.example", "ad.example", "file.example", "open.example", "wide.example")
    return {name: found for name in names if (found := published(lab, name))}


def record_changes(run: Run) -> set[str]:
    """The lines that were added to (+) and taken from (-) record sets, by the diffs of the modules.

    Of all hosts together: when a TTL is set for the whole set, whoever comes first changes that of the others.
    """
    found: set[str] = set()
    for event in run.events:
        if event.action.endswith("srv_record") and event.result.get("changed"):
            for result in event.module_results:
                before, after = (set(str(result["diff"][side]).splitlines()) for side in ("before", "after"))
                found |= {"+" + line for line in after - before} | {"-" + line for line in before - after}
    return found


def nothing_changed(lab: Lab, run: Run) -> None:
    assert run.changed_hosts == []
    assert run.changes() == {}
    assert kinds(lab.requests()).keys() <= {"read"}, brief([one for one in lab.requests() if one["kind"] != "read"])


def check_then_run(lab: Lab, play: Play, connection: str, variables: dict[str, Any]) -> Run:
    """Run in check mode, which must change nothing, and then for good, which must change just what was foretold."""
    lab.clear_requests()
    before = zones(lab)
    foretold = play("winops.kms.publish_dns", connection=connection, check=True, extra_vars=variables)
    assert kinds(lab.requests()).keys() <= {"read"}
    assert zones(lab) == before

    run = play("winops.kms.publish_dns", connection=connection, extra_vars=variables)
    assert record_changes(run) == record_changes(foretold)
    assert run.changes() == foretold.changes()
    assert run.changed_hosts == foretold.changed_hosts
    lab.clear_requests()
    return run


def test_several_hosts_in_several_zones(lab: Lab, play: Play) -> None:
    """Beside the record of a host that was there before, until it is to go."""
    others = {zone: found for zone, found in zones(lab).items() if zone not in ("corp.example", "branch.example")}
    check_then_run(lab, play, "winrm", BY_KEY)
    assert zones(lab) == {**others, "corp.example": FOREIGN + BOTH, "branch.example": FOREIGN + BOTH_AT_5}
    ttls = {record["ttl"] for record in lab.zone("branch.example") if record["type"] == "SRV"}
    assert ttls == {900}, "one for the whole set"

    leaving = {**BY_KEY, "publish_dns_zones": ["corp.example"], "publish_dns_remove": ["KMS0.corp.example."]}
    removal = check_then_run(lab, play, "winrm", leaving)
    assert zones(lab) == {**others, "corp.example": BOTH, "branch.example": FOREIGN + BOTH_AT_5}
    assert removal.changed_hosts == ["kms1"], "one host does it for all"
    nothing_changed(lab, play("winops.kms.publish_dns", extra_vars=leaving))


def test_a_second_kms_host_is_added_while_the_first_ones_record_is_there(lab: Lab, play: Play) -> None:
    """Both remain, and a third one's as well; the second run adds one line and takes none."""
    variables = {**BY_KEY, "publish_dns_zones": ["corp.example"]}
    play("winops.kms.publish_dns", limit="kms1", extra_vars=variables)
    assert published(lab, "corp.example") == [*FOREIGN, BOTH[0]]
    run = play("winops.kms.publish_dns", limit="kms2", extra_vars=variables)
    assert published(lab, "corp.example") == FOREIGN + BOTH
    assert record_changes(run) == {"+_vlmcs._tcp.corp.example. 3600 IN SRV 2 20 1688 kms2.corp.example."}


def test_several_hosts_on_a_windows_server(lab: Lab, play: Play) -> None:
    others = {zone: found for zone, found in zones(lab).items() if zone not in ("ad.example", "file.example")}
    leaving = {**BY_WINDOWS, "publish_dns_remove": ["kms0"]}
    check_then_run(lab, play, "psrp", leaving)
    assert zones(lab) == {**others, "ad.example": BOTH, "file.example": BOTH_AT_5}
    nothing_changed(lab, play("winops.kms.publish_dns", connection="psrp", extra_vars=leaving))


def test_hosts_publish_themselves_in_several_zones(lab: Lab, play: Play) -> None:
    before = zones(lab)
    check_then_run(lab, play, "winrm", BY_THEMSELVES)
    assert zones(lab) == {**before, "open.example": BOTH, "wide.example": BOTH_AT_5}
    nothing_changed(lab, play("winops.kms.publish_dns", extra_vars=BY_THEMSELVES))


@pytest.fixture(scope="module")
def stale(start_lab: Callable[[str], Lab]) -> Lab:
    """Another DNS server for corp.example, that never gets to know of any change."""
    return start_lab("dns_methods")


def test_a_server_that_does_not_know_it(lab: Lab, play: Play, stale: Lab) -> None:
    """Every server of the list is asked.  As long as one does not answer as wanted, nothing is taken away."""
    servers = [{"server": "127.0.0.1", "port": one.info["dns_port"]} for one in (lab, stale)]
    # The zone is that of the host's own name.
    zone = {"publish_dns_zones": "", "publish_dns_zone": "", "publish_dns_target": "kms1.branch.example"}
    variables = {**BY_KEY, **zone, "publish_dns_verify_servers": servers, "publish_dns_remove": ["kms0.corp.example"]}
    run = play("winops.kms.publish_dns", limit="kms1", extra_vars=variables, expect="failed")
    message = run.result("kms1")["msg"]
    assert "kms1.branch.example (port 1688) in branch.example" in message
    assert "answers for branch.example: _vlmcs._tcp.branch.example. 3600 IN SRV 0 0 1688 kms0.corp.example." in message
    assert "replication" in message
    assert "12293" not in message
    assert message.count("answers for") == 1, "the other server answers as wanted"
    assert published(lab, "branch.example") == [*FOREIGN, "1 0 1688 kms1.branch.example."]

    # One that nobody can ask is another trouble.
    lost = {**variables, "publish_dns_verify_servers": ["127.0.0.2"]}
    message = play("winops.kms.publish_dns", limit="kms1", extra_vars=lost, expect="failed").result("kms1")["msg"]
    assert "127.0.0.2" in message
    assert "refused the connection" in message
    assert "replication" not in message

    unverified = {**variables, "publish_dns_verify_servers": []}
    play("winops.kms.publish_dns", limit="kms1", extra_vars=unverified)
    assert published(lab, "branch.example") == ["1 0 1688 kms1.branch.example."]


@pytest.mark.parametrize(
    ("variables", "words"),
    [
        ({"publish_dns_zones": ["corp.example", {"zon": "x"}, 5]}, ['{"zon": "x"}, 5', "publish_dns_zones"]),
        ({**BY_WINDOWS, "publish_dns_windows_server": "dc7"}, ["publish_dns_windows_server", "'dc7'", "inventory"]),
        ({**BY_KEY, "publish_dns_remove": ["Kms1", "kms2"]}, ["corp.example", "itself", "decommission_host"]),
    ],
    ids=["zones", "server", "itself"],
)
def test_what_cannot_be_is_refused_before_anything_is_sent(
    lab: Lab, play: Play, variables: dict[str, Any], words: list[str]
) -> None:
    before = zones(lab)
    run = play("winops.kms.publish_dns", extra_vars=variables, expect="failed")
    for host in ("kms1", "kms2"):
        assert not [word for word in words if word not in run.result(host)["msg"]], run.result(host)["msg"]
    assert lab.requests() == []
    assert zones(lab) == before


def test_kerberos_options_reach_the_module_and_nothing_else(lab: Lab, play: Play) -> None:
    variables = {
        **BY_KEY,
        "publish_dns_tsig_key_name": "",
        "publish_dns_tsig_key_secret": "",
        "publish_dns_gss_tsig": True,
        "publish_dns_gss_hostname": "dc1.corp.example",
        "publish_dns_gss_keytab": "/nowhere/kms.keytab",
        "publish_dns_gss_principal": "kms-publisher@CORP.EXAMPLE",
        "publish_dns_gss_password": "Kerberos-5ecret",
    }
    run = play("winops.kms.publish_dns", limit="kms1", extra_vars=variables, verbosity=5, expect="failed")
    (message, _second) = [item["msg"] for item in run.result("kms1")["results"]]
    assert "gss_keytab" in message
    assert "/nowhere/kms.keytab" in message
    assert "kms-publisher@CORP.EXAMPLE" in run.output
    assert "Kerberos-5ecret" not in run.output


WITHDRAW = [
    {
        "hosts": "kms_hosts",
        "tasks": [{"ansible.builtin.include_role": {"name": "winops.kms.publish_dns", "tasks_from": "withdraw"}}],
    }
]


def test_a_host_comes_and_goes_on_a_windows_server(lab: Lab, play: Play) -> None:
    variables = {**BY_WINDOWS, "publish_dns_zones": ["ad.example"]}
    play("winops.kms.publish_dns", limit="kms2", extra_vars=variables)
    assert published(lab, "ad.example") == [*FOREIGN, BOTH[1]]
    run = play(WITHDRAW, limit="kms2", extra_vars=variables)
    assert run.changed_hosts == ["kms2"]
    assert published(lab, "ad.example") == FOREIGN
