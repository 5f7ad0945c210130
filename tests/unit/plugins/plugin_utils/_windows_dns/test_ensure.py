# Copyright (c) 2026, the winops.kms authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is read, changed and left alone, and that a run ends as check mode said."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.winops.kms.plugins.module_utils._dns.errors import ZoneError
from ansible_collections.winops.kms.plugins.module_utils._dns.update import Goal, Host
from ansible_collections.winops.kms.plugins.plugin_utils._windows_dns.ensure import Outcome, ensure
from ansible_collections.winops.kms.plugins.plugin_utils._windows_dns.errors import FaultError
from ansible_collections.winops.kms.tests.unit.plugins.plugin_utils._windows_dns.fake_dns_server import (
    FORWARDER,
    PRIMARY,
    SECONDARY,
    SERVER,
    STUB,
    Call,
    FakeDnsServer,
    Srv,
    Trouble,
    refused,
)

KMS1 = "3600 0 0 1688 kms01.lab.test."
KMS2 = "3600 0 0 1688 kms02.lab.test."
KMS3 = "3600 5 10 1688 kms03.lab.test."


def goal(*, host: dict[str, Any] | None = None, hosts: tuple[Host, ...] = (), **values: Any) -> Goal:
    wanted = hosts or (Host("kms01.lab.test", **(host or {})),)
    return Goal(**{"domain": "lab.test", "hosts": wanted, "zone": "lab.test", **values})


def reach(server: FakeDnsServer, wanted: Goal | None = None, *, check: bool = False) -> Outcome:
    return ensure(server, wanted or goal(), check=check, pause=lambda seconds: None, jitter=lambda: 0.0)


def text(*lines: str) -> str:
    return "".join(sorted(f"_vlmcs._tcp.lab.test. {line.replace(' ', ' IN SRV ', 1)}\n" for line in lines))


# --- requests -------------------------------------------------------------------------------------------------------


def test_the_first_record_costs_two_queries_one_call_and_a_look() -> None:
    server = FakeDnsServer()
    outcome = reach(server)
    parameters = {
        "DnsServerName": SERVER,
        "ContainerName": "lab.test",
        "OwnerName": "_vlmcs._tcp.lab.test",
        "RecordClass": 1,
        "TTL": 3600,
        "Priority": 0,
        "Weight": 0,
        "Port": 1688,
        "SRVDomainName": "kms01.lab.test",
    }
    assert server.calls == [Call("CreateInstanceFromPropertyData", None, parameters)]
    records = ("MicrosoftDNS_SRVType", "ContainerName='lab.test' AND OwnerName='_vlmcs._tcp.lab.test'")
    zones = ("MicrosoftDNS_Zone", "Name='_vlmcs._tcp.lab.test' OR Name='_tcp.lab.test' OR Name='lab.test'")
    assert server.reads == [records, zones, records]
    assert (outcome.changed, outcome.attempts, outcome.error) == (True, 1, None)
    assert (outcome.before, outcome.after) == ("", text(KMS1))
    assert (outcome.zone, outcome.server) == ("lab.test", SERVER)
    assert [record.as_result()["target"] for record in outcome.records] == ["kms01.lab.test"]


@pytest.mark.parametrize("check", [False, True])
@pytest.mark.parametrize(
    ("lines", "wanted", "reads"),
    [
        pytest.param([KMS1, KMS2], {}, 1, id="present"),
        pytest.param(["60 0 0 1688 KMS01.Lab.Test."], {}, 1, id="whatever the case and TTL"),
        pytest.param([KMS1, KMS2], {"exclusive": True, "hosts": (Host("kms01.lab.test"), Host("kms02.lab.test"))}, 1),
        pytest.param([KMS2], {"present": False}, 1, id="absent"),
        pytest.param([], {"present": False}, 2, id="absent, and the zone has to be looked for"),
    ],
)
def test_nothing_is_sent_when_all_is_as_wanted(lines: list[str], wanted: Any, reads: int, check: bool) -> None:
    server = FakeDnsServer(*lines)
    outcome = reach(server, goal(**wanted), check=check)
    assert server.calls == []
    assert len(server.reads) == reads
    assert (outcome.changed, outcome.attempts) == (False, 0)
    assert outcome.before == outcome.after == text(*lines)
    assert (outcome.zone, outcome.server) == ("lab.test", SERVER)


