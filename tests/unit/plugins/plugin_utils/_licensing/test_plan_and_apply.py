# Copyright (c) 2026, the winops.kms authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Plans and how they are carried out: order, exactly once, exact changes, one restart at the end."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager

import pytest

from ansible_collections.winops.kms.plugins.plugin_utils._cim.errors import (
    CimConnectionError,
    CimError,
    CimTimedOut,
    CimTimeoutError,
)
from ansible_collections.winops.kms.plugins.plugin_utils._cim.session import CimSession, MethodTarget
from ansible_collections.winops.kms.plugins.plugin_utils._licensing.apply import Outcome
from ansible_collections.winops.kms.plugins.plugin_utils._licensing.errors import LicensingError, UnknownOutcome
from ansible_collections.winops.kms.plugins.plugin_utils._licensing.goals import activation_goal, key_goal
from ansible_collections.winops.kms.plugins.plugin_utils._licensing.keys import ProductKey
from ansible_collections.winops.kms.plugins.plugin_utils._licensing.plan import (
    Change,
    Goal,
    Operation,
    predicted_changes,
    setting_goal,
    unmet,
)
from ansible_collections.winops.kms.plugins.plugin_utils._licensing.reading import State
from ansible_collections.winops.kms.plugins.plugin_utils._licensing.settings import CLIENT_SETTINGS, HOST_SETTINGS
from ansible_collections.winops.kms.plugins.plugin_utils._licensing.state import SERVICE_CLASS
from ansible_collections.winops.kms.tests.unit.plugins.plugin_utils._licensing.fake_windows import (
    CLIENT_ID,
    CSVLK,
    HOST_ID,
    MAK,
    NOT_ENOUGH_COUNT,
    SERVER_GVLK,
    FakeWindows,
    dropped,
    keyed_client,
    keyed_host,
    keyed_mak,
    no_answer,
    refused,
)

CLIENT = {setting.option: setting for setting in CLIENT_SETTINGS}
HOST = {setting.option: setting for setting in HOST_SETTINGS}


def run(windows: FakeWindows, *goals: Goal, check: bool = False) -> Outcome:
    applier = windows.applier()
    return applier.run(goals, applier.reader.read(), check=check)


def install(key: str = CSVLK, *, channel: str | None = None) -> Goal:
    return key_goal(ProductKey.parse(key), channel=channel, restart=True)


def timed_out() -> CimError:
    """WinRM gave up waiting: a fault, but the method may have run."""
    fault = CimTimedOut("Zeitlimit", code=0x80338029)
    fault.outcome_unknown = True
    return fault


# --- plans ----------------------------------------------------------------------------------------------------------


def test_a_plan_holds_what_differs_in_the_order_of_the_goals() -> None:
    windows = FakeWindows(keyed_client())
    windows.service["KeyManagementServiceMachine"] = "kms01"
    state = windows.applier().reader.read()
    goals = [
        setting_goal(CLIENT["host_caching"], False),
        setting_goal(CLIENT["server"], "KMS01"),
        setting_goal(CLIENT["port"], 1789),
    ]
    assert [goal.setting for goal in unmet(goals, state)] == ["host_caching", "port"]
    assert unmet(goals[1:2], state) == ()


def test_a_licensed_product_says_nothing_of_the_one_that_a_new_key_makes_the_chosen_one() -> None:
    state = FakeWindows(keyed_mak()).applier().reader.read()
    goals = [install(CSVLK), activation_goal(spends=True)]
    assert [goal.setting for goal in unmet(goals, state)] == ["product_key", "status"]
    # The same goal without a change of the key before it holds.
    assert unmet(goals[1:], state) == ()


def test_predictions_leave_out_what_ends_as_it_began() -> None:
    state = FakeWindows(keyed_mak()).applier().reader.read()
    plan = unmet([install(CSVLK), activation_goal(spends=True)], state)
    assert predicted_changes(plan, state) == (Change("product_key", "*****-MMMMM", "*****-HHHHH"),)


def test_a_key_is_masked_wherever_a_plan_or_an_operation_is_shown() -> None:
    goal = install(CSVLK)
    state = FakeWindows(keyed_client()).applier().reader.read()
    shown = f"{goal!r} {goal.operations!r} {predicted_changes([goal], state)!r}"
    assert "HHHHH" in shown
    assert "BBBBB" not in shown


# --- carrying out ---------------------------------------------------------------------------------------------------


def test_a_converged_host_gets_no_call_at_all() -> None:
    windows = FakeWindows(keyed_client())
    outcome = run(windows, install(SERVER_GVLK), activation_goal(spends=False), setting_goal(CLIENT["port"], 1688))
    assert windows.calls == []
    assert len(windows.queries) == 2, "the state is not even read a second time"
    assert not outcome.changed
    assert not outcome.restarted


