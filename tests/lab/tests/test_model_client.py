# Copyright (c) 2026, the winops.kms authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How a KMS client finds its host, what it is told, and what it remembers."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from labsupport.desk import OLD_HOST_KEY, Desk, client, estate_data, host, srv

from kmslab.model import Estate

Build = Callable[..., Desk]


@pytest.fixture
def build() -> Iterator[Build]:
    """Make and start an estate; `records` go into corp.example."""
    started: list[Estate] = []

    def make(*machines: dict[str, Any], records: tuple[str, ...] = (srv(),), **more: Any) -> Desk:
        zones = more.pop("zones", [{"name": "corp.example", "records": list(records)}])
        estate = Estate.from_data(estate_data(*machines, zones=zones, **more))
        estate.start()
        started.append(estate)
        return Desk(estate)

    yield make
    for estate in started:
        estate.stop()


COUNTED = host(seed_cmids=30)

FINDING: list[tuple[str, dict[str, Any], dict[str, Any], tuple[str, ...], str]] = [
    ("found in DNS", {}, {}, (srv(),), "ok"),
    ("no record", {}, {}, (), "0x8007232B"),
    ("the name has other records only", {}, {}, ("_vlmcs._tcp TXT here",), "0x8007251D"),
    ("a domain that nobody serves", {"domain": "other.example"}, {}, (srv(),), "0x8007232B"),
    ("no domain at all", {"domain": None}, {}, (srv(),), "0x8007007B"),
    ("the suffix search list", {"dns_suffix": "nowhere.example", "search_list": ["corp.example"]}, {}, (srv(),), "ok"),
    ("a look-up domain", {"domain": "other.example", "lookup_domain": "corp.example"}, {}, (srv(),), "ok"),
    ("a look-up domain hides the suffix", {"lookup_domain": "other.example"}, {}, (srv(),), "0x8007232B"),
    ("no DNS server", {"dns": False}, {}, (srv(),), "0x8007267C"),
    ("a fixed host", {"kms_server": "kms1.corp.example"}, {}, (), "ok"),
    ("a fixed host by its short name", {"kms_server": "kms1"}, {}, (), "ok"),
    ("a fixed host by its address", {"kms_server": "198.18.0.10"}, {}, (), "ok"),
    ("a fixed host that resolves nowhere", {"kms_server": "gone.corp.example"}, {}, (srv(),), "0xC004F074"),
    ("a fixed host with another port", {"kms_server": "kms1", "kms_port": 1690}, {}, (srv(),), "0xC004F074"),
    ("a fixed host that is no KMS host", {"kms_server": "pc"}, {}, (srv(),), "0xC004F074"),
    ("a fixed host hides the look-up domain", {"kms_server": "kms1", "lookup_domain": "x.example"}, {}, (), "ok"),
    ("the record's port is not the host's", {}, {}, (srv(port=1690),), "0xC004F074"),
    ("the record's target has no address", {}, {}, (srv("gone.corp.example."),), "0xC004F074"),
    ("the next host is tried", {}, {}, (srv("gone.corp.example."), srv(priority=10)), "ok"),
    ("the host is switched off", {}, {"power": False}, (srv(),), "0xC004F074"),
    ("the firewall rule is disabled", {}, {"firewall": {"SPPSVC-In-TCP": False}}, (srv(),), "0xC004F074"),
    ("the firewall is off", {}, {"firewall": {"SPPSVC-In-TCP": False}, "firewall_on": False}, (srv(),), "ok"),
    ("the network is in between", {}, {"reachable_1688": False}, (srv(),), "0xC004F074"),
    ("the host's service does not run", {}, {"sppsvc": "Stopped"}, (srv(),), "0xC004F074"),
    ("the host key is not activated", {}, {"licensed": False}, (srv(),), "0xC004F074"),
    ("the clocks agree well enough", {"clock_offset_minutes": 240}, {}, (srv(),), "ok"),
    ("the clocks differ too much", {"clock_offset_minutes": -241}, {}, (srv(),), "0xC004F074"),
    (
        "the host's key is too old",
        {"edition": "EnterpriseS", "build": 26100},
        {"key": OLD_HOST_KEY},
        (srv(),),
        "0xC004F042",
    ),
    ("an older key covers Windows 11", {}, {"key": OLD_HOST_KEY}, (srv(),), "ok"),
    (
        "the host lacks the update for newer servers",
        {"edition": "ServerStandard", "build": 26100},
        {"patched": False},
        (srv(),),
        "0xC004F042",
    ),
    ("too few have asked", {}, {"seed_cmids": 23}, (srv(),), "0xC004F038"),
    ("the last one needed is this one", {}, {"seed_cmids": 24}, (srv(),), "ok"),
    ("a server needs five", {"edition": "ServerStandard", "build": 14393}, {"seed_cmids": 4}, (srv(),), "ok"),
    (
        "a server needs five, not four",
        {"edition": "ServerStandard", "build": 14393},
        {"seed_cmids": 3},
        (srv(),),
        "0xC004F038",
    ),
]


