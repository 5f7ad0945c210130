# Copyright (c) 2026, the winops.kms authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Rearming: for a reason, once, and not below the reserve."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from ansible_collections.winops.kms.plugins.plugin_utils._licensing.errors import (
    InvalidOption,
    LicensingError,
    UnknownOutcome,
)
from ansible_collections.winops.kms.plugins.plugin_utils._licensing.reading import State
from ansible_collections.winops.kms.plugins.plugin_utils._licensing.rearm import RearmOutcome, RearmWish, rearm
from ansible_collections.winops.kms.tests.unit.plugins.plugin_utils._licensing.fake_maintenance import (
    OLD_CMID,
    MaintainedWindows,
)
from ansible_collections.winops.kms.tests.unit.plugins.plugin_utils._licensing.fake_windows import (
    CLIENT_ID,
    OFFICE_ID,
    VISIO_ID,
    dropped,
    keyed_client,
    keyed_host,
    keyed_mak,
    office,
    refused,
)

NOTIFIED = {"LicenseStatus": 5, "GracePeriodRemaining": 0}


def expired(**properties: Any) -> dict[str, Any]:
    return {**keyed_client(licensed=False), **NOTIFIED, **properties}


def run(windows: MaintainedWindows, *, check: bool = False, **options: Any) -> RearmOutcome:
    wish = RearmWish.of(**options)
    return rearm(windows.applier(wish.application, wish.activation_id), wish, check=check)


def changes(done: RearmOutcome) -> list[tuple[str, Any, Any]]:
    return [(change.setting, change.before, change.after) for change in done.outcome.changes]


# --- a reason -------------------------------------------------------------------------------------------------------


def test_a_duplicate_client_machine_id_is_cured_once() -> None:
    windows = MaintainedWindows(keyed_client())
    named = ["{00000000-0000-4000-8000-000000000000}", f"{{{OLD_CMID.upper()}}}"]
    foretold = run(windows, if_client_machine_id=named, check=True)
    assert windows.calls == []
    done = run(windows, if_client_machine_id=named)
    assert changes(done) == changes(foretold) == [("remaining_windows_rearms", 3, 2)]
    assert done.after == foretold.after == {"windows": 2, "application": 1001, "product": 1000}
    assert done.before["windows"] == 3
    assert done.restart_required
    assert foretold.restart_required
    again = run(windows, if_client_machine_id=named)
    assert (again.outcome.changed, again.outcome.error, again.restart_required) == (False, None, True)
    assert windows.service["RemainingWindowsReArmCount"] == 2
    windows.restart()
    windows.calls.clear()
    last = run(windows, if_client_machine_id=named)
    assert (last.outcome.changed, last.restart_required, windows.calls) == (False, False, [])


@pytest.mark.parametrize(
    ("found", "options", "due"),
    [
        (keyed_client(), {}, False),
        (expired(), {}, True),
        (expired(LicenseStatus=2, GracePeriodRemaining=1440), {}, False),
        (expired(LicenseStatus=2, GracePeriodRemaining=1440), {"if_days_left_below": 2}, True),
        (expired(), {"if_days_left_below": 0}, False),
        (keyed_client(), {"force": True}, True),
        (keyed_client(GracePeriodRemaining=1440), {"if_days_left_below": 5}, False),
        (
            keyed_client(GracePeriodRemaining=1440, Description="Windows(R), TIMEBASED_EVAL channel"),
            {"if_days_left_below": 5},
            True,
        ),
        (keyed_client(), {"if_client_machine_id": ["00000000-0000-4000-8000-000000000000"]}, False),
    ],
)
def test_it_is_rearmed_for_a_reason(found: dict[str, Any], options: dict[str, Any], due: bool) -> None:
    windows = MaintainedWindows(found)
    assert run(windows, **options).outcome.changed is due
    assert windows.methods == ["ReArmWindows"] * due


@pytest.mark.parametrize("found", [keyed_host(), keyed_mak()])
def test_a_counted_activation_is_not_undone_unless_asked(found: dict[str, Any]) -> None:
    windows = MaintainedWindows({**found, "LicenseStatus": 1})
    with pytest.raises(LicensingError, match=r"a rearm would undo that.*Set force"):
        run(windows, if_client_machine_id=[OLD_CMID])
    assert windows.calls == []
    assert run(windows, if_client_machine_id=[OLD_CMID], force=True).outcome.changed


def test_without_a_key_there_is_no_time_to_run_out() -> None:
    windows = MaintainedWindows()
    with pytest.raises(LicensingError, match="no product key"):
        run(windows)
    with pytest.raises(LicensingError, match="no product of that application"):
        run(windows, scope="application", application="office")
    assert run(windows, if_client_machine_id=[OLD_CMID]).outcome.changed


# --- scopes ---------------------------------------------------------------------------------------------------------


def test_an_application_with_several_products() -> None:
    windows = MaintainedWindows(
        {**office(OFFICE_ID, "AAAAA", "Office"), "LicenseStatus": 1, "GracePeriodRemaining": 90},
        {**office(VISIO_ID, "BBBBB", "Visio"), **NOTIFIED},
    )
    done = run(windows, scope="application", application="office")
    assert changes(done) == [("remaining_application_rearms", 1001, 1000)]
    assert [(call.method, call.parameters) for call in windows.calls] == [
        ("ReArmApp", {"ApplicationId": "0ff1ce15-a989-479d-af46-f275c6370663"})
    ]
    assert done.outcome.after.product is None
    assert done.before["product"] is None


