# Copyright (c) 2026, the winops.kms authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A KMS host: counting, settings that wait for a restart, publishing in DNS."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from labsupport.desk import HOST_KEY, Desk, client, estate_data, host, srv

from kmslab.cim import WmiError
from kmslab.model import Estate

SPP = r"SOFTWARE\Microsoft\Windows NT\CurrentVersion\SoftwareProtectionPlatform"
SERVER = {"edition": "ServerStandard", "build": 20348}
Build = Any


@pytest.fixture
def build() -> Iterator[Build]:
    started: list[Estate] = []

    def make(*machines: dict[str, Any], zones: list[dict[str, Any]] | None = None, **more: Any) -> Desk:
        zones = zones or [{"name": "corp.example", "records": [srv()]}]
        estate = Estate.from_data(estate_data(*machines, zones=zones, **more))
        estate.start()
        started.append(estate)
        return Desk(estate)

    yield make
    for estate in started:
        estate.stop()


def count(desk: Desk, name: str = "kms1") -> object:
    return desk.service(name)["KeyManagementServiceCurrentCount"]


def published(desk: Desk, zone: str = "corp.example") -> list[str]:
    return sorted(one["data"] for one in desk.estate.zone_records(zone) if one["type"] == "SRV")


# -- counting --------------------------------------------------------------------------------------------------------


def test_nothing_is_counted_before_the_first_request(build: Build) -> None:
    desk = build(host(), client())
    assert count(desk) == 0xFFFFFFFF
    assert desk.activate("pc") == "0xC004F038"
    assert count(desk) == 1
    assert desk.keyed("kms1")["KeyManagementServiceCurrentCount"] == 1
    assert desk.keyed("kms1")["IsKeyManagementServiceMachine"] == 1


def test_the_same_machine_counts_once_and_twins_count_as_one(build: Build) -> None:
    desk = build(host(), client("a", cmid="same"), client("b", cmid="same"), client("c"))
    for name in ("a", "b", "c", "a"):
        assert desk.activate(name) == "0xC004F038"
    assert count(desk) == 2
    assert desk.service("kms1")["KeyManagementServiceTotalRequests"] == 4


def test_the_cache_holds_twice_the_highest_threshold(build: Build) -> None:
    servers = [{"name": f"s{n:02}", **SERVER} for n in range(12)]
    clients = [client(f"c{n:02}") for n in range(60)]
    desk = build(host(), *servers, *clients)
    results = [desk.activate(one["name"]) for one in servers]
    assert results == ["0xC004F038"] * 4 + ["ok"] * 8
    assert count(desk) == 10
    assert desk.service("kms1")["RequiredClientCount"] == 5
    results = [desk.activate(one["name"]) for one in clients]
    assert results == ["0xC004F038"] * 14 + ["ok"] * 46
    assert count(desk) == 50
    assert desk.service("kms1")["RequiredClientCount"] == 25


def test_an_entry_is_forgotten_after_30_days(build: Build) -> None:
    desk = build(host(), client())
    desk.activate("pc")
    desk.estate.patch("pc", {"power": False})
    desk.estate.advance(30 * 1440 - 1)
    assert count(desk) == 1
    desk.estate.advance(1)
    assert count(desk) == 0


def test_counting_begins_anew_with_the_service(build: Build) -> None:
    desk = build(host(), client())
    desk.activate("pc")
    desk.restart("kms1")
    assert count(desk) == 0xFFFFFFFF
    assert desk.service("kms1")["KeyManagementServiceTotalRequests"] == 1, "the counters stay"


def test_requests_are_counted_by_the_clients_status(build: Build) -> None:
    desk = build(host(seed_cmids=30), client("new"), client("late", grace_minutes_left=0), client("done"))
    assert desk.keyed("late")["LicenseStatus"] == 5
    for name in ("new", "late", "done", "done"):
        assert desk.activate(name) == "ok"
    service = desk.service("kms1")
    names = ("Total", "OOBGrace", "Notification", "Licensed", "Failed")
    assert [service[f"KeyManagementService{name}Requests"] for name in names] == [4, 2, 1, 1, 0]