@pytest.mark.parametrize(
    ("changes", "host_changes", "records", "expected"), [c[1:] for c in FINDING], ids=[c[0] for c in FINDING]
)
def test_activation(
    build: Build, changes: dict[str, Any], host_changes: dict[str, Any], records: tuple[str, ...], expected: str
) -> None:
    desk = build({**COUNTED, **host_changes}, client(**changes), records=records)
    assert desk.activate("pc") == expected
    row = desk.keyed("pc")
    if expected == "ok":
        assert (row["LicenseStatus"], row["GracePeriodRemaining"]) == (1, 259200)
    else:
        assert (row["LicenseStatus"], row["LicenseStatusReason"]) == (2, int(expected, 16))


def test_the_inner_code_of_a_clock_difference_is_kept(build: Build) -> None:
    desk = build(COUNTED, client(clock_offset_minutes=300))
    assert desk.activate("pc") == "0xC004F074"
    assert desk.estate.describe("pc")["last_error"] == {"hresult": "0xC004F074", "inner": "0xC004F06C"}
    assert desk.service("kms1")["KeyManagementServiceFailedRequests"] == 1


def test_what_a_client_shows_after_activation_by_discovery(build: Build) -> None:
    desk = build(COUNTED, client())
    assert desk.activate("pc") == "ok"
    for row in (desk.keyed("pc"), desk.service("pc")):
        assert row["DiscoveredKeyManagementServiceMachineName"] == "kms1.corp.example"
        assert row["DiscoveredKeyManagementServiceMachinePort"] == 1688
        assert row["DiscoveredKeyManagementServiceMachineIpAddress"] == "198.18.0.10"
        assert row["KeyManagementServiceProductKeyID"] == desk.keyed("kms1")["ProductKeyID"]
        assert row["KeyManagementServiceCurrentCount"] == 0xFFFFFFFF
        assert row["IsKeyManagementServiceMachine"] == 0
    assert desk.keyed("pc")["VLActivationType"] == 2
    assert desk.keyed("pc")["ProductKeyChannel"] == "Volume:GVLK"
    assert desk.estate.describe("pc")["kms_host"] == "kms1"


def test_a_fixed_host_is_not_a_discovered_one(build: Build) -> None:
    desk = build(COUNTED, client())
    assert desk.activate("pc") == "ok"
    desk.set("pc", "SetKeyManagementServiceMachine", MachineName="kms1.corp.example")
    assert desk.activate("pc") == "ok"
    assert desk.keyed("pc")["DiscoveredKeyManagementServiceMachineName"] is None
    assert desk.service("pc")["KeyManagementServiceMachine"] == "kms1.corp.example"


def test_a_setting_of_the_product_goes_before_the_machines(build: Build) -> None:
    desk = build(COUNTED, client(kms_server="gone.corp.example"))
    assert desk.activate("pc") == "0xC004F074"
    desk.set_product("pc", "SetKeyManagementServiceMachine", MachineName="kms1.corp.example")
    assert desk.activate("pc") == "ok"
    assert desk.keyed("pc")["KeyManagementServiceMachine"] == "kms1.corp.example"
    desk.set_product("pc", "ClearKeyManagementServiceMachine")
    assert desk.activate("pc") == "0xC004F074"


