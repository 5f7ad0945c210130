# Copyright (c) 2026, the winops.kms authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The action plugins: options in, results out, errors as failed or unreachable.  Windows is a fake."""

from __future__ import annotations

import importlib
import json
from collections.abc import Callable
from functools import partial
from types import SimpleNamespace
from typing import Any

import pytest
from ansible.errors import AnsibleActionFail, AnsibleAuthenticationFailure, AnsibleConnectionFailure, AnsibleError

from ansible_collections.winops.kms.plugins.action import activation, client, host, license_info, product_key
from ansible_collections.winops.kms.plugins.plugin_utils._action import base, wsman
from ansible_collections.winops.kms.plugins.plugin_utils._cim.errors import (
    CimAccessDenied,
    CimAuthenticationError,
    CimConnectionError,
    CimError,
    CimFault,
    CimTlsError,
)
from ansible_collections.winops.kms.plugins.plugin_utils._licensing.apply import Applier
from ansible_collections.winops.kms.plugins.plugin_utils._licensing.state import WINDOWS_APPLICATION
from ansible_collections.winops.kms.tests.unit.plugins.plugin_utils._licensing.fake_windows import (
    CLIENT_ID,
    CSVLK,
    MAK,
    NOT_ENOUGH_COUNT,
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

MODULES = {
    "activation": activation,
    "client": client,
    "host": host,
    "license_info": license_info,
    "product_key": product_key,
}
#: Options with which each module has something to read.
SIMPLE: dict[str, dict[str, Any]] = {
    "activation": {},
    "client": {"discover": True},
    "host": {"state": "absent"},
    "license_info": {},
    "product_key": {"gvlk": True},
}
FAULT = CimFault("Zugriff auf " + CSVLK, code=0xC004F074, provider_code=0xC004F074)

Run = Callable[..., dict[str, Any]]


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch) -> Run:
    """Run a module on a fake Windows."""

    def run_module(windows: FakeWindows, module: str, *, check: bool = False, **options: Any) -> dict[str, Any]:
        monkeypatch.setattr(wsman, "open_session", lambda connection: windows)
        monkeypatch.setattr(base, "Applier", partial(Applier, pause=lambda seconds: None))
        result: dict[str, Any] = action(module, check=check, **options).run(None, {"inventory_hostname": "win01"})
        return result

    return run_module


def action(module: str, *, check: bool = False, **options: Any) -> Any:
    task = SimpleNamespace(
        args=options, check_mode=check, async_val=0, action=f"winops.kms.{module}", diff=False, environment=None
    )
    connection = SimpleNamespace(transport="winrm", _shell=SimpleNamespace(tmpdir="/nowhere"))
    return MODULES[module].ActionModule(
        task=task, connection=connection, play_context=None, loader=None, templar=None, shared_loader_obj=None
    )


# --- results --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("module", ["activation", "client", "host", "product_key"])
def test_the_shape_of_a_result_is_the_same_for_all(module: str, run: Run) -> None:
    result = run(FakeWindows(keyed_client()), module, **SIMPLE[module])
    assert {"changed", "changes", "license", "pending", "diff", "msg", "restarted"} <= set(result)
    assert not {"failed", "error", "unreachable"} & set(result)
    assert result["changed"] is False
    assert result["changes"] == []
    assert result["diff"] == {"before": {}, "after": {}}
    assert result["pending"] is False
    assert result["license"]["activation_id"] == CLIENT_ID
    assert result["msg"].endswith("nothing to change")
    json.dumps(result)


def test_changes_and_diff_say_the_same(run: Run) -> None:
    windows = FakeWindows(keyed_client())
    options = {"server": "kms01", "port": 1789, "host_caching": False}
    predicted = run(windows, "client", check=True, **options)
    result = run(windows, "client", **options)
    assert result["changed"] is predicted["changed"] is True
    assert (
        result["changes"]
        == predicted["changes"]
        == [
            {"setting": "server", "before": None, "after": "kms01"},
            {"setting": "port", "before": None, "after": 1789},
            {"setting": "host_caching", "before": True, "after": False},
        ]
    )
    assert result["diff"] == {
        "before": {"server": None, "port": None, "host_caching": True},
        "after": {"server": "kms01", "port": 1789, "host_caching": False},
    }
    assert "would change server" in predicted["msg"]
    assert "; changed server, port, host_caching" in result["msg"]


def test_the_host_returns_what_it_counts(run: Run) -> None:
    windows = FakeWindows(keyed_host(KeyManagementServiceCurrentCount=12, RequiredClientCount=5))
    result = run(windows, "host", activate=True)
    assert result["kms_host"]["current_count"] == 12
    assert result["kms_host"]["is_kms_host"] is True


