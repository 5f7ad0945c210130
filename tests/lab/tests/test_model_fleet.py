# Copyright (c) 2026, the winops.kms authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Fleets: many machines of a few kinds, and what they remember of the time before the start."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from labsupport.desk import Desk, client, estate_data, host, srv

from kmslab.model import Estate
from kmslab.model.spec import EstateError, parse_estate

ESTATES = Path(__file__).resolve().parents[1] / "estates"
KINDS: list[dict[str, Any]] = [
    {"share": 3, "edition": "Enterprise", "build": 22631, "licensed": True, "licensed_minutes_left": [100, 199]},
    {"share": 1, "edition": "ServerStandard", "build": 20348, "groups": ["servers"]},
]


def fleet(count: int = 8, kinds: object = None, **more: Any) -> dict[str, Any]:
    return estate_data(fleet={"count": count, "kinds": KINDS if kinds is None else kinds, **more})


def test_kinds_get_their_shares_in_every_part_of_the_fleet() -> None:
    editions = [machine.edition for machine in parse_estate(fleet(1000)).machines]
    for part in (4, 40, 400, 1000):
        assert Counter(editions[:part])["ServerStandard"] == part // 4


def test_a_smaller_fleet_is_the_beginning_of_a_larger_one() -> None:
    large, small = parse_estate(fleet(50)).machines, parse_estate(fleet(50), fleet=20).machines
    assert small == large[:20]
    assert [machine.name for machine in small[:2]] == ["node-00001", "node-00002"]


def test_a_range_is_spread() -> None:
    left = [machine.licensed_minutes_left for machine in parse_estate(fleet(400)).machines if machine.licensed]
    assert all(100 <= (minutes or 0) <= 199 for minutes in left)
    assert len(set(left)) > 90


def test_machines_and_a_fleet_side_by_side() -> None:
    spec = parse_estate({**fleet(3, name="pc-"), "machines": [host()]})
    assert [machine.name for machine in spec.machines] == ["kms1", "pc-00001", "pc-00002", "pc-00003"]
    assert spec.machines[1].domain == "corp.example"


@pytest.mark.parametrize(
    ("data", "complaint"),
    [
        (fleet(-1), "count"),
        (fleet(kinds=[]), "share"),
        (fleet(kinds=[{"edition": "Enterprise", "build": 22631}]), "share"),
        (fleet(kinds=[{**KINDS[0], "licensed_minutes_left": [5, 1]}]), r"\[low, high\]"),
        (fleet(kinds=[{**KINDS[0], "licensed_minutes_left": [5]}]), r"\[low, high\]"),
        (fleet(kinds=[{**KINDS[0], "colour": "red"}]), "unknown field colour"),
        (fleet(speed=1), "unknown field speed"),
        ({**fleet(2), "machines": [client("node-00001")]}, "two machines are called node-00001"),
    ],
)
def test_what_cannot_be(data: dict[str, Any], complaint: str) -> None:
    with pytest.raises(EstateError, match=complaint):
        parse_estate(data)


def test_a_number_of_machines_for_an_estate_without_a_fleet() -> None:
    with pytest.raises(EstateError, match="no fleet"):
        parse_estate(estate_data(host()), fleet=10)


def test_machines_of_one_generation_have_the_same_classes() -> None:
    estate = Estate.from_data(fleet(8))
    desk = Desk(estate)
    classes = {desk.provider(name, "SoftwareLicensingProduct").cim_class for name in estate.names()}
    assert len(classes) == 2
    assert desk.provider("node-00001", "Win32_Service") is desk.provider("node-00001", "Win32_Service")


def test_a_row_that_is_looked_at_in_part_is_the_whole_row_after_all() -> None:
    row = Desk(Estate.from_data(fleet(1))).keyed("node-00001")
    assert row["PartialProductKey"]
    assert row.get("NoSuchProperty") is None
    assert set(row) > {"ID", "LicenseStatus", "Name"}
    assert dict(row)["ID"] == row["ID"]


# -- the time before the start ----------------------------------------------------------------------------------------


def remembering(**more: Any) -> Desk:
    data = estate_data(host(), client(licensed=True, **more))
    data["zones"][0]["records"] = [srv()]
    return Desk(Estate.from_data(data))


@pytest.mark.parametrize(("left", "status", "shown"), [(500, 1, 500), (-100, 3, 43100), (-43200, 5, 0)])
def test_what_is_left_of_a_licence(left: int, status: int, shown: int) -> None:
    row = remembering(licensed_minutes_left=left, last_failure=0xC004F074).keyed("pc")
    assert (row["LicenseStatus"], row["GracePeriodRemaining"]) == (status, shown)
    if status != 1:
        assert row["LicenseStatusReason"] == 0xC004F074


def test_who_activated_a_client() -> None:
    desk = remembering(activated_by="kms1", office=["ProPlus2021"])
    (row,) = [one for one in desk.rows("pc", "SoftwareLicensingProduct") if one["LicenseStatus"] == 1]
    assert row["DiscoveredKeyManagementServiceMachineName"] == "kms1.corp.example"
    assert row["KeyManagementServiceProductKeyID"] == desk.keyed("kms1")["ProductKeyID"]
    assert desk.estate.describe("pc")["kms_host"] == "kms1"


def test_a_fixed_host_is_not_discovered() -> None:
    desk = remembering(activated_by="kms1", kms_server="kms1.corp.example")
    assert desk.keyed("pc")["DiscoveredKeyManagementServiceMachineName"] is None


def test_activated_by_nobody() -> None:
    with pytest.raises(EstateError, match="no machine elsewhere"):
        remembering(activated_by="elsewhere")


# -- the estate that comes with the lab -------------------------------------------------------------------------------


def test_the_large_company() -> None:
    estate = Estate.load(ESTATES / "fleet.yml", fleet=400)
    states = Counter(estate.describe(name)["status"] for name in estate.names() if name.startswith("node-"))
    assert sum(states.values()) == 400
    assert states["licensed"] > 350
    assert {"oot_grace", "notification", "oob_grace", "unlicensed"} <= states.keys()
    hosts = [Desk(estate).service(name)["KeyManagementServiceCurrentCount"] for name in ("kms1", "kms2")]
    assert hosts == [50, 9]