def test_a_machine_that_is_no_host_counts_nothing(build: Build) -> None:
    desk = build(client())
    for row in (desk.service("pc"), desk.keyed("pc")):
        assert row["IsKeyManagementServiceMachine"] == 0
        numbers = [value for name, value in row.items() if name.endswith("Requests")] + [row["RequiredClientCount"]]
        assert set(numbers) == {0xFFFFFFFF} and len(numbers) == 9


# -- settings --------------------------------------------------------------------------------------------------------


def test_the_listening_port_waits_for_a_restart(build: Build) -> None:
    desk = build(host(firewall={"KMS-1699": {"port": 1699, "enabled": True}}), client(kms_server="kms1", kms_port=1699))
    desk.set("kms1", "SetKeyManagementServiceListeningPort", PortNumber=1699)
    assert desk.service("kms1")["KeyManagementServiceListeningPort"] == 1699
    assert (
        desk.registry("kms1", "GetStringValue", SPP, sValueName="KeyManagementServiceListeningPort")["sValue"] == "1699"
    )
    assert desk.activate("pc") == "0xC004F074"
    desk.restart("kms1")
    assert desk.activate("pc") == "0xC004F038"
    desk.set("kms1", "ClearKeyManagementServiceListeningPort")
    assert desk.service("kms1")["KeyManagementServiceListeningPort"] == 0


def test_the_kms_firewall_rule_opens_1688_alone(build: Build) -> None:
    desk = build(host(), client(kms_server="kms1", kms_port=1699))
    desk.set("kms1", "SetKeyManagementServiceListeningPort", PortNumber=1699)
    desk.restart("kms1")
    assert desk.activate("pc") == "0xC004F074"


@pytest.mark.parametrize(
    ("machine", "value", "hresult"),
    [
        ("kms1", 15, 0),
        ("kms1", 43200, 0),
        ("kms1", 14, 0x80070057),
        ("kms1", 43201, 0x80070057),
        ("pc", 60, 0xC004F039),
    ],
)
@pytest.mark.parametrize(
    ("method", "argument", "name"),
    [
        ("SetVLActivationInterval", "ActivationInterval", "VLActivationInterval"),
        ("SetVLRenewalInterval", "RenewalInterval", "VLRenewalInterval"),
    ],
)
def test_intervals(build: Build, machine: str, value: int, hresult: int, method: str, argument: str, name: str) -> None:
    desk = build(host(), client())
    before = desk.service(machine)[name]
    if hresult:
        with pytest.raises(WmiError) as caught:
            desk.set(machine, method, **{argument: value})
        assert caught.value.hresult == hresult
        assert desk.service(machine)[name] == before
    else:
        desk.set(machine, method, **{argument: value})
        assert desk.service(machine)[name] == value
        assert desk.keyed(machine)[name] == value
        assert desk.registry(machine, "GetDWORDValue", SPP, sValueName=name)["uValue"] == value


def test_switches_and_their_registry_values(build: Build) -> None:
    desk = build(host())
    service = desk.service("kms1")
    assert (service["KeyManagementServiceDnsPublishing"], service["KeyManagementServiceLowPriority"]) == (True, False)
    desk.set("kms1", "DisableKeyManagementServiceDnsPublishing", DisablePublishing=True)
    desk.set("kms1", "EnableKeyManagementServiceLowPriority", EnableLowPriority=True)
    service = desk.service("kms1")
    assert (service["KeyManagementServiceDnsPublishing"], service["KeyManagementServiceLowPriority"]) == (False, True)
    for name in ("DisableDnsPublishing", "EnableKmsLowPriority"):
        assert desk.registry("kms1", "GetDWORDValue", SPP, sValueName=name)["uValue"] == 1
    desk.set("kms1", "DisableKeyManagementServiceDnsPublishing", DisablePublishing=False)
    assert desk.service("kms1")["KeyManagementServiceDnsPublishing"] is True


def test_a_host_that_gets_a_client_key_is_a_host_no_more(build: Build) -> None:
    desk = build(host(seed_cmids=30), client())
    assert desk.activate("pc") == "ok"
    desk.set("kms1", "InstallProductKey", ProductKey=desk.estate.machines["kms1"].edition.gvlk)
    assert desk.service("kms1")["IsKeyManagementServiceMachine"] == 0
    assert desk.activate("pc") == "0xC004F074"


