# Copyright (c) 2026, the winops.kms authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Licence files bring products; licences for token-based activation can be listed and removed."""

from __future__ import annotations

import hashlib
from datetime import datetime, timezone
from typing import Any

import pytest
from labsupport.desk import Desk, client, estate_data
from labsupport.licences import ILID, SKU, TOKEN_ID, product_file, token_file

from kmslab.cim import WmiError
from kmslab.model import Estate
from kmslab.model.spec import EstateError

TOKENS = "SoftwareLicensingTokenActivationLicense"


def desk_of(**machine: Any) -> Desk:
    return Desk(Estate.from_data(estate_data(client(**machine))))


def test_a_licence_file_brings_its_product_once() -> None:
    desk = desk_of()
    for added in ([SKU], []):
        desk.set("pc", "InstallLicense", License=product_file())
        (row,) = [row for row in desk.rows("pc", "SoftwareLicensingProduct") if row["ID"] == SKU]
        assert (row["Name"], row["LicenseFamily"]) == ("Windows(R), Lab edition", "Lab")
        assert (row["PartialProductKey"], row["LicenseStatus"]) == (None, 0)
        last = desk.estate.describe("pc")["license_installs"][-1]
        assert last == {"sha256": hashlib.sha256(product_file().encode()).hexdigest(), "added": added}


@pytest.mark.parametrize(
    ("text", "hresult"),
    [
        ("rubbish", 0xC004F01F),
        ("<other/>", 0xC004F01F),
        (product_file(signed=False), 0xC004F01D),
        (None, 0x80070057),
    ],
)
def test_what_is_no_licence_is_refused(text: str | None, hresult: int) -> None:
    desk = desk_of()
    with pytest.raises(WmiError) as caught:
        desk.set("pc", "InstallLicense", License=text)
    assert caught.value.hresult == hresult
    assert desk.estate.describe("pc")["license_installs"] == []


def test_token_licences_are_installed_listed_and_removed() -> None:
    desk = desk_of(token_licenses=[{"ilid": ILID, "ilvid": 7, "description": "Ours"}])
    desk.set("pc", "InstallLicense", License=token_file())
    first, second = desk.rows("pc", TOKENS)
    assert (first["ILID"], first["ILVID"], first["Description"]) == (ILID, 7, "Ours")
    assert first["ExpirationDate"] == datetime(1601, 1, 1, tzinfo=timezone.utc)
    assert (second["ID"], second["ILID"], second["ILVID"]) == (TOKEN_ID, ILID, 1)
    assert second["ExpirationDate"] == datetime(2031, 1, 1, tzinfo=timezone.utc)
    provider = desk.provider("pc", TOKENS)
    assert provider.invoke({"ID": TOKEN_ID.upper()}, "Uninstall", {}) == {"ReturnValue": 0}
    assert desk.estate.describe("pc")["token_licenses"] == [{"ilid": ILID, "ilvid": 7}]
    with pytest.raises(WmiError) as caught:
        provider.invoke({"ID": TOKEN_ID}, "Uninstall", {})
    assert caught.value.hresult == 0x80041002


@pytest.mark.parametrize("entry", [{"ilid": ILID}, {"ilid": ILID, "ilvid": "x"}, {"ilid": ILID, "ilvid": 1, "no": 1}])
def test_a_wrong_entry_of_the_estate_is_named(entry: dict[str, Any]) -> None:
    with pytest.raises(EstateError, match=r"machine pc: token_licenses: "):
        desk_of(token_licenses=[entry])