def test_license_info_returns_the_same_as_facts(run: Run) -> None:
    result = run(FakeWindows(keyed_client()), "license_info")
    facts = result["ansible_facts"]["winops_kms"]
    assert result["changed"] is False
    for name in ("license", "licenses", "service", "kms_host"):
        assert facts[name] == result[name]


@pytest.mark.parametrize("fails", [False, True])
@pytest.mark.parametrize("module", ["activation", "client"])
def test_waiting_is_a_failure_only_when_asked(module: str, fails: bool, run: Run) -> None:
    windows = FakeWindows(keyed_client(licensed=False))
    windows.fail("Activate", refused(NOT_ENOUGH_COUNT))
    activate = {"activate": True} if module == "client" else {}
    result = run(windows, module, fail_when_pending=fails, **activate)
    assert result["pending"] is True
    assert result["threshold"] == 5
    assert result["error"]["code"] == "0xC004F038"
    assert set(result["error"]) == {"code", "name", "message", "remedy"}
    assert bool(result.get("failed")) is fails
    assert result["changed"] is False
    if fails:
        assert result["msg"].startswith("win01: 0xC004F038")
    else:
        assert "5 needed" in result["msg"]


def test_a_failure_after_a_change_still_says_what_changed(run: Run) -> None:
    windows = FakeWindows(keyed_client())
    windows.fail("SetKeyManagementServicePort", refused(0x80070005))
    result = run(windows, "client", server="kms01", port=1789)
    assert result["failed"] is True
    assert result["changed"] is True
    assert [change["setting"] for change in result["changes"]] == ["server"]
    assert result["error"]["code"] == "0x80070005"
    assert result["msg"].startswith("win01: ")


def test_candidates_are_returned_when_the_product_has_to_be_named(run: Run) -> None:
    windows = FakeWindows(
        keyed_client(), {**office(VISIO_ID, "YY89G", "Leftover"), "ApplicationID": WINDOWS_APPLICATION}
    )
    result = run(windows, "activation")
    assert result["failed"] is True
    assert set(result["candidates"]) == {CLIENT_ID, VISIO_ID}
    assert windows.calls == []


# --- secrets --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("check", [True, False])
@pytest.mark.parametrize("typed", [CSVLK, CSVLK.lower(), f" {CSVLK} ", CSVLK.replace("-", "\u2013")])
def test_a_key_is_in_no_result(typed: str, check: bool, run: Run) -> None:
    windows = FakeWindows(keyed_client())
    result = run(windows, "host", key=typed, activate=True, check=check)
    assert result["changed"] is True
    assert "BBBBB" not in json.dumps(result).upper()
    assert result["changes"][0]["after"] == "*****-HHHHH"


@pytest.mark.parametrize("where", ["InstallProductKey", "SoftwareLicensingProduct"])
def test_a_key_that_the_host_repeats_is_hidden(where: str, run: Run) -> None:
    windows = FakeWindows(keyed_client(licensed=False))
    windows.fail(where, lambda: CimFault(f"Falsch: {CSVLK.lower()}", code=0xC0DE0001))
    result = run(windows, "host", key=CSVLK)
    assert result["failed"] is True
    assert "Falsch" in json.dumps(result)
    assert "BBBBB" not in json.dumps(result).upper()


def test_a_key_in_an_error_of_the_connection_is_hidden(run: Run) -> None:
    windows = FakeWindows(keyed_client())
    windows.fail("SoftwareLicensingService", lambda: CimConnectionError(f"trouble with {CSVLK}"))
    with pytest.raises(AnsibleConnectionFailure) as caught:
        run(windows, "host", key=CSVLK)
    assert "trouble with ********" in str(caught.value)
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__


@pytest.mark.parametrize("typed", ["a", "failed", "f", "changed"])
def test_a_key_of_a_few_letters_takes_no_result_apart(typed: str, run: Run) -> None:
    result = run(FakeWindows(), "host", key=typed)
    assert result["failed"] is True
    assert result["changed"] is False


# --- unreachable or failed ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("module", MODULES)
@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (
            CimConnectionError("The host cannot be reached.", endpoint="http://win01:5985/wsman"),
            AnsibleConnectionFailure,
        ),
        (CimTlsError("TLS could not be set up.", endpoint="https://win01:5986/wsman"), AnsibleConnectionFailure),
        (
            CimAuthenticationError("The host refuses the credentials.", endpoint="x", http_status=401),
            AnsibleAuthenticationFailure,
        ),
    ],
    ids=["connection", "TLS", "401"],
)
def test_trouble_on_the_way_makes_the_host_unreachable(
    module: str, error: CimError, kind: type[AnsibleError], run: Run
) -> None:
    windows = FakeWindows(keyed_client())
    windows.fail("SoftwareLicensingService", lambda: error)
    with pytest.raises(AnsibleConnectionFailure) as caught:
        run(windows, module, **SIMPLE[module])
    assert caught.value.__class__ is kind
    assert "win01: " in str(caught.value)
    assert str(error) in str(caught.value)


