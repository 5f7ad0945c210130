# Copyright (c) 2026, the winops.kms authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The estate as a whole: files, the catalogue, describe, patch, reset, inventory."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from labsupport.desk import HOST_KEY, TSIG_SECRET, Desk, client, estate_data, host, srv

from kmslab.model import Estate, EstateError
from kmslab.model.catalogue import Catalogue
from kmslab.model.keys import well_formed

ESTATES = Path(__file__).parent.parent / "estates"


@pytest.mark.parametrize("name", sorted(path.name for path in ESTATES.glob("*.yml")))
def test_the_estate_files_load(name: str) -> None:
    estate = Estate.load(ESTATES / name)
    groups = estate.groups()
    assert groups["kms_hosts"]["hosts"] and groups["kms_clients"]["hosts"]
    for machine in estate.names():
        json.dumps(estate.describe(machine))
        view = estate.view(machine)
        assert view is not None and ("root/cimv2", "softwarelicensingservice") in view.providers
    json.dumps(estate.inventory_vars())


def test_the_demo_estate_is_worth_a_demo() -> None:
    estate = Estate.load(ESTATES / "demo.yml")
    described = {name: estate.describe(name) for name in estate.groups()["kms_clients"]["hosts"]}
    assert sum(one["family"] == "client" for one in described.values()) >= 28
    assert sum(one["family"] == "server" for one in described.values()) == 4
    assert {one["status"] for one in described.values()} == {"oob_grace", "unlicensed"}
    assert {one["locale"] for one in described.values()} > {"en-US", "de-DE"}
    assert {one["build"] for one in described.values()} > {7601, 14393, 26100}
    channels = [one["channel"] for one in described.values()]
    assert channels.count("Retail") >= 3 and channels.count(None) == 1
    (mak,) = estate.groups()["kms_clients_mak"]["hosts"]
    assert (estate.describe(mak)["channel"], estate.describe(mak)["status"]) == ("Volume:MAK", "licensed")
    wrong = [name for name, one in described.items() if one["settings"]["kms_server"]]
    assert wrong == ["branch"]
    for name in estate.groups()["kms_hosts"]["hosts"]:
        assert estate.describe(name)["host"]["is_kms_host"] is False


# -- the catalogue ---------------------------------------------------------------------------------------------------


def test_every_edition_has_a_release_and_a_good_key() -> None:
    catalogue = Catalogue.load()
    assert len(catalogue.editions) == 74
    for edition in catalogue.editions:
        assert edition.evaluation is not well_formed(edition.gvlk)
        assert edition.threshold == (5 if edition.kind == "server" else 25)
        for text in edition.builds.text.split("|"):
            build = int(text.partition("-")[0])
            assert catalogue.edition(edition.edition_id, build).gvlk == edition.gvlk
            assert catalogue.release(edition, build).name.startswith("Windows")


def test_releases_named_in_the_host_matrix_exist() -> None:
    catalogue = Catalogue.load()
    known = {release.release for release in catalogue.releases}
    for group in catalogue.groups.values():
        assert group.hosts | group.activates <= known, group.name
    assert {*catalogue.host_updates, *(one for row in catalogue.host_updates.values() for one in row)} <= known


@pytest.mark.parametrize(
    ("group", "host_release", "client_release", "patched", "expected"),
    [
        ("ws2025", "2022", "2025", True, True),
        ("ws2025", "2022", "2025", False, False),
        ("ws2025", "2025", "11-LTSC2024", True, True),
        ("ws2022", "2022", "11-LTSC2024", True, False),
        ("ws2022", "2022", "11", True, True),
        ("ws2022", "2022", "2025", True, False),
        ("ws2019", "2019", "11", True, False),
        ("ws2019", "2019", "10-LTSC2021", True, True),
        ("ws2016", "2016", "2019", True, False),
        ("win10", "10", "2016", True, False),
        ("win10", "10", "10", True, True),
    ],
)
def test_coverage(group: str, host_release: str, client_release: str, patched: bool, expected: bool) -> None:
    catalogue = Catalogue.load()
    releases = {release.release: release for release in catalogue.releases}
    covered = catalogue.covers(
        catalogue.groups[group],
        host=releases[host_release],
        updated=lambda update: patched,
        client=releases[client_release],
    )
    assert covered is expected