def test_the_cached_host_serves_when_dns_forgets_it(build: Build) -> None:
    desk = build(COUNTED, client("pc"), client("pd"))
    assert [desk.activate("pc"), desk.activate("pd")] == ["ok", "ok"]
    desk.set("pd", "DisableKeyManagementServiceHostCaching", DisableCaching=True)
    records = [one for one in desk.estate.zone_records("corp.example") if one["type"] != "SRV"]
    desk.estate.put_zone_records("corp.example", records)
    assert [desk.activate("pc"), desk.activate("pd")] == ["ok", "0x8007232B"]
    # Still licensed: a failed renewal takes nothing away.
    assert desk.keyed("pd")["LicenseStatus"] == 1


def test_a_cached_host_that_fails_is_looked_up_again(build: Build) -> None:
    second = host("kms2", seed_cmids=30, address="198.18.9.9")
    desk = build(COUNTED, second, client(), records=(srv(), srv("kms2.corp.example.", priority=10)))
    assert desk.activate("pc") == "ok"
    desk.estate.patch("kms1", {"power": False})
    assert desk.activate("pc") == "ok"
    assert desk.keyed("pc")["DiscoveredKeyManagementServiceMachineIpAddress"] == "198.18.9.9"
    desk.estate.patch("kms1", {"power": True})
    assert desk.activate("pc") == "ok"
    assert desk.estate.describe("pc")["kms_host"] == "kms2", "the new one is cached now"


def test_a_stale_address_leads_nowhere(build: Build) -> None:
    zone = {"name": "corp.example", "records": [srv("old.corp.example."), "old A 203.0.113.9"]}
    desk = build(COUNTED, client(), zones=[zone])
    assert desk.activate("pc") == "0xC004F074"


def test_priority_decides_and_weights_share(build: Build) -> None:
    hosts = [host(f"kms{n}", seed_cmids=50) for n in (1, 2, 3)]
    clients = [client(f"pc{n}", host_caching=False) for n in range(40)]
    records = (
        srv("kms1.corp.example.", priority=10),
        srv("kms2.corp.example.", weight=90),
        srv("kms3.corp.example.", weight=10),
    )
    desk = build(*hosts, *clients, records=records)
    assert {desk.activate(one["name"]) for one in clients} == {"ok"}
    served = [desk.estate.describe(one["name"])["kms_host"] for one in clients]
    assert served.count("kms1") == 0
    assert served.count("kms2") > served.count("kms3")


def test_random_order_ignores_the_priority(build: Build) -> None:
    hosts = [host(f"kms{n}", seed_cmids=50) for n in (1, 2)]
    clients = [client(f"pc{n}") for n in range(20)]
    records = (srv("kms1.corp.example."), srv("kms2.corp.example.", priority=10))
    desk = build(*hosts, *clients, records=records, client_order="random")
    assert {desk.activate(one["name"]) for one in clients} == {"ok"}
    assert {desk.estate.describe(one["name"])["kms_host"] for one in clients} == {"kms1", "kms2"}


def test_the_hosts_intervals_come_with_the_reply(build: Build) -> None:
    desk = build(COUNTED, client())
    desk.set("kms1", "SetVLActivationInterval", ActivationInterval=15)
    desk.set("kms1", "SetVLRenewalInterval", RenewalInterval=43200)
    assert desk.activate("pc") == "ok"
    assert desk.service("pc")["VLActivationInterval"] == 120, "the host's service has not been restarted"
    desk.restart("kms1")
    assert desk.activate("pc") == "ok"
    assert (desk.service("pc")["VLActivationInterval"], desk.service("pc")["VLRenewalInterval"]) == (15, 43200)


@pytest.mark.parametrize(("kind", "expected"), [(0, "ok"), (1, "0x80072030"), (2, "ok")])
def test_activation_type(build: Build, kind: int, expected: str) -> None:
    desk = build(COUNTED, client())
    desk.set("pc", "SetVLActivationTypeEnabled", ActivationType=kind)
    assert desk.activate("pc") == expected
    desk.set("pc", "ClearVLActivationTypeEnabled")
    assert desk.activate("pc") == "ok"