def test_a_change_names_only_what_differs() -> None:
    server = FakeDnsServer(KMS1, KMS2)
    outcome = reach(server, goal(host={"weight": 7}))
    assert server.calls == [Call("Modify", "0 0 1688 kms01.lab.test.", {"Weight": 7})]
    assert len(server.reads) == 3
    assert server.lines == sorted(["3600 0 7 1688 kms01.lab.test.", KMS2])
    assert outcome.changed


def test_a_record_that_goes_is_deleted_by_its_reference() -> None:
    server = FakeDnsServer(KMS1, KMS2)
    outcome = reach(server, goal(present=False))
    assert server.calls == [Call("Delete", "0 0 1688 kms01.lab.test.")]
    assert (outcome.before, outcome.after) == (text(KMS1, KMS2), text(KMS2))


def test_the_target_keeps_the_spelling_of_the_server_and_check_mode_knows() -> None:
    line = "3600 0 0 1688 KMS01.Lab.Test."
    wanted = goal(host={"port": 1700})
    predicted = reach(FakeDnsServer(line), wanted, check=True)
    done = reach(FakeDnsServer(line), wanted)
    assert predicted.records == done.records
    assert predicted.after == done.after == text("3600 0 0 1700 KMS01.Lab.Test.")


# --- every kind of difference ---------------------------------------------------------------------------------------

DIFFERENCES = [
    pytest.param([], {}, [KMS1], id="first record"),
    pytest.param([KMS2, KMS3], {}, [KMS1, KMS2, KMS3], id="others stay"),
    pytest.param([KMS1, KMS2], {"host": {"port": 1700}}, ["3600 0 0 1700 kms01.lab.test.", KMS2], id="port"),
    pytest.param([KMS1], {"host": {"priority": 3, "weight": 7}}, ["3600 3 7 1688 kms01.lab.test."], id="priority"),
    pytest.param(
        [KMS1, "3600 0 0 1700 kms01.lab.test.", "3600 9 0 1688 kms01.lab.test.", KMS2],
        {},
        [KMS1, KMS2],
        id="a host has one record",
    ),
    pytest.param(
        ["3600 0 0 1700 kms01.lab.test.", "3600 9 0 1688 KMS01.lab.test."],
        {"host": {"port": 1701}},
        ["3600 0 0 1701 kms01.lab.test."],
        id="one is changed, the other goes",
    ),
    pytest.param(["60 0 0 1688 kms02.lab.test."], {}, ["60 0 0 1688 kms01.lab.test.", "60 0 0 1688 kms02.lab.test."]),
    pytest.param(
        [KMS1, KMS3], {"ttl": 60}, ["60 0 0 1688 kms01.lab.test.", "60 5 10 1688 kms03.lab.test."], id="TTL of the set"
    ),
    pytest.param(
        ["3600 0 0 1700 KMS02.lab.test.", KMS2],
        {"ttl": 0},
        ["0 0 0 1688 kms01.lab.test.", "0 0 0 1688 kms02.lab.test.", "0 0 0 1700 KMS02.lab.test."],
        id="TTL of a neighbour with two records",
    ),
    pytest.param([KMS1, KMS2], {"present": False}, [KMS2], id="absent"),
    pytest.param(
        [KMS1, "3600 0 0 1700 kms01.lab.test."], {"present": False, "host": {"port": 1700}}, [KMS1], id="absent: port"
    ),
    pytest.param([KMS1, KMS2, KMS3], {"exclusive": True}, [KMS1], id="exclusive"),
    pytest.param(
        [KMS2],
        {"hosts": (Host("kms01.lab.test"), Host("kms02.lab.test", 1700)), "exclusive": True},
        [KMS1, "3600 0 0 1700 kms02.lab.test."],
        id="several hosts",
    ),
]


@pytest.mark.parametrize(("lines", "wanted", "after"), DIFFERENCES)
def test_a_run_ends_as_check_mode_said_and_a_second_one_sends_nothing(
    lines: list[str], wanted: dict[str, Any], after: list[str]
) -> None:
    server = FakeDnsServer(*lines)
    predicted = reach(server, goal(**wanted), check=True)
    assert server.calls == []
    assert server.lines == sorted(lines)
    outcome = reach(server, goal(**wanted))
    assert server.lines == sorted(after)
    assert (predicted.changed, predicted.before, predicted.after) == (True, outcome.before, outcome.after)
    assert predicted.records == outcome.records
    assert outcome.before.count("\n") == len(lines) and set(outcome.before.split("\n")) == set(text(*lines).split("\n"))
    assert (predicted.attempts, outcome.attempts) == (0, 1)
    sent = len(server.calls)
    assert not reach(server, goal(**wanted)).changed
    assert len(server.calls) == sent


