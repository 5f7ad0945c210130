# Copyright (c) 2026, the winops.kms authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The playbook `site` over a grown estate: each product gets its key, none is guessed, Office never touches Windows."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.winops.kms.tests.system.harness import Play, kinds
from kmslab.control import Lab

pytestmark = pytest.mark.estate("mixed")

WINDOWS = "55c92734-d682-4d71-983e-d6ec3f16059f"
#: Machine -> the last five characters of the client setup key that Microsoft publishes for its Windows.
WINDOWS_KEYS = {
    "srv2008r2": "R7VHC",  # Windows Server 2008 R2 Standard
    "srv2012": "8W83P",  # Windows Server 2012 Datacenter
    "srv2012r2": "MDVJX",  # Windows Server 2012 R2 Standard
    "srv2016": "8XDDG",  # Windows Server 2016 Datacenter
    "srv2019": "J464C",  # Windows Server 2019 Standard
    "srv2022": "6VM33",  # Windows Server 2022 Datacenter
    "srv2025": "MY832",  # Windows Server 2025 Standard
    "win7": "GPDD4",  # Windows 7 Professional
    "win81": "MKKG7",  # Windows 8.1 Enterprise
    "win10": "T83GX",  # Windows 10 Pro
    "win11": "2YT43",  # Windows 11 Enterprise
    "ltsb2016": "QJ4BJ",  # Windows 10 Enterprise LTSB 2016
    "ltsc2019": "J462D",  # Windows 10 Enterprise LTSC 2019
    "ltsc2024": "J462D",  # Windows 11 Enterprise LTSC 2024
    "office2016": "T83GX",  # Windows 10 Pro
    "office2019": "J464C",  # Windows Server 2019 Standard
    "office2021": "2YT43",  # Windows 11 Enterprise
    "office2024": "2YT43",  # Windows 11 Enterprise
    "visio": "T83GX",  # Windows 11 Pro
    "editor": "2YT43",  # Windows 10 Enterprise
}
#: Machine -> licence family -> the last five characters of the key that the product shall have.
OFFICE_KEYS = {
    "office2016": {"Office16ProPlusVL_KMS_Client": "WFG99", "Office16VisioProVL_KMS_Client": "RJRJK"},
    "office2019": {"Office19Standard2019VL_KMS_Client_AE": "9D9HK"},
    "office2021": {
        "Office21ProPlus2021VL_KMS_Client_AE": "6F7TH",
        "Office21VisioPro2021VL_KMS_Client_AE": "K2HT4",
        "Office21ProjectStd2021VL_KMS_Client_AE": "T3D4T",
    },
    "office2024": {"Office24ProPlus2024VL_KMS_Client_AE": "GCVGB", "Office24ProjectPro2024VL_KMS_Client_AE": "76HF4"},
    "visio": {"Office21VisioStd2021VL_KMS_Client_AE": "4M8QG"},
    "editor": {"Office19ProPlus2019VL_KMS_Client_AE": "6MWKP", "Office21Standard2021VL_MAK_AE": "MF222"},
}
HOST_KEYS = {"kms1": {"HK222", "HF226", "HF229", "HF222", "HF224"}, "kms2": {"HK226", "HF224"}}
LEFTOVER = "0b1f4a3e-5c2d-4f6a-9e8b-7d6c5b4a3f2e"


def keyed(machine: dict[str, Any], *, office: bool) -> dict[str, dict[str, Any]]:
    """Licence family -> licence, of those with a key."""
    return {
        product["family"]: product
        for product in machine["products"]
        if product["partial_product_key"] and (product["application"] != WINDOWS) is office
    }


def test_site_gives_each_product_its_own_key_and_guesses_none(lab: Lab, play: Play) -> None:
    start = {name: lab.machine(name) for name in lab.machines()}
    run = play("winops.kms.site", expect="failed")
    assert [host for host in run.recap if run.outcome(host) == "failed"] == ["upgraded"]
    refused = run.result("upgraded")
    assert LEFTOVER in refused["candidates"] and len(refused["candidates"]) == 2
    assert lab.machine("upgraded")["products"] == start["upgraded"]["products"]
    meant = next(item for item in refused["candidates"] if item != LEFTOVER)

    named = {"point_clients_activation_id": f"{{{{ '{meant}' if inventory_hostname == 'upgraded' else '' }}}}"}
    play("winops.kms.point_clients", connection="psrp", limit="upgraded", extra_vars=named)
    done = {name: lab.machine(name) for name in lab.machines()}

    assert {name: done[name]["partial_product_key"] for name in WINDOWS_KEYS} == WINDOWS_KEYS
    for name in WINDOWS_KEYS:
        assert (done[name]["channel"], done[name]["status"]) == ("Volume:GVLK", "licensed"), name
    assert done["travel"]["products"] == start["travel"]["products"], "activated for good"
    both = {item["id"]: item for item in done["upgraded"]["products"] if item["partial_product_key"]}
    assert both[meant]["status"] == "licensed"
    assert (both[LEFTOVER]["partial_product_key"], both[LEFTOVER]["status"]) == ("RT444", "oob_grace")

    for name, families in OFFICE_KEYS.items():
        found = keyed(done[name], office=True)
        assert {family: product["partial_product_key"] for family, product in found.items()} == families
        waiting = {family for family, product in found.items() if product["status"] != "licensed"}
        assert waiting == {family for family in families if "_MAK" in family}, "only a MAK is left alone"
        assert not any(product["kms_server"] for product in found.values()), "found in DNS"
    for name, keys in HOST_KEYS.items():
        found = keyed(done[name], office=False) | keyed(done[name], office=True)
        assert {product["partial_product_key"] for product in found.values()} == keys
        assert done[name]["counters"]["activations_spent"] == len(keys)
    others = {name: machine["counters"]["activations_spent"] for name, machine in done.items() if name not in HOST_KEYS}
    assert not any(others.values()), "no MAK was activated once more"

    lab.clear_requests()
    again = play("winops.kms.site", extra_vars=named)
    assert again.changes() == {}
    assert again.changed_hosts == []
    assert set(kinds(lab.requests())) == {"read"}
    assert {name: lab.machine(name)["products"] for name in done} == {
        name: machine["products"] for name, machine in done.items()
    }


