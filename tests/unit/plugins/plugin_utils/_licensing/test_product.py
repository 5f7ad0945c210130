# Copyright (c) 2026, the winops.kms authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""One product key, and one activation."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.winops.kms.plugins.plugin_utils._licensing.apply import Outcome
from ansible_collections.winops.kms.plugins.plugin_utils._licensing.errors import InvalidOption, LicensingError
from ansible_collections.winops.kms.plugins.plugin_utils._licensing.keys import ProductKey
from ansible_collections.winops.kms.plugins.plugin_utils._licensing.product import (
    ProductKeyWish,
    activate_product,
    configure_product_key,
)
from ansible_collections.winops.kms.tests.unit.plugins.plugin_utils._licensing.fake_windows import (
    CLIENT_ID,
    CSVLK,
    HOST_ID,
    MAK,
    MAK_ID,
    NOT_ENOUGH_COUNT,
    OFFICE_ID,
    SERVER_GVLK,
    VISIO_ID,
    FakeWindows,
    dropped,
    keyed_client,
    keyed_host,
    keyed_mak,
    office,
    refused,
)

VISIO_KEY = "BBBBB-BBBBB-BBBBB-BBBBB-VVVVV"  # invented


def configure(
    windows: FakeWindows,
    *,
    check: bool = False,
    application: str = "windows",
    activation_id: str | None = None,
    **wish: Any,
) -> Outcome:
    if isinstance(wish.get("key"), str):
        wish["key"] = ProductKey.parse(wish["key"])
    wish.setdefault("allow_downgrade", True)
    wanted = ProductKeyWish(**wish)
    wanted.check()
    return configure_product_key(windows.applier(application, activation_id), wanted, check=check)


def activate(windows: FakeWindows, *, check: bool = False, activation_id: str | None = None) -> Outcome:
    return activate_product(windows.applier(activation_id=activation_id), check=check)


# --- installing -----------------------------------------------------------------------------------------------------


def test_a_key_that_is_installed_is_not_installed_again() -> None:
    windows = FakeWindows(keyed_client())
    assert not configure(windows, key=SERVER_GVLK).changed
    assert not configure(windows, gvlk=True).changed
    assert windows.calls == []


def test_another_key_replaces_it_and_is_not_activated() -> None:
    windows = FakeWindows(keyed_client())
    predicted = configure(windows, key=CSVLK, check=True)
    outcome = configure(windows, key=CSVLK)
    assert [call.method for call in windows.calls] == ["InstallProductKey", "RefreshLicenseStatus"]
    assert outcome.changes == predicted.changes
    assert outcome.changes[0].as_result() == {
        "setting": "product_key",
        "before": "*****-VMK7H",
        "after": "*****-HHHHH",
    }
    assert not outcome.restarted


@pytest.mark.parametrize(
    ("key", "channel"), [(SERVER_GVLK, "mak"), (SERVER_GVLK, "csvlk"), (CSVLK, "gvlk"), (MAK, "gvlk")]
)
def test_what_is_told_of_a_key_beforehand_must_agree(key: str, channel: str) -> None:
    with pytest.raises(InvalidOption, match=r"^key_channel: ") as caught:
        configure(FakeWindows(), key=key, key_channel=channel)
    assert key[:5] not in str(caught.value)


@pytest.mark.parametrize(
    ("key", "channel", "agrees"),
    [(CSVLK, "csvlk", True), (MAK, "mak", True), (MAK, "csvlk", False), (MAK, "retail", False), (MAK, None, True)],
)
def test_the_channel_shows_once_the_key_is_installed(key: str, channel: str | None, agrees: bool) -> None:
    windows = FakeWindows(keyed_client())
    outcome = configure(windows, key=key, key_channel=channel)
    assert (outcome.error is None) is agrees
    assert outcome.changed
    windows.calls.clear()
    again = configure(windows, key=key, key_channel=channel)
    assert (again.error is None) is agrees
    assert windows.calls == []


def test_a_key_that_windows_refuses_is_an_error_with_its_remedy() -> None:
    windows = FakeWindows(keyed_client())
    windows.fail("InstallProductKey", refused(0xC004F069))
    outcome = configure(windows, key=CSVLK)
    assert outcome.error is not None and outcome.error.info.name == "SL_E_MISMATCHED_PRODUCT_SKU"
    assert not outcome.changed


def test_a_second_office_product_can_be_keyed_and_stays_converged() -> None:
    windows = FakeWindows(office(OFFICE_ID, "GCVGB", "Office"), office(VISIO_ID, None, "Visio"))
    windows.known_keys[VISIO_KEY] = (VISIO_ID, "Volume:MAK")
    before = configure(windows, key=VISIO_KEY, application="office")
    assert before.error is None
    windows.calls.clear()
    again = configure(windows, key=VISIO_KEY, application="office")
    assert again.error is None
    assert not again.changed
    assert windows.calls == []


# --- removing and forgetting ----------------------------------------------------------------------------------------


def test_absent_removes_whatever_key_there_is_once() -> None:
    windows = FakeWindows(keyed_mak())
    outcome = configure(windows, present=False)
    assert [(call.target, call.method) for call in windows.calls] == [
        (MAK_ID, "UninstallProductKey"),
        ("service", "RefreshLicenseStatus"),
    ]
    assert outcome.changes[0].after is None
    windows.calls.clear()
    assert not configure(windows, present=False).changed
    assert windows.calls == []


