# Copyright (c) 2026, the winops.kms authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The playbooks replace_host and decommission_host, end to end, and what stops them where."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from ansible_collections.winops.kms.tests.system.harness import Play, Run, brief, kinds
from kmslab.control import Lab

pytestmark = pytest.mark.estate("replace_hosts")

REPLACE = "winops.kms.replace_host"
DECOMMISSION = "winops.kms.decommission_host"

OLD, NEW, OTHER = (f"0 0 1688 {name}.corp.example." for name in ("old1", "new1", "new2"))
#: Clients whose KMS host is old1, at first.
CLIENTS = ("pc-dns", "pc-branch", "pc-fixed")

HOSTS = {
    "kms_new_host_pattern": "new1",
    "kms_old_host_pattern": "old1",
    "publish_dns_retries": 1,
    "publish_dns_delay": 0,
}
#: In one zone alone, which takes less time.
ONE_ZONE = {**HOSTS, "publish_dns_zones": ["corp.example"]}

#: A key that the DNS server knows, and that may change nothing.
STRANGER = {
    "publish_dns_tsig_key_name": "stranger.",
    "publish_dns_tsig_key_secret": "bGFiIG9ubHk6IG5vdCBhIHNlY3JldCBlaXRoZXIhISE=",
}


@pytest.fixture
def lab(lab: Lab) -> Lab:
    """Every client has asked for its activation, as Windows does every two hours."""
    lab.advance(hours=3)
    assert {name: lab.machine(name)["kms_host"] for name in CLIENTS} == dict.fromkeys(CLIENTS, "old1")
    lab.clear_requests()
    return lab


def published(lab: Lab, zone: str = "corp.example") -> list[str]:
    """The SRV records of a zone, as `priority weight port target.`."""
    return sorted(record["data"] for record in lab.zone(zone) if record["type"] == "SRV")


def publish(lab: Lab, data: str) -> None:
    """Somebody adds a record to corp.example."""
    record = {"name": "_vlmcs._tcp.corp.example.", "type": "SRV", "ttl": 3600, "data": data}
    lab.put_zone("corp.example", [*lab.zone("corp.example"), record])


def fixed_host(lab: Lab, client: str) -> str | None:
    """The KMS host that is set on a client."""
    name: str | None = lab.machine(client)["settings"]["kms_server"]
    return name


def licensed(lab: Lab) -> dict[str, str]:
    """Licensed machine -> the KMS host that activated it."""
    machines = {name: lab.machine(name) for name in lab.machines()}
    return {name: one["kms_host"] for name, one in machines.items() if one["status"] == "licensed" and one["kms_host"]}


def wrote_nothing(lab: Lab, run: Run) -> None:
    assert run.changed_hosts == []
    assert kinds(lab.requests()).keys() <= {"read"}, brief([one for one in lab.requests() if one["kind"] != "read"])


def place(run: Run, host: str, setting: str) -> int:
    """Where in the run a host's setting was changed, or (setting `record`) a set of SRV records for it."""
    for number, event in enumerate(run.events):
        changes = [change["setting"] for change in event.result.get("changes") or ()]
        record = event.action == "winops.kms.srv_record" and event.result.get("changed")
        if event.host == host and (setting in changes or (setting == "record" and record)):
            return number
    raise AssertionError(f"{host}: {setting} was not changed")