# -- publishing ------------------------------------------------------------------------------------------------------


def zones(**policy: str) -> list[dict[str, Any]]:
    return [{"name": f"{name}.example", "host_updates": value} for name, value in policy.items()]


def fresh(name: str, **more: Any) -> dict[str, Any]:
    return {"name": name, **SERVER, **more}


def make_host(desk: Desk, name: str) -> None:
    desk.set(name, "InstallProductKey", ProductKey=HOST_KEY)
    assert desk.activate(name) == "ok"


def test_a_host_publishes_itself_when_its_service_starts(build: Build) -> None:
    desk = build(fresh("kms1"), fresh("kms2"), zones=zones(corp="any"))
    make_host(desk, "kms1")
    assert published(desk) == []
    desk.restart("kms1")
    assert published(desk) == ["0 0 1688 kms1.corp.example."]
    assert desk.estate.describe("kms1")["events"][-1]["event"] == 12294
    make_host(desk, "kms2")
    desk.restart("kms2")
    assert published(desk) == ["0 0 1688 kms1.corp.example.", "0 0 1688 kms2.corp.example."]


@pytest.mark.parametrize("restarted", [True, False])
def test_publishing_is_switched_off(build: Build, restarted: bool) -> None:
    desk = build(fresh("kms1"), zones=zones(corp="any"))
    make_host(desk, "kms1")
    desk.set("kms1", "DisableKeyManagementServiceDnsPublishing", DisablePublishing=True)
    if restarted:
        desk.restart("kms1")
    assert published(desk) == []


def test_a_client_publishes_nothing(build: Build) -> None:
    desk = build(fresh("kms1", sppsvc="Running"), zones=zones(corp="any"))
    desk.restart("kms1")
    assert published(desk) == []


def test_the_first_host_owns_the_name(build: Build) -> None:
    desk = build(fresh("kms1"), fresh("kms2"), zones=zones(corp="owner"))
    for name in ("kms1", "kms2"):
        make_host(desk, name)
        desk.restart(name)
    assert published(desk) == ["0 0 1688 kms1.corp.example."]
    event = desk.estate.describe("kms2")["events"][-1]
    assert (event["event"], event["hresult"]) == (12293, "0x80072338")


def test_a_zone_that_forbids_it(build: Build) -> None:
    desk = build(fresh("kms1"), zones=zones(corp="none"))
    make_host(desk, "kms1")
    desk.restart("kms1")
    assert published(desk) == []
    event = desk.estate.describe("kms1")["events"][-1]
    assert (event["event"], event["hresult"], event["domain"]) == (12293, "0x8007232D", "corp.example")


def test_the_publish_list_replaces_the_own_domain(build: Build) -> None:
    desk = build(fresh("kms1"), zones=zones(corp="any", north="any", south="any"))
    make_host(desk, "kms1")
    lines = ["north.example, 10, 20", "south.example"]
    desk.registry("kms1", "SetMultiStringValue", SPP, sValueName="DnsDomainPublishList", sValue=lines)
    desk.restart("kms1")
    assert published(desk) == []
    assert published(desk, "north.example") == ["10 20 1688 kms1.corp.example."]
    assert published(desk, "south.example") == ["0 0 1688 kms1.corp.example."]


def test_a_host_replaces_its_own_record_when_the_port_changes(build: Build) -> None:
    desk = build(fresh("kms1"), zones=zones(corp="any"))
    make_host(desk, "kms1")
    desk.restart("kms1")
    desk.set("kms1", "SetKeyManagementServiceListeningPort", PortNumber=1699)
    desk.restart("kms1")
    assert published(desk) == ["0 0 1699 kms1.corp.example."]


def test_a_host_publishes_again_every_day(build: Build) -> None:
    desk = build(host(), zones=zones(corp="any"))
    assert published(desk) == ["0 0 1688 kms1.corp.example."], "it runs when the estate starts"
    desk.estate.put_zone_records(
        "corp.example", [one for one in desk.estate.zone_records("corp.example") if one["type"] == "A"]
    )
    desk.estate.advance(1439)
    assert published(desk) == []
    desk.estate.advance(1)
    assert published(desk) == ["0 0 1688 kms1.corp.example."]