def test_an_application_by_its_id() -> None:
    other = "59a52881-a989-479d-af46-f275c6370663"
    windows = MaintainedWindows({**office(OFFICE_ID, "AAAAA", "Office"), **NOTIFIED, "ApplicationID": other})
    done = run(windows, scope="application", application_id=other.upper())
    assert windows.calls[0].parameters == {"ApplicationId": other}
    assert changes(done) == [("remaining_application_rearms", 1001, 1000)]


def test_a_product() -> None:
    windows = MaintainedWindows(expired())
    done = run(windows, scope="product", activation_id=CLIENT_ID)
    assert [(call.target, call.method) for call in windows.calls] == [(CLIENT_ID, "ReArmSku")]
    assert changes(done) == [("remaining_product_rearms", 1000, 999)]
    with pytest.raises(LicensingError, match="has no product"):
        run(windows, scope="product", activation_id="00000000-0000-4000-8000-000000000000")


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        ({"application": "office"}, "^scope: "),
        ({"scope": "product"}, "^activation_id: "),
        ({"scope": "application", "activation_id": CLIENT_ID}, "^activation_id: "),
        ({"application_id": OFFICE_ID}, "^application_id: "),
        ({"scope": "application", "application_id": "office"}, "^application_id: 'office' is not a GUID"),
        ({"scope": "application", "if_client_machine_id": [OLD_CMID]}, "^if_client_machine_id: "),
        ({"if_client_machine_id": [OLD_CMID[:-1]]}, "^if_client_machine_id: .*GUID"),
        ({"keep": -1}, "^keep: "),
        ({"if_days_left_below": -1}, "^if_days_left_below: "),
    ],
)
def test_options_that_can_not_be(options: dict[str, Any], complaint: str) -> None:
    with pytest.raises(InvalidOption, match=complaint):
        RearmWish.of(**options)


# --- guards ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("left", "keep", "goes"), [(1, 1, False), (1, 0, True), (2, 1, True), (5, 5, False)])
def test_the_reserve_is_kept(left: int, keep: int, goes: bool) -> None:
    windows = MaintainedWindows(expired(), rearms=left)
    for check in (True, False):
        if goes:
            assert run(windows, keep=keep, check=check).outcome.changed
        else:
            with pytest.raises(LicensingError, match=f"{left} rearms of the windows are left"):
                run(windows, keep=keep, check=check)
    assert len(windows.calls) == goes


def test_a_count_that_is_not_shown_is_no_permission() -> None:
    windows = MaintainedWindows(expired(RemainingSkuReArmCount=None))
    windows.find(CLIENT_ID)["RemainingSkuReArmCount"] = None
    with pytest.raises(LicensingError, match="does not show how often the product"):
        run(windows, scope="product", activation_id=CLIENT_ID)
    assert windows.calls == []


def test_skip_rearm_is_told() -> None:
    windows = MaintainedWindows(expired())
    windows.skip_rearm = 1
    for check in (True, False):
        with pytest.raises(LicensingError, match=r"SkipRearm is 1 in HKLM\\SOFTWARE"):
            run(windows, check=check)
    assert windows.calls == []
    windows.find(CLIENT_ID)["LicenseStatus"] = 1
    assert run(windows).skip_rearm
    windows.skip_rearm = 0
    assert run(windows, force=True).outcome.changed


# --- trouble --------------------------------------------------------------------------------------------------------


def test_a_lost_answer_is_looked_up_and_nothing_is_sent_again() -> None:
    windows = MaintainedWindows(expired())
    windows.fail("ReArmWindows", dropped, done=True)
    done = run(windows)
    assert changes(done) == [("remaining_windows_rearms", 3, 2)]
    assert windows.methods == ["ReArmWindows"]


def test_a_request_that_did_not_arrive_is_told_and_not_sent_again() -> None:
    windows = MaintainedWindows(expired())
    windows.fail("ReArmWindows", dropped)
    done = run(windows)
    assert isinstance(done.outcome.error, UnknownOutcome)
    assert (changes(done), done.restart_required) == ([], False)
    assert windows.methods == ["ReArmWindows"]


@pytest.mark.parametrize("lost", [False, True])
def test_windows_may_hide_its_licences_until_the_restart(lost: bool) -> None:
    windows = MaintainedWindows(expired())
    windows.hides_products = True
    if lost:
        windows.fail("ReArmWindows", dropped, done=True)
    done = run(windows)
    assert (changes(done), done.outcome.error) == ([("remaining_windows_rearms", 3, 2)], None)
    assert done.after == {"windows": 2, "application": 1001, "product": 1000}
    again = run(windows, force=True)
    assert (again.outcome.changed, again.restart_required) == (False, True)
    assert windows.methods == ["ReArmWindows"]


def test_another_run_may_have_done_it_in_the_meantime() -> None:
    windows = MaintainedWindows(expired())

    @contextmanager
    def alone(state: State) -> Iterator[None]:
        windows.service["RemainingWindowsReArmCount"] = 2
        yield

    wish = RearmWish.of()
    done = rearm(dataclasses.replace(windows.applier(), alone=alone), wish, check=False)
    assert (done.outcome.changed, done.restart_required, windows.calls) == (False, True, [])
    assert (done.before["windows"], done.after["windows"]) == (3, 2)


def test_a_refusal_is_told() -> None:
    windows = MaintainedWindows(expired())
    windows.fail("ReArmWindows", refused(0xC004D307))
    done = run(windows)
    assert done.outcome.error is not None
    assert done.outcome.error.info.name == "SL_REMAPPING_SP_PUB_TS_MAX_REARM_REACHED"
    assert not done.restart_required