def test_one_host_takes_the_place_of_another(lab: Lab, play: Play) -> None:
    foretold = play(REPLACE, check=True, extra_vars=HOSTS)
    assert kinds(lab.requests()).keys() == {"read"}
    assert published(lab) == published(lab, "branch.example") == [OLD]

    run = play(REPLACE, extra_vars=HOSTS)
    assert run.changes() == foretold.changes()
    assert run.changed_hosts == foretold.changed_hosts
    assert published(lab) == published(lab, "branch.example") == [NEW]
    # The new host in DNS, and verified; the clients; the old host silent; only then its record.
    (verified,) = [
        number
        for number, event in enumerate(run.events)
        if (event.host, event.task, event.event) == ("new1", "Wait until every DNS server answers as wanted", "ok")
    ]
    assert place(run, "new1", "product_key") < place(run, "new1", "record") < verified
    assert verified < place(run, "pc-fixed", "server") < place(run, "old1", "dns_publishing")
    assert place(run, "old1", "dns_publishing") < place(run, "old1", "record")
    changed = run.changes()
    assert changed["pc-fixed"] == {"server": ("OLD1", "new1.corp.example")}
    assert changed.keys() == {"new1", "old1", "pc-fixed"}, "the others find it in DNS, or have another host"
    assert lab.machine("old1")["channel"] == "Volume:CSVLK", "the key goes only when it is asked for"
    before = licensed(lab)
    assert before.keys() >= {*CLIENTS, "pc-other"}

    lab.clear_requests()
    wrote_nothing(lab, play(REPLACE, extra_vars=HOSTS))

    run = play(REPLACE, connection="psrp", extra_vars={**HOSTS, "kms_old_host_remove_key": True})
    assert run.changes() == {"old1": {"product_key": ("*****-HK222", None), "firewall": (True, False)}}
    lab.advance(days=8)
    assert {name: licensed(lab)[name] for name in (*CLIENTS, "pc-other")} == {
        **dict.fromkeys(CLIENTS, "new1"),
        "pc-other": "new2",
    }
    assert published(lab) == published(lab, "branch.example") == [NEW], "the old host does not come back by itself"


def test_an_old_host_that_does_not_answer(lab: Lab, play: Play) -> None:
    """It can't be told to publish itself no more: its record stays until somebody says that the host is gone."""
    lab.patch("old1", {"power": False})
    run = play(REPLACE, extra_vars=ONE_ZONE, expect="failed")
    assert published(lab) == [NEW, OLD]
    message = run.result("old1")["msg"]
    assert "old1.corp.example could not be reached" in message
    assert "kms_old_host_gone" in message
    assert fixed_host(lab, "pc-fixed") == "new1.corp.example"

    run = play(REPLACE, extra_vars={**ONE_ZONE, "kms_old_host_gone": True})
    assert published(lab) == [NEW]
    assert run.changed_hosts == ["old1"]
    lab.advance(days=8)
    assert {name: licensed(lab)[name] for name in ("pc-dns", "pc-fixed")} == {"pc-dns": "new1", "pc-fixed": "new1"}


def test_the_key_stays_while_a_client_is_not_done(lab: Lab, play: Play) -> None:
    lab.patch("pc-dns", {"power": False})
    variables = {**ONE_ZONE, "kms_old_host_remove_key": True, "kms_fixed_clients": "discovery"}
    run = play(REPLACE, extra_vars=variables, expect=None)
    assert (run.outcome("pc-dns"), run.outcome("old1"), run.outcome("pc-fixed")) == ("unreachable", "failed", "ok")
    message = run.result("old1")["msg"]
    assert "keeps its KMS host key" in message
    assert "bound to it): pc-dns." in message
    assert "decommission_host" in message
    assert lab.machine("old1")["channel"] == "Volume:CSVLK"
    assert published(lab) == [NEW]
    assert run.changes()["pc-fixed"] == {"server": ("OLD1", None)}


def test_a_new_host_that_does_not_get_into_dns_stops_it(lab: Lab, play: Play) -> None:
    run = play(REPLACE, extra_vars={**ONE_ZONE, **STRANGER}, expect="failed")
    assert run.outcome("new1") == "failed"
    assert run.changes().keys() == {"new1"}
    assert published(lab) == [OLD]
    assert fixed_host(lab, "pc-fixed") == "OLD1"


def test_a_zone_in_which_the_new_host_is_not_published(lab: Lab, play: Play, tmp_path: Path) -> None:
    """The new host has one zone, the old one has two: it must not leave the second one empty."""
    more = tmp_path / "more.yml"
    more.write_text("all: {hosts: {new1: {publish_dns_zones: [corp.example]}}}", encoding="utf-8")
    run = play(REPLACE, extra_vars=HOSTS, inventory=[more], expect="failed")
    message = run.result("old1")["msg"]
    assert "Not all of new1.corp.example have a record in branch.example." in message
    assert "nothing was changed" in message
    assert (published(lab), published(lab, "branch.example")) == ([NEW, OLD], [OLD])
    assert lab.machine("old1")["host"]["dns_publishing"] is True