def test_absent_removes_the_key_of_the_product_that_is_named() -> None:
    windows = FakeWindows(keyed_client(), office(OFFICE_ID, "GCVGB", "Office"))
    configure(windows, present=False, activation_id=OFFICE_ID)
    assert windows.calls[0].target == OFFICE_ID
    assert windows.find(CLIENT_ID)["PartialProductKey"] == "VMK7H"


def test_a_lost_answer_to_a_removal_is_looked_for_first() -> None:
    windows = FakeWindows(keyed_mak())
    windows.fail("UninstallProductKey", dropped, done=True)
    outcome = configure(windows, present=False)
    assert windows.methods == ["UninstallProductKey"]
    assert outcome.error is None
    assert outcome.changed


def test_the_registry_is_cleared_only_with_a_change_of_the_key() -> None:
    windows = FakeWindows(keyed_client())
    configure(windows, key=MAK, clear_from_registry=True)
    assert windows.methods == ["InstallProductKey", "ClearProductKeyFromRegistry"]
    windows.calls.clear()
    assert not configure(windows, key=MAK, clear_from_registry=True).changed
    assert windows.calls == []


def test_clearing_the_registry_alone_always_counts_as_a_change() -> None:
    windows = FakeWindows(keyed_client())
    for check in (True, False):
        outcome = configure(windows, clear_from_registry=True, check=check)
        assert [change.setting for change in outcome.changes] == ["product_key_in_registry"]
    assert windows.methods == ["ClearProductKeyFromRegistry"]


@pytest.mark.parametrize(
    "wish", [{}, {"present": False, "key": MAK}, {"present": False, "gvlk": True}, {"key_channel": "mak"}]
)
def test_wishes_that_make_no_sense(wish: dict[str, Any]) -> None:
    with pytest.raises(InvalidOption):
        configure(FakeWindows(), **wish)


def test_an_unknown_activation_id_is_named() -> None:
    windows = FakeWindows(keyed_client())
    unknown = "00000000-0000-4000-8000-000000000000"
    for wish in ({"present": False}, {"key": MAK}, {"gvlk": True}):
        with pytest.raises(LicensingError, match=unknown):
            configure(windows, activation_id=unknown, **wish)
    with pytest.raises(LicensingError, match=unknown):
        activate(windows, activation_id=unknown)
    assert windows.calls == []


# --- activating -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("machine", [keyed_client(), keyed_mak(), keyed_host()])
def test_a_licensed_product_is_left_alone(machine: dict[str, Any]) -> None:
    windows = FakeWindows(machine)
    assert not activate(windows).changed
    assert windows.calls == []


@pytest.mark.parametrize(
    "machine", [keyed_client(licensed=False), keyed_mak(licensed=False), keyed_host(licensed=False)]
)
def test_an_unlicensed_product_is_activated_once(machine: dict[str, Any]) -> None:
    windows = FakeWindows(machine)
    assert activate(windows, check=True).changed
    assert windows.calls == []
    outcome = activate(windows)
    assert [(call.target, call.method) for call in windows.calls][:2] == [
        (machine["ID"], "Activate"),
        ("service", "RefreshLicenseStatus"),
    ]
    # A KMS host takes up its work when its service starts.
    assert windows.methods[1:] == (["StopService", "StartService"] if machine["ID"] == HOST_ID else [])
    assert [change.setting for change in outcome.changes] == ["status"]
    assert outcome.error is None


@pytest.mark.parametrize(
    ("machine", "times"),
    [(keyed_client(licensed=False), 2), (keyed_mak(licensed=False), 1), (keyed_host(licensed=False), 1)],
    ids=["client setup key", "MAK", "KMS host key"],
)
def test_only_an_activation_that_costs_nothing_is_sent_twice(machine: dict[str, Any], times: int) -> None:
    windows = FakeWindows(machine)
    windows.fail("Activate", dropped)
    outcome = activate(windows)
    assert windows.methods == ["Activate"] * times
    assert (outcome.error is None) is (times == 2)


def test_too_low_a_count() -> None:
    windows = FakeWindows(keyed_client(licensed=False))
    windows.fail("Activate", refused(NOT_ENOUGH_COUNT))
    outcome = activate(windows)
    assert outcome.error is not None and outcome.error.info.code == "0xC004F038"
    assert not outcome.changed


def test_without_key_there_is_nothing_to_activate() -> None:
    windows = FakeWindows()
    for activation_id in (None, HOST_ID):
        with pytest.raises(LicensingError, match="no product key"):
            activate(windows, activation_id=activation_id)
    assert windows.calls == []


def test_token_only_is_refused_unless_licensed() -> None:
    windows = FakeWindows(keyed_client(licensed=False, VLActivationTypeEnabled=3))
    with pytest.raises(LicensingError, match="token"):
        activate(windows)
    assert not activate(FakeWindows(keyed_client(VLActivationTypeEnabled=3))).changed


def test_a_key_does_not_take_the_place_of_one_that_is_licensed_unless_asked() -> None:
    windows = FakeWindows(keyed_client())
    with pytest.raises(LicensingError, match=r"licensed for 180 more days .* if the key is for an add-on"):
        configure(windows, key=MAK, allow_downgrade=False)
    assert windows.calls == []
    assert configure(windows, key=SERVER_GVLK, allow_downgrade=False).changes == ()
    # Removing a key says by itself that the licence may go.
    assert configure(windows, present=False, allow_downgrade=False).changed
