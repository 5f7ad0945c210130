# Copyright (c) 2026, the winops.kms authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The licences for token-based activation: listed, and removed by both parts of their name."""

from __future__ import annotations

from datetime import datetime, timezone

import pytest

from ansible_collections.winops.kms.plugins.plugin_utils._cim.errors import CimNotFound
from ansible_collections.winops.kms.plugins.plugin_utils._licensing.apply import Outcome
from ansible_collections.winops.kms.plugins.plugin_utils._licensing.errors import InvalidOption
from ansible_collections.winops.kms.plugins.plugin_utils._licensing.token_licenses import (
    TokenWish,
    read_token_licenses,
    remove_token_license,
)
from ansible_collections.winops.kms.tests.unit.plugins.plugin_utils._licensing.fake_maintenance import (
    ILID,
    NEW_SKU,
    OTHER_SKU,
    TOKEN_ID,
    MaintainedWindows,
    token,
)
from ansible_collections.winops.kms.tests.unit.plugins.plugin_utils._licensing.fake_windows import (
    dropped,
    keyed_client,
    refused,
)


def windows_with_two() -> MaintainedWindows:
    return MaintainedWindows(
        keyed_client(), tokens=[token(ilvid=2, license_id=f"{{{OTHER_SKU}}}"), token(f"{{{ILID.upper()}}}")]
    )


def remove(windows: MaintainedWindows, ilvid: int = 1, *, check: bool = False) -> Outcome:
    return remove_token_license(windows.applier(), TokenWish.of(f"{{{ILID}}}", ilvid), check=check)


def test_values_are_typed_and_in_order() -> None:
    windows = windows_with_two()
    windows.tokens[0].update(
        AuthorizationStatus=0xC004F021,
        ExpirationDate=datetime(2031, 1, 1, tzinfo=timezone.utc),
        Description="Laptops",
        AdditionalInfo="",
    )
    windows.tokens[1]["ExpirationDate"] = datetime(1601, 1, 1, tzinfo=timezone.utc)
    first, second = (one.as_result() for one in read_token_licenses(windows))
    assert first == {
        "ilid": ILID,
        "ilvid": 1,
        "license_id": TOKEN_ID,
        "authorized": True,
        "authorization_status": None,
        "authorization_error": None,
        "expires": None,
        "description": None,
        "additional_info": None,
    }
    assert (second["ilvid"], second["license_id"]) == (2, OTHER_SKU)
    assert (second["authorized"], second["authorization_status"]) == (False, "0xC004F021")
    assert second["authorization_error"]["name"] == "SL_E_VALIDITY_TIME_EXPIRED"
    assert (second["expires"], second["description"]) == ("2031-01-01T00:00:00+00:00", "Laptops")
    assert windows.calls == []


def test_the_named_one_is_removed_and_no_other() -> None:
    windows = windows_with_two()
    foretold = remove(windows, check=True)
    assert windows.calls == []
    outcome = remove(windows)
    assert outcome.changes == foretold.changes
    assert outcome.changes[0].as_result() == {"setting": "token_license", "before": f"{ILID} 1", "after": None}
    assert [row["ILVID"] for row in windows.tokens] == [2]
    assert not remove(windows).changed
    assert not remove(windows, 7).changed
    assert [call.target for call in windows.calls] == [TOKEN_ID]


def test_the_key_goes_back_as_windows_spells_it() -> None:
    windows = windows_with_two()
    assert remove(windows, 2).changed
    assert windows.calls[0].target == f"{{{OTHER_SKU}}}"


@pytest.mark.parametrize("happened", [True, False])
def test_a_lost_answer_is_looked_up_first(happened: bool) -> None:
    windows = windows_with_two()
    windows.fail("Uninstall", dropped, done=happened)
    outcome = remove(windows)
    assert (outcome.changed, outcome.error) == (True, None)
    assert len(windows.calls) == 1 + (not happened)


def test_one_that_went_in_the_meantime_is_no_error() -> None:
    windows = windows_with_two()
    windows.fail("Uninstall", lambda: CimNotFound("gone", code=0x80041002), done=True)
    outcome = remove(windows)
    assert (outcome.changed, outcome.error) == (True, None)


def test_a_refusal_is_told() -> None:
    windows = windows_with_two()
    windows.fail("Uninstall", refused(0xC004F022))
    outcome = remove(windows)
    assert outcome.error is not None
    assert (outcome.changed, outcome.error.info.name) == (False, "SL_E_LICENSE_AUTHORIZATION_FAILED")


def test_two_of_one_name_are_removed_both() -> None:
    windows = windows_with_two()
    windows.tokens.append(token(license_id=NEW_SKU))
    assert remove(windows).changed
    assert [row["ILVID"] for row in windows.tokens] == [2]


@pytest.mark.parametrize(("ilid", "ilvid", "option"), [("x", 1, "ilid"), (ILID, -1, "ilvid"), (ILID, 2**32, "ilvid")])
def test_names_that_can_not_be(ilid: str, ilvid: int, option: str) -> None:
    with pytest.raises(InvalidOption, match=f"^{option}: "):
        TokenWish.of(ilid, ilvid)