def test_activation_ids_are_stable_and_differ() -> None:
    first, second = (Estate.from_data(estate_data(host(), client(), client("other"))) for _ignored in range(2))
    ids = [[product["id"] for product in estate.describe("kms1")["products"]] for estate in (first, second)]
    assert ids[0] == ids[1] and len(set(ids[0])) == len(ids[0])
    assert first.describe("pc")["products"] == first.describe("other")["products"], (
        "the same Windows, the same licences"
    )
    assert first.describe("pc")["cmid"] != first.describe("other")["cmid"]


# -- bad files -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ([], "a mapping is expected"),
        ({"name": "x"}, "domain missing"),
        (estate_data({"name": "a"}), "machine a: edition, build missing"),
        (estate_data(client(colour="red")), "machine pc: unknown field colour"),
        (estate_data(client(edition="Ultimate")), "machine pc: no edition 'Ultimate' of build 22631"),
        (estate_data(client(build=9200, edition="EnterpriseS")), "builds with it: 10240, 14393, 17763|19044|26100"),
        (estate_data(client(locale="xx-XX")), "machine pc: locale xx-XX"),
        (estate_data(client(), client()), "two machines are called pc"),
        (estate_data(client(media="floppy")), "media is one of none, retail, volume"),
        (estate_data(client(key=HOST_KEY)), "machine pc: its key does not exist"),
        (estate_data(client(firewall={"no": True})), "machine pc: no firewall rule no"),
        (estate_data(keys=[{"key": "x", "channel": "mak"}]), "keys[0]: not of the shape"),
        (estate_data(keys=[{"key": HOST_KEY, "channel": "csvlk", "group": "vista"}]), "group is one of ws2025"),
        (estate_data(zones=[{"name": "z", "host_updates": "maybe"}]), "host_updates is one of any, none, owner"),
        (estate_data(zones=[{"name": "z", "records": ["alone A"]}]), "record 'alone A'"),
        (estate_data(clock="noon"), "clock: 'noon'"),
    ],
)
def test_a_bad_estate_file(data: Any, message: str) -> None:
    with pytest.raises(EstateError) as caught:
        Estate.from_data(data)
    assert message in str(caught.value)
    assert HOST_KEY not in str(caught.value)


def test_a_file_that_is_not_yaml(tmp_path: Path) -> None:
    path = tmp_path / "bad.yml"
    path.write_text("a: [", encoding="utf-8")
    with pytest.raises(EstateError, match=r"bad\.yml: not YAML"):
        Estate.load(path)


# -- names, patch, reset ---------------------------------------------------------------------------------------------


def test_a_range_of_machines_with_defaults() -> None:
    data = estate_data(client("pc-[08:11]", vars={"b": 2}), {**client("one"), "domain": None})
    data["defaults"]["vars"] = {"a": 1}
    estate = Estate.from_data(data)
    assert estate.names() == ["pc-08", "pc-09", "pc-10", "pc-11", "one"]
    assert estate.inventory_vars()["pc-09"] == {"a": 1, "b": 2}
    assert estate.describe("pc-09")["fqdn"] == "pc-09.corp.example"
    assert estate.describe("one")["fqdn"] == "one"
    assert len({estate.describe(name)["address"] for name in estate.names()}) == 5
    assert estate.view("nobody") is None


@pytest.mark.parametrize(
    ("change", "path", "value"),
    [
        ({"power": False}, ("power",), False),
        ({"reachable_1688": False}, ("reachable_1688",), False),
        ({"firewall": {"SPPSVC-In-TCP": True}}, ("firewall", "SPPSVC-In-TCP"), True),
        ({"firewall": {"KMS-1699": {"port": 1699}}}, ("firewall", "KMS-1699"), True),
        ({"sppsvc": {"state": "Running"}}, ("sppsvc", "state"), "Running"),
        ({"kms_server": "x", "kms_port": 7}, ("settings", "kms_server"), "x"),
        ({"lookup_domain": "x.example"}, ("settings", "lookup_domain"), "x.example"),
        ({"host_caching": False}, ("settings", "host_caching"), False),
        ({"licensed": True}, ("status",), "licensed"),
        ({"grace_minutes_left": 0}, ("status",), "notification"),
        ({"clock_offset_minutes": 300}, ("clock_offset_minutes",), 300),
        ({"cmid": "same"}, ("cmid",), "same"),
        ({"registry": {"DisableDnsPublishing": 1}}, ("host", "dns_publishing"), False),
    ],
)
def test_patch(change: dict[str, Any], path: tuple[str, ...], value: object) -> None:
    estate = Estate.from_data(estate_data(client()))
    for described in (estate.patch("pc", change), estate.describe("pc")):
        found: Any = described
        for name in path:
            found = found[name]
        assert found == value


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"colour": 1}, "cannot set colour"),
        ({"power": "no"}, "power: bool is expected"),
        ({"clock_offset_minutes": True}, "int is expected"),
        ({"firewall": {"no": True}}, "no firewall rule no"),
    ],
)
def test_a_bad_patch(change: dict[str, Any], message: str) -> None:
    estate = Estate.from_data(estate_data(client()))
    with pytest.raises(ValueError, match=message):
        estate.patch("pc", change)