def test_check_mode_sends_nothing_and_predicts() -> None:
    windows = FakeWindows()
    outcome = run(windows, install(SERVER_GVLK), activation_goal(spends=False), check=True)
    assert windows.calls == []
    assert outcome.changes == (
        Change("product_key", None, f"*****-{SERVER_GVLK[-5:]}"),
        Change("status", None, "licensed"),
    )
    assert outcome.after is outcome.before


def test_what_was_predicted_is_what_happens() -> None:
    goals = (
        install(SERVER_GVLK),
        setting_goal(CLIENT["server"], "kms01"),
        setting_goal(CLIENT["port"], 1789),
        setting_goal(CLIENT["host_caching"], False),
        activation_goal(spends=False),
    )
    windows = FakeWindows()
    predicted = run(windows, *goals, check=True).changes
    assert run(windows, *goals).changes == predicted
    assert run(windows, *goals).changes == ()


def test_the_order_of_calls_and_a_refresh_after_key_and_activation() -> None:
    windows = FakeWindows(keyed_client())
    outcome = run(windows, install(CSVLK), activation_goal(spends=True, restart=True), setting_goal(HOST["port"], 1789))
    assert [(call.target, call.method) for call in windows.calls] == [
        ("service", "InstallProductKey"),
        ("service", "RefreshLicenseStatus"),
        (HOST_ID, "Activate"),
        ("service", "RefreshLicenseStatus"),
        ("service", "SetKeyManagementServiceListeningPort"),
        ("sppsvc", "StopService"),
        ("sppsvc", "StartService"),
    ]
    assert outcome.restarted
    assert outcome.error is None
    assert outcome.warnings == []
    assert [change.setting for change in outcome.changes] == ["product_key", "port"]


def test_a_restart_only_where_something_needs_it() -> None:
    windows = FakeWindows(keyed_client())
    assert not run(windows, setting_goal(CLIENT["server"], "kms01")).restarted
    assert windows.methods == ["SetKeyManagementServiceMachine"]


def test_a_goal_that_came_true_by_itself_is_not_pursued() -> None:
    windows = FakeWindows()
    windows.known_keys[SERVER_GVLK] = (CLIENT_ID, "Volume:GVLK")
    normal = windows._license

    def activates_at_once(holder: dict[str, object], method: str, parameters: dict[str, object]) -> None:
        normal(holder, method, parameters)
        windows.find(CLIENT_ID)["LicenseStatus"] = 1

    windows._license = activates_at_once  # type: ignore[method-assign,assignment]
    outcome = run(windows, install(SERVER_GVLK), activation_goal(spends=False))
    assert "Activate" not in windows.methods
    assert [change.setting for change in outcome.changes] == ["product_key", "status"]


def test_a_fault_ends_the_plan_and_keeps_what_had_changed() -> None:
    windows = FakeWindows(keyed_host())
    windows.fail("SetVLActivationInterval", refused(0x80070005))
    outcome = run(
        windows,
        setting_goal(HOST["port"], 1789),
        setting_goal(HOST["activation_interval"], 60),
        setting_goal(HOST["renewal_interval"], 60),
    )
    assert outcome.changes == (Change("port", None, 1789),)
    assert outcome.error is not None
    assert outcome.error.info.code == "0x80070005"
    assert "SetVLRenewalInterval" not in windows.methods
    # The port is as wanted now, so that no later run would restart the service for it.
    assert outcome.restarted


def test_a_restart_that_fails_is_an_error_but_not_the_first_one() -> None:
    windows = FakeWindows(keyed_host())
    windows.fail("StartService", refused(0x8007041D))
    alone = run(windows, setting_goal(HOST["port"], 1789))
    assert alone.error is not None and alone.error.info.code == "0x8007041D"
    assert alone.changed and not alone.restarted
    windows.fail("StartService", refused(0x8007041D))
    windows.fail("SetVLActivationInterval", refused(0xC004F074))
    both = run(windows, setting_goal(HOST["port"], 1790), setting_goal(HOST["activation_interval"], 60))
    assert both.error is not None and both.error.info.code == "0xC004F074"


def test_too_low_a_count_is_no_change_and_keeps_its_code() -> None:
    windows = FakeWindows(keyed_client(licensed=False))
    windows.fail("Activate", refused(NOT_ENOUGH_COUNT))
    outcome = run(windows, activation_goal(spends=False))
    assert outcome.error is not None
    assert outcome.error.info.code == "0xC004F038"
    assert not outcome.changed


def test_a_change_that_windows_does_not_show_is_a_warning_and_no_change() -> None:
    windows = FakeWindows(keyed_client())
    windows.ignored = {"SetKeyManagementServiceMachine"}
    outcome = run(windows, setting_goal(CLIENT["server"], "kms01"))
    assert not outcome.changed
    assert outcome.warnings == [
        "server was set to kms01, but Windows still shows None; a Group Policy may override it",
    ]


