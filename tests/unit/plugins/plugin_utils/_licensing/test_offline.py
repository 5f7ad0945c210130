# Copyright (c) 2026, the winops.kms authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Activation by confirmation ID: the IDs themselves, the file of many machines, and what is sent."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.winops.kms.plugins.plugin_utils._licensing.apply import Outcome
from ansible_collections.winops.kms.plugins.plugin_utils._licensing.errors import InvalidOption, LicensingError
from ansible_collections.winops.kms.plugins.plugin_utils._licensing.offline import Confirmations, merged_file
from ansible_collections.winops.kms.plugins.plugin_utils._licensing.product import activate_product
from ansible_collections.winops.kms.plugins.plugin_utils._licensing.state import ProductDetails
from ansible_collections.winops.kms.tests.unit.plugins.plugin_utils._licensing.fake_windows import (
    HOST_ID,
    MAK_ID,
    FakeWindows,
    dropped,
    keyed_client,
    keyed_host,
    keyed_mak,
    refused,
)

IID = "1" * 54 + "234567890"
CID = "123456" * 8
HEAD = "host,installation_id,confirmation_id"


class Windows(FakeWindows):
    """Takes CID for IID."""

    def _carry_out(
        self, name: str, holder: dict[str, Any], method: str, parameters: Mapping[str, Any]
    ) -> Mapping[str, Any]:
        if method != "DepositOfflineConfirmationId":
            return super()._carry_out(name, holder, method, parameters)
        assert parameters == {"InstallationId": IID, "ConfirmationId": CID}
        holder.update(LicenseStatus=1)
        return {}


def windows(machine: dict[str, Any]) -> Windows:
    return Windows({**machine, "OfflineInstallationId": IID})


def activate(host: FakeWindows, confirmations: Confirmations, *, check: bool = False) -> Outcome:
    return activate_product(host.applier(product_type=ProductDetails), confirmations=confirmations, check=check)


def of_lines(*lines: str) -> Confirmations:
    return Confirmations.of_lines("\n".join(lines), source="ids.csv")


@pytest.mark.parametrize("text", [CID, "-".join([CID[:6]] * 8), f" {CID[:24]} {CID[24:]}\n"])
def test_a_confirmation_id_activates_once(text: str) -> None:
    host = windows(keyed_mak(licensed=False))
    confirmations = Confirmations.of_text(text)
    assert activate(host, confirmations, check=True).changed
    assert host.calls == []
    outcome = activate(host, confirmations)
    assert (host.calls[0].target, host.methods) == (MAK_ID, ["DepositOfflineConfirmationId"])
    assert [(change.setting, change.after) for change in outcome.changes] == [("status", "licensed")]
    assert not activate(host, confirmations).changed
    assert len(host.methods) == 1


def test_a_kms_host_takes_up_its_work() -> None:
    host = windows(keyed_host(licensed=False))
    assert activate(host, Confirmations.of_text(CID)).restarted
    assert host.methods == ["DepositOfflineConfirmationId", "StopService", "StartService"]
    assert host.find(HOST_ID)["LicenseStatus"] == 1


@pytest.mark.parametrize("done", [True, False])
def test_a_lost_answer_is_looked_up(done: bool) -> None:
    host = windows(keyed_mak(licensed=False))
    host.fail("DepositOfflineConfirmationId", dropped, done=done)
    assert activate(host, Confirmations.of_text(CID)).error is None
    # It may be sent again, because Microsoft has counted the activation when it gave the confirmation ID.
    assert host.methods == ["DepositOfflineConfirmationId"] * (1 if done else 2)


def test_a_wrong_confirmation_id_is_an_error_of_windows_with_its_remedy() -> None:
    host = windows(keyed_mak(licensed=False))
    host.fail("DepositOfflineConfirmationId", refused(0xC004F04D))
    error = activate(host, Confirmations.of_text(CID)).error
    assert error is not None and error.info.code == "0xC004F04D"


@pytest.mark.parametrize("check", [True, False])
def test_what_cannot_be_is_refused_before_anything_is_sent(check: bool) -> None:
    client = windows(keyed_client(licensed=False))
    with pytest.raises(LicensingError, match="client setup key"):
        activate(client, Confirmations.of_text(CID), check=check)
    without = FakeWindows(keyed_mak(licensed=False))
    for confirmations in (Confirmations.of_text(CID), of_lines(HEAD, f"pc,{IID},{CID}")):
        with pytest.raises(LicensingError, match="Windows shows no installation ID"):
            activate(without, confirmations, check=check)
    unknown = windows(keyed_mak(licensed=False))
    with pytest.raises(LicensingError, match=r"ids\.csv has no confirmation ID for the installation ID 1111111-"):
        activate(unknown, of_lines(HEAD, f"pc,{IID[::-1]},{CID}"), check=check)
    for host in (client, without, unknown):
        assert host.calls == []