@pytest.mark.parametrize("module", MODULES)
def test_a_refusal_of_the_host_makes_the_task_fail(module: str, run: Run) -> None:
    windows = FakeWindows(keyed_client())
    windows.fail("SoftwareLicensingService", lambda: CimAccessDenied("Zugriff verweigert", code=0x80070005))
    result = run(windows, module, **SIMPLE[module])
    assert result["failed"] is True
    assert result["changed"] is False
    assert result["error"]["code"] == "0x80070005"
    assert "Administrators" in result["error"]["remedy"]
    assert result["msg"].startswith("win01: ")


def test_an_unreachable_host_to_which_a_change_had_been_sent_says_so(run: Run) -> None:
    windows = FakeWindows(keyed_mak(licensed=False))
    windows.fail("Activate", dropped)
    normal = windows.invoke

    def then_gone(*args: Any, **options: Any) -> Any:
        windows.fail("SoftwareLicensingService", lambda: CimConnectionError("gone"), times=99)
        return normal(*args, **options)

    windows.invoke = then_gone  # type: ignore[method-assign]
    with pytest.raises(AnsibleConnectionFailure, match="license_info"):
        run(windows, "activation")
    assert windows.methods == ["Activate"]


def test_a_value_that_cannot_be_sent_is_a_failure(run: Run) -> None:
    windows = FakeWindows(keyed_client())
    windows.fail("SetKeyManagementServiceLookupDomain", _value_error)  # type: ignore[arg-type]
    result = run(windows, "client", lookup_domain="corp.example")
    assert result["failed"] is True
    assert "control character" in result["msg"]


def _value_error() -> Exception:
    return ValueError("a control character can't be sent")


def test_a_connection_plugin_that_cannot_be_used_is_a_failure_that_names_the_two() -> None:
    plugin = action("client", discover=True)
    plugin._connection.transport = "ssh"
    result = plugin.run(None, {"inventory_hostname": "win01"})
    assert result["failed"] is True
    assert "ansible_connection: winrm" in result["msg"] and "ansible_connection: psrp" in result["msg"]


def test_async_is_refused() -> None:
    plugin = action("client", discover=True)
    plugin._task.async_val = 10
    with pytest.raises(AnsibleActionFail, match="async"):
        plugin.run(None, {})


# --- options --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("idle", [False, "no", "No", "false", "off", 0, "0", None])
def test_an_option_that_is_off_excludes_no_other(idle: Any, run: Run) -> None:
    windows = FakeWindows(keyed_client())
    result = run(windows, "client", server="kms01", discover=idle, gvlk=idle, key=SERVER_GVLK, activate=idle)
    assert not result.get("failed"), result.get("msg")
    assert windows.methods == ["SetKeyManagementServiceMachine"]


@pytest.mark.parametrize("idle", ["", None])
def test_an_empty_key_counts_as_not_given(idle: Any, run: Run) -> None:
    windows = FakeWindows(keyed_client())
    assert not run(windows, "client", key=idle, gvlk=True).get("failed")
    assert not run(windows, "host", key=idle, firewall=False).get("failed")
    assert run(windows, "product_key", key=idle)["failed"] is True


@pytest.mark.parametrize("idle", ["", None])
def test_an_empty_activation_id_counts_as_not_given(idle: Any, run: Run) -> None:
    assert run(FakeWindows(keyed_client()), "activation", activation_id=idle)["license"]["activation_id"] == CLIENT_ID


@pytest.mark.parametrize("on", [True, "yes", "on", "True", 1, "1"])
def test_booleans_are_those_of_ansible(on: Any, run: Run) -> None:
    windows = FakeWindows(keyed_client(licensed=False))
    run(windows, "client", activate=on)
    assert windows.methods == ["Activate"]


def test_host_caching_off_is_a_wish_not_an_option_left_out(run: Run) -> None:
    windows = FakeWindows(keyed_client())
    run(windows, "client", host_caching="no")
    assert windows.methods == ["DisableKeyManagementServiceHostCaching"]