def test_what_clients_need_comes_first_and_what_goes_comes_last() -> None:
    server = FakeDnsServer("3600 0 0 1688 old.lab.test.", "60 0 0 1688 kms02.lab.test.", "3600 0 0 9 kms01.lab.test.")
    hosts = (Host("kms01.lab.test"), Host("kms02.lab.test"), Host("kms03.lab.test"))
    reach(server, goal(hosts=hosts, exclusive=True, ttl=300))
    assert [(call.method, call.record, call.parameters.get("SRVDomainName")) for call in server.calls] == [
        ("Modify", "0 0 9 kms01.lab.test.", None),
        ("CreateInstanceFromPropertyData", None, "kms03.lab.test"),
        ("Modify", "0 0 1688 kms02.lab.test.", None),
        ("Delete", "0 0 1688 old.lab.test.", None),
    ]


def test_a_neighbour_gets_nothing_but_the_ttl() -> None:
    server = FakeDnsServer("3600 5 10 1700 KMS02.Lab.Test.", "60 0 0 1688 kms01.lab.test.")
    reach(server, goal(ttl=60))
    assert server.calls == [Call("Modify", "5 10 1700 KMS02.Lab.Test.", {"TTL": 60})]


def test_a_server_may_give_a_new_record_the_ttl_of_its_set() -> None:
    server = FakeDnsServer("60 0 0 1688 kms02.lab.test.", "3600 0 0 1688 kms03.lab.test.")
    server.one_ttl = True
    server.records.reverse()
    outcome = reach(server)
    assert outcome.changed
    assert "kms01" not in outcome.before
    assert "3600 IN SRV 0 0 1688 kms01.lab.test." in outcome.after


# --- zones ----------------------------------------------------------------------------------------------------------


def test_a_zone_that_is_not_there_is_an_error_that_lists_those_that_are() -> None:
    server = FakeDnsServer(zones={"10.in-addr.arpa": PRIMARY, "other.test": PRIMARY, "_msdcs.other.test": PRIMARY})
    with pytest.raises(ZoneError) as caught:
        reach(server)
    assert caught.value.name == "NOT_SERVED"
    assert caught.value.message == (
        f"{SERVER} does not have the zone lab.test. It has these: _msdcs.other.test, other.test, 10.in-addr.arpa."
    )
    assert server.calls == []


def test_a_long_list_of_zones_is_cut() -> None:
    server = FakeDnsServer(zones={f"zone{number:02}.test": PRIMARY for number in range(25)})
    with pytest.raises(ZoneError, match=r"zone19\.test and 5 more\."):
        reach(server)


def test_a_server_without_zones_says_so() -> None:
    with pytest.raises(ZoneError, match="It has none at all"):
        reach(FakeDnsServer(zones={}))


@pytest.mark.parametrize("present", [True, False])
@pytest.mark.parametrize("fault", [None, refused(0x80041001), refused(0x80041002)])
def test_a_server_may_fault_when_it_is_asked_for_records_in_an_unknown_zone(fault: Any, present: bool) -> None:
    server = FakeDnsServer(zones={"other.test": PRIMARY})
    server.unknown_container = fault
    with pytest.raises(ZoneError, match="does not have the zone"):
        reach(server, goal(present=present))


def test_a_fault_of_a_zone_that_is_there_is_the_error() -> None:
    server = FakeDnsServer()
    server.troubles["query"] = [Trouble(refused(0x800706BA))]
    with pytest.raises(FaultError) as caught:
        reach(server)
    assert (caught.value.name, caught.value.code) == ("RPC_S_SERVER_UNAVAILABLE", "0x800706BA")
    assert "reading the records" in caught.value.message


def test_a_domain_below_a_zone_is_told_apart_from_a_zone() -> None:
    with pytest.raises(ZoneError) as caught:
        reach(FakeDnsServer(), goal(domain="office.lab.test", zone="office.lab.test"))
    assert caught.value.name == "WRONG_ZONE"
    assert "lies in the zone lab.test" in caught.value.message