def test_a_licensed_machine_needs_no_row() -> None:
    assert not activate(windows(keyed_mak()), of_lines(HEAD)).changed


@pytest.mark.parametrize("text", ["", "12345A", "\uff11\uff12", "1.23E+47"])
def test_a_confirmation_id_has_digits_only(text: str) -> None:
    with pytest.raises(InvalidOption, match="confirmation_id: the value has other characters") as caught:
        Confirmations.of_text(text)
    assert ("spreadsheet" in str(caught.value)) is ("E+" in text)


# --- the file -------------------------------------------------------------------------------------------------------


def test_rows_are_found_by_installation_id_however_it_is_written() -> None:
    grouped = "-".join(IID[start : start + 7] for start in range(0, 63, 7))
    for lines in (
        (HEAD, f"pc,{IID},{CID}"),
        (HEAD, f'pc,{grouped},"{CID[:20]} {CID[20:]}"', "other,999,"),
        ("installation_id;confirmation_id;note", f"{grouped};{CID};done on Monday"),
    ):
        assert of_lines(*lines).by_installation_id == {IID: CID}


@pytest.mark.parametrize(
    ("lines", "text"),
    [
        (("host,iid", "pc,1"), "line 1: it has no column installation_id and no column confirmation_id"),
        ((HEAD, "pc,1.2E+62,123"), "line 2: installation_id has other characters"),
        ((HEAD, "pc,123,12x"), "line 2: confirmation_id has other characters"),
        ((HEAD, "pc,,123"), "line 2: installation_id has other characters"),
        ((HEAD, "pc,123,4", "pc,123,5"), "line 3: a second confirmation ID"),
    ],
)
def test_a_wrong_file_is_an_error_that_names_the_line(lines: tuple[str, ...], text: str) -> None:
    with pytest.raises(InvalidOption, match=text):
        of_lines(*lines)


def test_a_file_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(InvalidOption, match="can't be read"):
        Confirmations.of_file(tmp_path / "none.csv")
    (tmp_path / "ids.csv").write_bytes(f"\ufeff{HEAD}\r\npc,{IID},{CID}\r\n".encode())
    assert Confirmations.of_file(tmp_path / "ids.csv").by_installation_id == {IID: CID}


def licence(**values: Any) -> dict[str, Any]:
    return {
        "name": "Windows(R), Enterprise edition",
        "activation_id": MAK_ID,
        "channel": "Volume:MAK",
        "partial_product_key": "MMMMM",
        "status": "notification",
        "offline_installation_id": IID,
        **values,
    }


def exported(results: Mapping[str, list[dict[str, Any]]], old: str = "") -> tuple[str, list[dict[str, str]]]:
    text = merged_file({host: {"licenses": found} for host, found in results.items()}, old)
    return text, list(csv.DictReader(text.splitlines()))


def test_only_what_waits_for_a_confirmation_id_is_exported() -> None:
    found = [
        licence(),
        licence(status="licensed"),
        licence(channel="Volume:GVLK"),
        licence(offline_installation_id=None),
    ]
    text, rows = exported({"pc": found})
    assert [row["activation_id"] for row in rows] == [MAK_ID]
    assert rows[0]["installation_id"].replace("-", "") == IID
    assert text == exported({"pc": found}, text)[0]


def test_confirmation_ids_outlive_another_export_as_long_as_they_hold() -> None:
    text, _rows = exported({"pc": [licence()], "away": [licence(offline_installation_id="7" * 63)]})
    filled = "\n".join(line + CID if line.endswith(",") else line for line in text.splitlines())
    again, rows = exported({"pc": [licence()]}, filled)
    assert [row["host"] for row in rows] == ["away", "pc"]
    assert {row["confirmation_id"].replace("-", "") for row in rows} == {CID}
    assert Confirmations.of_lines(again, source="it").by_installation_id == {IID: CID, "7" * 63: CID}
    # Another key has another installation ID.
    _text, rows = exported({"pc": [licence(offline_installation_id="8" * 63)]}, again)
    assert [row["confirmation_id"] for row in rows if row["host"] == "pc"] == [""]
    # What is licensed by now has no row any more.
    assert [row["host"] for row in exported({"pc": [licence(status="licensed")]}, again)[1]] == ["away"]