def test_tasks_about_office_never_touch_windows(lab: Lab, play: Play) -> None:
    """Every way in which a task can be about Office, on a machine whose Windows waits for its activation."""
    office = {"application": "office"}
    tasks: list[dict[str, Any]] = [
        {"winops.kms.client": {**office, "gvlk": True, "server": "kms9.corp.example", "port": 1789}},
        {"winops.kms.client": {**office, "lookup_domain": "lab.corp.example", "activation_type": "kms"}},
        {"winops.kms.client": {**office, "discover": True, "lookup_domain": "", "activation_type": "any"}},
        {"winops.kms.activation": office, "ignore_errors": True},
        {"winops.kms.product_key": {**office, "gvlk": True}},
    ]
    before = lab.machine("office2021")
    run = play(tasks, hosts="office2021")
    after = lab.machine("office2021")
    assert keyed(after, office=False) == keyed(before, office=False)
    for what in ("settings", "registry", "partial_product_key", "status", "cmid"):
        assert after[what] == before[what], what
    assert after["counters"]["key_installs"] == 0, "each product has its own key already"
    assert after["counters"]["activation_attempts"] == 3
    results = [event.result for event in run.events if event.host == "office2021"]
    assert results[0]["license"] is None
    assert [item["kms_server"] for item in results[0]["licenses"]] == ["kms9.corp.example"] * 3
    assert {change["product"] for change in results[0]["changes"]} == {
        "Office21ProPlus2021VL",
        "Office21VisioPro2021VL",
        "Office21ProjectStd2021VL",
    }
    assert results[3]["error"]["code"] == "0x8007232B", "there is no KMS host in DNS yet"


def test_a_host_key_for_office_comes_and_goes_beside_that_of_windows(lab: Lab, play: Play) -> None:
    windows = {"winops.kms.host": {"key": "N2222-22222-22222-22222-HK226", "activate": True, "port": 1699}}
    office = {"application": "office"}
    key = {"key": "N2222-22222-22222-22222-HF224", "activate": True}
    tasks = [windows, {"winops.kms.host": {**office, **key}}, {"winops.kms.license_info": {"application": "all"}}]
    run = play(tasks, hosts="kms2")
    info = run.result("kms2")
    assert {item["application"]: item["is_kms_host"] for item in info["kms_hosts"]} == {"windows": True, "office": True}
    assert lab.machine("kms2")["host"]["effective_port"] == 1699

    assert not play(tasks, hosts="kms2", connection="psrp").changed("kms2")
    assert lab.machine("kms2")["counters"]["activations_spent"] == 2

    removal = [{"winops.kms.host": {**office, "state": "absent"}}]
    assert play(removal, hosts="kms2", check=True).changed("kms2")
    assert play(removal, hosts="kms2").changed("kms2")
    machine = lab.machine("kms2")
    assert [item["partial_product_key"] for item in keyed(machine, office=False).values()] == ["HK226"]
    assert keyed(machine, office=True) == {}
    assert machine["host"]["effective_port"] == 1699

    refused = play([{"winops.kms.host": {**office, **key}}], hosts="srv2022", expect="failed").result("srv2022")
    assert "Volume License Pack" in refused["error"]["remedy"]
    assert lab.machine("srv2022")["counters"]["key_installs"] == 0


def test_office_that_waits_asks_again_and_a_mak_is_left_alone(lab: Lab, play: Play) -> None:
    host = {"key": "N2222-22222-22222-22222-HK222", "activate": True, "firewall": True}
    office_host = {"application": "office", "key": "N2222-22222-22222-22222-HF229", "activate": True}
    # Windows is activated first; the next call of Activate is that of Office.
    windows = {"gvlk": True, "server": "kms1.corp.example", "activate": True}
    play(
        [
            {"hosts": "kms1", "tasks": [{"winops.kms.host": host}, {"winops.kms.host": office_host}]},
            {"hosts": "editor", "tasks": [{"winops.kms.client": windows}]},
        ]
    )
    lab.fault("editor", "fault", method="Activate", hresult="0xC004F038")
    role = {"include_role": {"name": "winops.kms.point_clients"}, "vars": {"point_clients_server": "kms1.corp.example"}}
    run = play([role], hosts="editor")
    asked = [
        event.result
        for event in run.events
        if event.task == "Set up the Office products as KMS clients and activate them"
    ]
    assert [result["pending"] for result in asked] == [True]
    found = keyed(lab.machine("editor"), office=True)
    assert found["Office19ProPlus2019VL_KMS_Client_AE"]["status"] == "licensed"
    assert found["Office21Standard2021VL_MAK_AE"]["status"] == "oob_grace"
    assert lab.machine("editor")["counters"]["activations_spent"] == 0