@pytest.mark.parametrize(
    ("module", "options", "words"),
    [
        ("client", {"server": "kms01", "discover": True}, ["mutually exclusive", "server", "discover"]),
        ("client", {"port": 1688, "discover": "yes"}, ["mutually exclusive", "port", "discover"]),
        ("client", {"key": SERVER_GVLK, "gvlk": True}, ["mutually exclusive", "key", "gvlk"]),
        ("product_key", {"key": SERVER_GVLK, "gvlk": True}, ["mutually exclusive", "key", "gvlk"]),
        ("client", {"sever": "kms01"}, ["sever"]),
        ("client", {"port": "many"}, ["port"]),
        ("client", {"port": 70000}, ["port", "1 to 65535"]),
        ("client", {"activation_type": "phone"}, ["activation_type", "token"]),
        ("client", {"activation_id": "x"}, ["activation_id", "GUID"]),
        ("client", {"key": CSVLK}, ["key", "HHHHH"]),
        ("client", {"application": "all"}, ["application"]),
        ("host", {"key": SERVER_GVLK}, ["key", "GVLK"]),
        ("host", {"publish_domains": [{"priority": 1}]}, ["domain"]),
        ("host", {"publish_domains": [{"domain": "a", "port": 1}]}, ["port"]),
        ("host", {"publish_domains": [{"domain": "a", "weight": 65536}]}, ["publish_domains", "weight"]),
        ("host", {"activation_interval": 14}, ["activation_interval", "15 to 43200"]),
        ("product_key", {"key": MAK, "state": "absent"}, ["state"]),
        ("product_key", {"key": MAK, "key_channel": "gvlk"}, ["key_channel"]),
        ("product_key", {}, ["key"]),
    ],
)
def test_bad_options_fail_before_a_session_is_opened(
    module: str, options: dict[str, Any], words: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(wsman, "open_session", _no_session)
    result = action(module, **options).run(None, {"inventory_hostname": "win01"})
    assert result["failed"] is True
    assert result["changed"] is False
    for word in words:
        assert word in result["msg"]
    assert "BBBBB" not in json.dumps(result)
    assert set(result["error"]) == {"code", "name", "message", "remedy"}


def _no_session(connection: Any) -> FakeWindows:
    raise AssertionError("no session may be opened")


def test_publish_domains_come_with_their_defaults(run: Run) -> None:
    windows = FakeWindows(keyed_host())
    run(windows, "host", publish_domains=[{"domain": "Corp.Example"}, {"domain": "b.example", "priority": "5"}])
    assert windows.publish_list == ["corp.example, 0, 0", "b.example, 5, 0"]
    run(windows, "host", publish_domains=[])
    assert windows.publish_list is None


def test_the_firewall_and_the_list_are_read_only_when_they_matter(run: Run) -> None:
    windows = FakeWindows(keyed_host())
    run(windows, "host", port=1688)
    assert "MSFT_NetFirewallRule" not in [query[0] for query in windows.queries]
    run(windows, "host", state="absent")
    assert "MSFT_NetFirewallRule" in [query[0] for query in windows.queries]


def test_an_activation_id_may_have_braces_and_capitals(run: Run) -> None:
    result = run(FakeWindows(keyed_client()), "activation", activation_id=f"{{{CLIENT_ID.upper()}}}")
    assert result["license"]["activation_id"] == CLIENT_ID


def _tag() -> Callable[[Any], Any]:
    """Marks a value as ansible-core 2.19 and later do with everything from a playbook; older ones leave it as it is."""
    try:
        tags = importlib.import_module("ansible._internal._datatag._tags")
    except ImportError:
        return lambda value: value
    origin = tags.Origin(path="/playbooks/site.yml", line_num=1, col_num=1)

    def tag(value: Any) -> Any:
        if isinstance(value, dict):
            return origin.tag({tag(name): tag(item) for name, item in value.items()})
        if isinstance(value, list):
            return origin.tag([tag(item) for item in value])
        return origin.tag(value)

    return tag


def assert_plain(value: Any) -> None:
    assert type(value) in (str, int, bool, type(None), list, dict, tuple), type(value)
    if isinstance(value, dict):
        assert_plain(list(value))
        assert_plain(list(value.values()))
    elif isinstance(value, (list, tuple)):
        for item in value:
            assert_plain(item)


def test_marked_values_of_a_playbook_become_plain_before_they_reach_windows(run: Run) -> None:
    tag = _tag()
    windows = FakeWindows(keyed_client())
    result = run(
        windows,
        "client",
        **{name: tag(value) for name, value in {"server": "kms01", "port": 1789, "activation_id": CLIENT_ID}.items()},
    )
    assert result["changed"] is True
    hosted = run(
        windows,
        "host",
        key=tag(CSVLK),
        activate=True,
        port=tag("1789"),
        publish_domains=tag([{"domain": "corp.example", "priority": 1}]),
    )
    assert not hosted.get("failed"), hosted.get("msg")
    for call in windows.calls:
        assert_plain(dict(call.parameters))
        assert_plain(call.target)
    assert_plain(result)
    assert_plain(hosted)


def test_an_unusual_character_is_a_warning(run: Run) -> None:
    odd = "AAAAA-BBBBB-BBBBB-BBBBB-HHHHH"
    windows = FakeWindows(keyed_client(licensed=False))
    windows.fail("InstallProductKey", refused(0xC004F050))
    result = run(windows, "product_key", key=odd)
    assert any("A" in warning and "typing error" in warning for warning in result["warnings"])
    assert "AAAAA" not in json.dumps(result)