def test_power_shows_at_once() -> None:
    estate = Estate.from_data(estate_data(client()))
    before = estate.view("pc")
    estate.patch("pc", {"power": False})
    after = estate.view("pc")
    assert before is not None and after is not None
    assert (before.powered, after.powered) == (True, False)


def test_reset_takes_everything_back() -> None:
    zone = {"name": "corp.example", "records": [srv()]}
    estate = Estate.from_data(estate_data(host(seed_cmids=30), client(), zones=[zone]))
    estate.start()
    try:
        desk = Desk(estate)
        everything = {name: estate.describe(name) for name in estate.names()}
        records, port = estate.zone_records("corp.example"), estate.dns_port
        assert [desk.activate("pc"), desk.activate("kms1")] == ["ok", "ok"]
        estate.advance(1000)
        estate.put_zone_records("corp.example", [])
        estate.patch("kms1", {"power": False})
        estate.reset()
        assert {name: estate.describe(name) for name in estate.names()} == everything
        assert (estate.zone_records("corp.example"), estate.dns_port) == (records, port)
        assert desk.activate("pc") == "ok"
    finally:
        estate.stop()


def test_zone_records() -> None:
    estate = Estate.from_data(estate_data(client(), zones=[{"name": "corp.example", "records": [srv(priority=5)]}]))
    (found,) = [one for one in estate.zone_records("corp.example") if one["type"] == "SRV"]
    assert found == {
        "name": "_vlmcs._tcp.corp.example.",
        "type": "SRV",
        "ttl": 3600,
        "data": "5 0 1688 kms1.corp.example.",
        "priority": 5,
        "weight": 0,
        "port": 1688,
        "target": "kms1.corp.example.",
    }
    estate.put_zone_records("corp.example", [{"name": "_vlmcs._tcp", "type": "SRV", "target": "x.corp.example."}])
    after = estate.zone_records("corp.example")
    assert [one["data"] for one in after if one["type"] == "SRV"] == ["0 0 1688 x.corp.example."]
    assert {one["type"] for one in after} == {"SOA", "NS", "SRV"}
    with pytest.raises(KeyError):
        estate.put_zone_records("other.example", [])
    with pytest.raises(ValueError, match="a record needs"):
        estate.put_zone_records("corp.example", [{"name": "a", "type": "A"}])
    with pytest.raises(ValueError, match="a record needs"):
        estate.put_zone_records("corp.example", [{"name": "a", "type": "A", "data": "no address"}])


def test_inventory() -> None:
    accounts = {"reader": {"password": "r", "rights": "read"}, "boss": {"password": "b"}}
    data = estate_data(
        host(accounts=accounts, groups=["kms_hosts"], vars={"x": 1}),
        client(groups=["kms_clients", "more"]),
        tsig_keys=[
            {"name": "other.", "secret": TSIG_SECRET},
            {"name": "k.", "secret": TSIG_SECRET, "collection": True},
        ],
        group_vars={"kms_hosts": {"y": 2}},
    )
    estate = Estate.from_data(data)
    variables = estate.inventory_vars()
    assert variables["kms1"] == {"ansible_user": "boss", "ansible_password": "b", "x": 1}
    assert variables["all"]["lab_tsig_key_name"] == "k."
    assert variables["all"]["lab_tsig_key_secret"] == TSIG_SECRET
    assert variables["all"]["lab_dns_zone"] == "corp.example"
    assert estate.groups() == {
        "kms_hosts": {"hosts": ["kms1"], "vars": {"y": 2}},
        "kms_clients": {"hosts": ["pc"], "vars": {}},
        "more": {"hosts": ["pc"], "vars": {}},
    }
    view = estate.view("kms1")
    assert view is not None
    assert view.accounts == {"reader": ("r", "read"), "boss": ("b", "full")}