def test_a_key_that_went_elsewhere_is_not_blamed_on_group_policy() -> None:
    windows = FakeWindows(keyed_client())
    windows.ignored = {"InstallProductKey"}
    outcome = run(windows, install(MAK))
    (warning,) = outcome.warnings
    assert "another product" in warning
    assert "Group Policy" not in warning
    assert not outcome.changed


def test_what_windows_does_not_show_counts_as_changed_when_it_was_done() -> None:
    hidden = Goal(
        setting="hidden",
        wanted="cleared",
        read=lambda state: "unknown",
        met=lambda state: False,
        operations=(
            Operation("clear", lambda session, state: session.invoke(_service(state), "RefreshLicenseStatus")),
        ),
        observable=False,
    )
    windows = FakeWindows(keyed_client())
    assert run(windows, hidden).changes == (Change("hidden", "unknown", "cleared"),)
    windows.fail("RefreshLicenseStatus", refused(0x80070005))
    assert run(windows, hidden).changes == ()


def _service(state: State) -> MethodTarget:
    return SERVICE_CLASS, {"Version": state.service.version}


# --- the wrong kind of key ------------------------------------------------------------------------------------------


def test_a_key_of_the_wrong_channel_is_never_activated() -> None:
    windows = FakeWindows(keyed_client())
    outcome = run(windows, install(MAK, channel="csvlk"), activation_goal(spends=True))
    assert "Activate" not in windows.methods
    assert outcome.error is not None
    assert "channel is Volume:MAK, not csvlk" in str(outcome.error)
    assert [change.setting for change in outcome.changes] == ["product_key", "status"]


def test_a_key_of_the_wrong_channel_that_is_installed_already_is_an_error_before_anything_is_sent() -> None:
    windows = FakeWindows(keyed_mak(licensed=False))
    outcome = run(windows, install(MAK, channel="csvlk"), activation_goal(spends=True))
    assert windows.calls == []
    assert outcome.error is not None
    assert not outcome.changed


def test_without_a_channel_any_key_will_do() -> None:
    assert run(FakeWindows(keyed_client()), install(MAK)).error is None


# --- exactly once ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("lost", [dropped, timed_out], ids=["dropped", "timed out"])
def test_a_lost_answer_to_a_counted_call_that_happened_is_success(lost: Callable[[], CimError]) -> None:
    windows = FakeWindows(keyed_host(licensed=False))
    windows.fail("Activate", lost, done=True)
    outcome = run(windows, activation_goal(spends=True))
    assert windows.methods.count("Activate") == 1
    assert outcome.error is None
    assert [change.setting for change in outcome.changes] == ["status"]
    assert windows.calls[-1].method == "RefreshLicenseStatus"


@pytest.mark.parametrize("lost", [dropped, timed_out], ids=["dropped", "timed out"])
@pytest.mark.parametrize(
    ("goal", "method"),
    [(install(CSVLK), "InstallProductKey"), (activation_goal(spends=True), "Activate")],
    ids=["key", "activation"],
)
def test_a_lost_answer_to_a_counted_call_is_looked_for_and_never_sent_again(
    lost: Callable[[], CimError], goal: Goal, method: str
) -> None:
    windows = FakeWindows(keyed_mak(licensed=False))
    windows.fail(method, lost)
    outcome = run(windows, goal)
    assert windows.methods == [method]
    assert isinstance(outcome.error, UnknownOutcome)
    assert "license_info" in outcome.error.info.remedy
    assert "BBBBB" not in str(outcome.error)
    assert not outcome.changed
    assert len(windows.waits) >= 3
    assert 5 <= sum(windows.waits) <= 30


def test_a_counted_call_that_takes_its_time_is_found_by_a_later_look() -> None:
    windows = FakeWindows(keyed_host(licensed=False))
    windows.fail("Activate", dropped)
    applier = windows.applier()
    state = applier.reader.read()
    slow = applier.pause

    def pause(seconds: float) -> None:
        slow(seconds)
        if len(windows.waits) == 3:
            windows.find(HOST_ID)["LicenseStatus"] = 1

    applier.pause = pause
    outcome = applier.run([activation_goal(spends=True)], state, check=False)
    assert windows.methods == ["Activate"]
    assert outcome.error is None
    assert len(windows.waits) == 3


def test_a_lost_answer_to_an_uncounted_call_is_sent_once_more_after_a_look() -> None:
    windows = FakeWindows(keyed_client())
    windows.fail("SetKeyManagementServiceMachine", dropped)
    outcome = run(windows, setting_goal(CLIENT["server"], "kms01"))
    assert windows.methods == ["SetKeyManagementServiceMachine"] * 2
    assert outcome.changes == (Change("server", None, "kms01"),)
    assert outcome.error is None