@pytest.mark.parametrize("fault", [None, refused(0x80041001)])
def test_the_zone_of_a_domain_is_found(fault: Any) -> None:
    server = FakeDnsServer(zones={"test": PRIMARY, "lab.test": PRIMARY, "other.test": PRIMARY})
    server.unknown_container = fault
    outcome = reach(server, goal(domain="office.lab.test", zone=None))
    (call,) = server.calls
    assert call.parameters["ContainerName"] == "lab.test"
    assert call.parameters["OwnerName"] == "_vlmcs._tcp.office.lab.test"
    assert outcome.zone == "lab.test"
    assert not reach(server, goal(domain="office.lab.test", zone=None)).changed
    again = FakeDnsServer()
    again.records = server.records
    assert not reach(again, goal(domain="office.lab.test", zone="lab.test")).changed


@pytest.mark.parametrize("zones", [{"lab.test": PRIMARY, "_tcp.lab.test": PRIMARY}, {"_tcp.lab.test": PRIMARY}])
def test_a_zone_further_down_is_the_one_that_is_changed(zones: dict[str, int]) -> None:
    server = FakeDnsServer(zones=zones)
    outcome = reach(server)
    assert server.calls[0].parameters["ContainerName"] == "_tcp.lab.test"
    assert outcome.zone == "_tcp.lab.test"


def test_names_of_zones_differ_in_more_than_case() -> None:
    server = FakeDnsServer(zones={"Lab.Test": PRIMARY})
    server.heeds_case = True
    outcome = reach(server)
    assert outcome.zone == "Lab.Test"
    assert server.calls[0].parameters["ContainerName"] == "Lab.Test"


@pytest.mark.parametrize("check", [False, True])
@pytest.mark.parametrize(
    ("kind", "called"), [(SECONDARY, "a secondary zone"), (STUB, "a stub zone"), (FORWARDER, "a conditional forwarder")]
)
def test_a_copy_of_a_zone_is_refused_and_its_masters_are_named(kind: int, called: str, check: bool) -> None:
    server = FakeDnsServer(KMS2, zones={"lab.test": kind})
    server.masters = ["192.0.2.1", "192.0.2.2"]
    with pytest.raises(ZoneError) as caught:
        reach(server, check=check)
    assert caught.value.name == "NOT_PRIMARY"
    assert f"lab.test is {called} on {SERVER}" in caught.value.message
    assert caught.value.remedy.endswith("primary server: 192.0.2.1, 192.0.2.2.")
    assert server.calls == []


def test_a_copy_that_is_as_wanted_is_no_error() -> None:
    assert not reach(FakeDnsServer(KMS1, zones={"lab.test": SECONDARY})).changed


def test_a_host_without_dns_server_is_told_so() -> None:
    server = FakeDnsServer()
    server.no_such_class = True
    with pytest.raises(FaultError) as caught:
        reach(server)
    assert caught.value.name == "NO_DNS_SERVER"
    assert "delegate_to" in caught.value.remedy


# --- records that are out of the ordinary ---------------------------------------------------------------------------


def test_only_records_of_the_very_name_count() -> None:
    server = FakeDnsServer(KMS2)
    server.records.append(Srv("kms01.lab.test.", owner="_vlmcs._tcp.lab.test.sub"))
    rows = server.query_with_references

    def every(cim_class: Any, where: str = "") -> Any:
        return rows(cim_class, "ContainerName='lab.test'")

    server.query_with_references = every  # type: ignore[method-assign]
    assert [record.as_result()["target"] for record in reach(server).records] == ["kms01.lab.test", "kms02.lab.test"]


def test_the_target_can_stand_in_the_data_of_the_record_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    server = FakeDnsServer(KMS1)
    row = server._row
    monkeypatch.setattr(server, "_row", lambda record: {**row(record), "SRVDomainName": None})
    assert not reach(server).changed


@pytest.mark.parametrize(
    "broken", [{"SRVDomainName": "", "RecordData": ""}, {"Port": None}, {"SRVDomainName": "a..b."}, {"TTL": None}]
)
def test_a_record_that_makes_no_sense_stops_everything(broken: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    server = FakeDnsServer(KMS2)
    row = server._row
    monkeypatch.setattr(server, "_row", lambda record: {**row(record), **broken})
    with pytest.raises(ZoneError) as caught:
        reach(server)
    assert caught.value.name == "UNREADABLE"
    assert server.calls == []


def test_a_target_of_a_single_dot_is_a_target() -> None:
    server = FakeDnsServer("3600 0 0 0 .")
    reach(server)
    assert server.lines == sorted(["3600 0 0 0 .", KMS1])