@pytest.mark.parametrize(
    ("playbook", "variables", "words"),
    [
        (REPLACE, {"kms_new_host_pattern": ""}, ["kms_new_host_pattern is not set", "-e kms_new_host_pattern=NEW"]),
        (REPLACE, {"kms_old_host_pattern": "lost1"}, ["kms_old_host_pattern (lost1) is no host of the inventory"]),
        (REPLACE, {"kms_new_host_pattern": "old1"}, ["no host may be both"]),
        (REPLACE, {"point_clients_server": "Old1.corp.example."}, ["point_clients_server of pc-", "the old KMS host"]),
        (DECOMMISSION, {"kms_old_host_pattern": ""}, ["kms_old_host_pattern is not set", "=HOST"]),
    ],
    ids=["unset", "unknown", "same", "clients", "decommission"],
)
def test_what_cannot_be_is_refused_before_anything_is_sent(
    lab: Lab, play: Play, playbook: str, variables: dict[str, Any], words: list[str]
) -> None:
    run = play(playbook, extra_vars={**HOSTS, **variables}, expect="failed")
    messages = [event.result["msg"] for event in run.events if event.event == "failed"]
    assert not [word for word in words if word not in messages[0]], messages
    assert lab.requests() == []


def test_the_last_host_stays(lab: Lab, play: Play) -> None:
    run = play(DECOMMISSION, extra_vars=ONE_ZONE, expect="failed")
    message = run.result("old1")["msg"]
    assert "No other KMS host would be left in corp.example." in message
    assert "kms_decommission_last" in message
    wrote_nothing(lab, run)

    publish(lab, OTHER)
    both = {**ONE_ZONE, "kms_old_host_pattern": "old1:new2"}
    run = play(DECOMMISSION, extra_vars=both, expect="failed")
    assert (run.outcome("old1"), run.outcome("new2")) == ("failed", "failed")
    assert published(lab) == [OTHER, OLD]
    wrote_nothing(lab, run)

    play(DECOMMISSION, extra_vars={**both, "kms_decommission_last": True})
    assert published(lab) == []
    assert {lab.machine(name)["channel"] for name in ("old1", "new2")} == {None}


def test_a_host_is_retired(lab: Lab, play: Play) -> None:
    publish(lab, OTHER)
    foretold = play(DECOMMISSION, connection="psrp", check=True, extra_vars=ONE_ZONE)
    assert kinds(lab.requests()).keys() == {"read"}
    assert published(lab) == [OTHER, OLD]

    run = play(DECOMMISSION, connection="psrp", extra_vars=ONE_ZONE)
    assert run.changes() == foretold.changes()
    assert run.changed_hosts == foretold.changed_hosts == ["old1"]
    assert published(lab) == [OTHER]
    assert place(run, "old1", "dns_publishing") < place(run, "old1", "record") < place(run, "old1", "product_key")
    assert lab.machine("old1")["channel"] is None
    assert lab.machine("old1")["firewall"]["SPPSVC-In-TCP"] is False
    lab.clear_requests()
    wrote_nothing(lab, play(DECOMMISSION, connection="winrm", extra_vars=ONE_ZONE))


def test_nothing_is_begun_that_cannot_be_finished(lab: Lab, play: Play) -> None:
    """A key without the right to change the record; then a host that goes away in the middle."""
    publish(lab, OTHER)
    run = play(DECOMMISSION, extra_vars={**ONE_ZONE, **STRANGER}, expect="failed")
    message = run.result("old1")["msg"]
    assert "nothing was changed" in message
    assert "stranger" in message
    wrote_nothing(lab, run)

    lab.fault("old1", "drop_before", method="DisableKeyManagementServiceDnsPublishing", count=9)
    run = play(DECOMMISSION, extra_vars=ONE_ZONE, expect="failed")
    message = run.result("old1")["msg"]
    assert "could not be reached" in message
    assert "Its record was not removed" in message
    assert published(lab) == [OTHER, OLD]
    assert lab.machine("old1")["channel"] == "Volume:CSVLK"