def test_an_uncounted_call_that_happened_is_not_sent_again() -> None:
    windows = FakeWindows(keyed_client())
    windows.fail("SetKeyManagementServiceMachine", dropped, done=True)
    outcome = run(windows, setting_goal(CLIENT["server"], "kms01"))
    assert windows.methods == ["SetKeyManagementServiceMachine"]
    assert outcome.changes == (Change("server", None, "kms01"),)


def test_an_uncounted_call_is_not_sent_a_third_time() -> None:
    windows = FakeWindows(keyed_client())
    windows.fail("SetKeyManagementServiceMachine", dropped, times=5)
    with pytest.raises(CimConnectionError) as caught:
        run(windows, setting_goal(CLIENT["server"], "kms01"))
    assert caught.value.outcome_unknown
    assert windows.methods == ["SetKeyManagementServiceMachine"] * 2


def test_a_client_setup_key_is_not_counted() -> None:
    windows = FakeWindows()
    windows.fail("InstallProductKey", dropped)
    outcome = run(windows, install(SERVER_GVLK))
    assert windows.methods.count("InstallProductKey") == 2
    assert outcome.error is None


def test_a_lost_refresh_is_just_sent_again() -> None:
    windows = FakeWindows(keyed_host(licensed=False))
    windows.fail("RefreshLicenseStatus", dropped)
    outcome = run(windows, activation_goal(spends=True))
    assert [call.method for call in windows.calls] == ["Activate", "RefreshLicenseStatus", "RefreshLicenseStatus"]
    assert windows.waits == []
    assert outcome.error is None


def test_a_host_that_is_gone_after_a_lost_answer_is_unreachable_and_the_user_knows_that_something_was_sent() -> None:
    windows = FakeWindows(keyed_host(licensed=False))
    windows.fail("Activate", lambda: _and_gone(windows, times=99))
    with pytest.raises(CimTimeoutError) as caught:
        run(windows, activation_goal(spends=True))
    assert caught.value.outcome_unknown
    assert windows.methods == ["Activate"]


def test_a_host_that_comes_back_while_it_is_waited_for_is_read() -> None:
    windows = FakeWindows(keyed_host(licensed=False))
    windows.fail("Activate", lambda: _and_gone(windows, times=2), done=True)
    outcome = run(windows, activation_goal(spends=True))
    assert outcome.error is None
    assert len(windows.waits) == 3


def _and_gone(windows: FakeWindows, *, times: int) -> CimError:
    """The answer is lost, and the next reads find no host."""
    windows.fail("SoftwareLicensingService", no_answer, times=times)
    return dropped()


# --- several runs at once -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("spends", [True, False])
def test_what_another_run_has_done_meanwhile_is_not_done_again_when_it_would_cost_an_activation(spends: bool) -> None:
    windows = FakeWindows(keyed_host(licensed=False))
    applier = windows.applier()
    before = applier.reader.read()
    kept_apart: list[str] = []

    @contextmanager
    def the_other_first(state: State) -> Iterator[None]:
        assert state is before
        windows.find(HOST_ID).update(LicenseStatus=1)
        kept_apart.append("in")
        yield
        kept_apart.append("out")

    applier.alone = the_other_first
    outcome = applier.run([activation_goal(spends=spends)], before, check=False)
    assert windows.methods == ([] if spends else ["Activate"])
    assert kept_apart == (["in", "out"] if spends else [])
    assert outcome.error is None
    assert outcome.changed is not spends


def test_a_prediction_and_a_converged_run_wait_for_nobody() -> None:
    def never(state: State) -> AbstractContextManager[None]:
        raise AssertionError("it waits")

    for licensed, check in ((False, True), (True, False)):
        applier = FakeWindows(keyed_host(licensed=licensed)).applier()
        applier.alone = never
        applier.run([activation_goal(spends=True)], applier.reader.read(), check=check)


def test_a_call_that_never_left_is_unreachable_not_unknown() -> None:
    windows = FakeWindows(keyed_host(licensed=False))
    windows.fail("Activate", lambda: CimConnectionError("The host cannot be reached."))
    with pytest.raises(CimConnectionError) as caught:
        run(windows, activation_goal(spends=True))
    assert not caught.value.outcome_unknown
    assert windows.waits == []


def test_the_product_that_was_to_be_activated_is_gone() -> None:
    windows = FakeWindows(keyed_client(licensed=False))
    applier = windows.applier()
    state = applier.reader.read()
    windows.find(CLIENT_ID)["PartialProductKey"] = None
    empty = applier.reader.reread_products(state)
    outcome = applier.run([activation_goal(spends=False)], empty, check=False)
    assert isinstance(outcome.error, LicensingError)
    assert "license_info" in outcome.error.info.remedy


def test_the_fake_is_a_session() -> None:
    assert isinstance(FakeWindows(), CimSession)
