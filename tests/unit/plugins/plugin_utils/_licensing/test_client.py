# Copyright (c) 2026, the winops.kms authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A KMS client in one task: each drift alone is exactly the right call."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.winops.kms.plugins.plugin_utils._licensing.apply import Outcome
from ansible_collections.winops.kms.plugins.plugin_utils._licensing.client import ClientWish, configure_client
from ansible_collections.winops.kms.plugins.plugin_utils._licensing.errors import (
    AmbiguousProduct,
    InvalidOption,
    LicensingError,
)
from ansible_collections.winops.kms.plugins.plugin_utils._licensing.keys import ProductKey
from ansible_collections.winops.kms.tests.unit.plugins.plugin_utils._licensing.fake_windows import (
    CLIENT_ID,
    CSVLK,
    ESU,
    ESU_ID,
    MAK,
    MAK_ID,
    NOT_ENOUGH_COUNT,
    OFFICE_ID,
    SERVER_GVLK,
    VISIO_ID,
    Call,
    FakeWindows,
    keyed_client,
    keyed_host,
    keyed_mak,
    office,
    product,
    refused,
)


def configure(
    windows: FakeWindows,
    *,
    check: bool = False,
    activation_id: str | None = None,
    application: str = "windows",
    **wish: Any,
) -> Outcome:
    if isinstance(wish.get("key"), str):
        wish["key"] = ProductKey.parse(wish["key"])
    wanted = ClientWish(**wish)
    wanted.check(on_product=activation_id is not None)
    return configure_client(windows.applier(application, activation_id), wanted, check=check)


def calls(windows: FakeWindows) -> list[tuple[str, dict[str, Any]]]:
    return [(call.method, dict(call.parameters)) for call in windows.calls if call.method != "RefreshLicenseStatus"]


ALL: dict[str, Any] = {
    "gvlk": True,
    "server": "kms01.corp.example",
    "port": 1789,
    "lookup_domain": "corp.example",
    "host_caching": False,
    "activation_type": "kms",
    "activate": True,
}


def converged() -> FakeWindows:
    """As ALL wants it."""
    windows = FakeWindows(keyed_client(VLActivationTypeEnabled=2))
    windows.service.update(
        KeyManagementServiceMachine="KMS01.corp.example",
        KeyManagementServicePort=1789,
        KeyManagementServiceLookupDomain="corp.example",
        KeyManagementServiceHostCaching=False,
    )
    return windows


def test_a_converged_client_costs_two_reads_and_no_write() -> None:
    windows = converged()
    outcome = configure(windows, **ALL)
    assert windows.calls == []
    assert len(windows.queries) == 2
    assert outcome.changes == ()
    assert outcome.error is None


def test_everything_at_once_from_nothing() -> None:
    windows = FakeWindows()
    predicted = configure(windows, check=True, **ALL)
    assert windows.calls == []
    outcome = configure(windows, **ALL)
    assert [name for name, parameters in calls(windows)] == [
        "InstallProductKey",
        "SetKeyManagementServiceMachine",
        "SetKeyManagementServicePort",
        "SetKeyManagementServiceLookupDomain",
        "DisableKeyManagementServiceHostCaching",
        "SetVLActivationTypeEnabled",
        "Activate",
    ]
    assert outcome.changes == predicted.changes
    assert outcome.error is None
    assert not outcome.restarted
    assert not configure(windows, **ALL).changed


@pytest.mark.parametrize(
    ("drift", "method", "parameters"),
    [
        (
            {"KeyManagementServiceMachine": "old"},
            "SetKeyManagementServiceMachine",
            {"MachineName": "kms01.corp.example"},
        ),
        (
            {"KeyManagementServiceMachine": None},
            "SetKeyManagementServiceMachine",
            {"MachineName": "kms01.corp.example"},
        ),
        ({"KeyManagementServicePort": 0}, "SetKeyManagementServicePort", {"PortNumber": 1789}),
        ({"KeyManagementServicePort": 1688}, "SetKeyManagementServicePort", {"PortNumber": 1789}),
        (
            {"KeyManagementServiceLookupDomain": ""},
            "SetKeyManagementServiceLookupDomain",
            {"LookupDomain": "corp.example"},
        ),
        ({"KeyManagementServiceHostCaching": True}, "DisableKeyManagementServiceHostCaching", {"DisableCaching": True}),
    ],
)
def test_each_drift_of_the_machine_is_one_call(drift: dict[str, Any], method: str, parameters: dict[str, Any]) -> None:
    windows = converged()
    windows.service.update(drift)
    outcome = configure(windows, **ALL)
    assert windows.calls == [Call("service", method, parameters)]
    assert len(outcome.changes) == 1
    assert not configure(windows, **ALL).changed


@pytest.mark.parametrize(
    ("drift", "call"),
    [
        ({"VLActivationTypeEnabled": 0}, Call("service", "SetVLActivationTypeEnabled", {"ActivationType": 2})),
        ({"VLActivationTypeEnabled": 1}, Call("service", "SetVLActivationTypeEnabled", {"ActivationType": 2})),
        ({"LicenseStatus": 5}, Call(CLIENT_ID, "Activate")),
        ({"LicenseStatus": 3}, Call(CLIENT_ID, "Activate")),
        ({"LicenseStatus": 6}, Call(CLIENT_ID, "Activate")),
    ],
)
def test_each_drift_of_the_product_is_one_call(drift: dict[str, Any], call: Call) -> None:
    windows = converged()
    windows.find(CLIENT_ID).update(drift)
    configure(windows, **ALL)
    assert [seen for seen in windows.calls if seen.method != "RefreshLicenseStatus"] == [call]


def test_a_mak_becomes_a_kms_client_and_is_activated_though_it_was_licensed() -> None:
    windows = FakeWindows(keyed_mak())
    outcome = configure(windows, gvlk=True, activate=True, allow_downgrade=True)
    assert calls(windows) == [("InstallProductKey", {"ProductKey": SERVER_GVLK}), ("Activate", {})]
    assert windows.calls[2].target == CLIENT_ID
    assert outcome.error is None
    assert outcome.after.product is not None and outcome.after.product.licensed
    assert [change.setting for change in outcome.changes] == ["product_key"]


def test_no_option_means_leave_as_it_is() -> None:
    windows = converged()
    assert not configure(windows).changed
    assert windows.calls == []


# --- server, port, discovery ----------------------------------------------------------------------------------------


def test_a_server_without_port_clears_a_stale_port() -> None:
    windows = converged()
    outcome = configure(windows, server="kms02.corp.example")
    assert calls(windows) == [
        ("SetKeyManagementServiceMachine", {"MachineName": "kms02.corp.example"}),
        ("ClearKeyManagementServicePort", {}),
    ]
    assert {change.setting: change.after for change in outcome.changes} == {
        "server": "kms02.corp.example",
        "port": None,
    }


def test_the_same_server_without_port_clears_a_stale_port_alone() -> None:
    windows = converged()
    configure(windows, server="kms01.corp.example")
    assert calls(windows) == [("ClearKeyManagementServicePort", {})]


def test_a_port_alone_leaves_the_server() -> None:
    windows = converged()
    configure(windows, port=1790)
    assert calls(windows) == [("SetKeyManagementServicePort", {"PortNumber": 1790})]


@pytest.mark.parametrize("port", [0, 1688])
def test_the_default_port_is_the_same_set_or_not(port: int) -> None:
    windows = converged()
    windows.service["KeyManagementServicePort"] = port
    assert not configure(windows, server="kms01.corp.example").changed
    assert not configure(windows, server="kms01.corp.example", port=1688).changed


def test_discover_clears_server_and_port() -> None:
    windows = converged()
    outcome = configure(windows, discover=True)
    assert calls(windows) == [("ClearKeyManagementServiceMachine", {}), ("ClearKeyManagementServicePort", {})]
    assert [change.as_result() for change in outcome.changes] == [
        {"setting": "server", "before": "KMS01.corp.example", "after": None},
        {"setting": "port", "before": 1789, "after": None},
    ]
    assert not configure(windows, discover=True).changed


def test_discover_leaves_the_lookup_domain() -> None:
    windows = converged()
    configure(windows, discover=True)
    assert windows.service["KeyManagementServiceLookupDomain"] == "corp.example"


@pytest.mark.parametrize("text", ["", " ", "."])
def test_an_empty_lookup_domain_clears_it(text: str) -> None:
    windows = converged()
    configure(windows, lookup_domain=text)
    assert calls(windows) == [("ClearKeyManagementServiceLookupDomain", {})]
    assert not configure(windows, lookup_domain=text).changed


def test_a_dot_at_the_end_of_a_name_makes_no_difference() -> None:
    windows = converged()
    assert not configure(windows, server="kms01.corp.example.", port=1789, lookup_domain="corp.example.").changed


def test_any_activation_type_is_the_default_and_clears() -> None:
    windows = converged()
    configure(windows, activation_type="any")
    assert calls(windows) == [("ClearVLActivationTypeEnabled", {})]
    assert not configure(windows, activation_type="any").changed


# --- one product ----------------------------------------------------------------------------------------------------


def test_with_an_activation_id_the_settings_are_those_of_the_product() -> None:
    windows = FakeWindows(keyed_client())
    configure(windows, activation_id=CLIENT_ID, server="kms01", lookup_domain="corp.example", activation_type="kms")
    assert {call.target for call in windows.calls} == {CLIENT_ID}
    assert windows.service["KeyManagementServiceMachine"] is None
    assert windows.find(CLIENT_ID)["KeyManagementServiceMachine"] == "kms01"


def test_host_caching_is_for_the_machine_only() -> None:
    with pytest.raises(InvalidOption, match=r"^host_caching: .*whole machine"):
        configure(FakeWindows(), activation_id=CLIENT_ID, host_caching=True)


def test_an_unknown_activation_id_is_named_and_nothing_is_sent() -> None:
    windows = FakeWindows(keyed_client())
    unknown = "00000000-0000-4000-8000-000000000000"
    with pytest.raises(LicensingError, match=unknown):
        configure(windows, activation_id=unknown, gvlk=True, activate=True)
    assert windows.calls == []


def test_one_of_several_products_of_windows_has_to_be_named() -> None:
    windows = FakeWindows(keyed_client(), product(ESU_ID, PartialProductKey="KKKKK", Name="another edition"))
    with pytest.raises(AmbiguousProduct):
        configure(windows, activate=True)
    assert windows.calls == []


def test_one_of_several_products_of_office_can_be_named() -> None:
    windows = FakeWindows(keyed_client(), office(OFFICE_ID, "GCVGB", "Office"), office(VISIO_ID, "YY89G", "Visio"))
    configure(windows, application="office", activation_id=VISIO_ID, activate=True)
    assert windows.methods == ["Activate"]
    assert windows.calls[0].target == VISIO_ID


def test_the_product_that_has_the_wanted_key_is_the_one_meant() -> None:
    esu = product(ESU_ID, LicenseIsAddon=True, Name="Windows(R), ESU add-on", Description="VOLUME_MAK channel")
    windows = FakeWindows(keyed_client(), esu)
    wish: dict[str, Any] = {"key": ESU, "key_channel": "mak", "activate": True}
    outcome = configure(windows, **wish)
    assert outcome.error is None
    assert [(call.target, call.method) for call in windows.calls if call.method == "Activate"] == [(ESU_ID, "Activate")]
    assert windows.find(CLIENT_ID)["PartialProductKey"] == SERVER_GVLK[-5:]
    windows.calls.clear()
    assert not configure(windows, **wish).changed
    assert windows.calls == []


# --- keys -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("key", [CSVLK, MAK])
def test_a_key_that_is_not_published_is_refused_before_anything_is_sent(key: str) -> None:
    with pytest.raises(InvalidOption, match="not one of Microsoft's public client setup keys") as caught:
        configure(FakeWindows(), key=key)
    assert "key_channel: mak" in caught.value.info.remedy
    assert "BBBBB" not in str(caught.value)


def test_a_client_setup_key_is_no_mak() -> None:
    with pytest.raises(InvalidOption, match="key_channel"):
        configure(FakeWindows(), key=SERVER_GVLK, key_channel="mak")


def test_a_mak_is_installed_and_activated_when_it_is_called_one() -> None:
    windows = FakeWindows(keyed_client())
    assert configure(windows, key=MAK, key_channel="mak", activate=True).error is None
    assert windows.methods == ["InstallProductKey", "Activate"]
    windows.calls.clear()
    assert not configure(windows, key=MAK, key_channel="mak", activate=True).changed
    assert windows.calls == []


def test_a_host_key_that_was_called_a_mak_is_not_activated_on_a_client() -> None:
    windows = FakeWindows(keyed_client())
    outcome = configure(windows, key=CSVLK, key_channel="mak", activate=True)
    assert windows.methods == ["InstallProductKey"]
    assert outcome.error is not None
    assert "Volume:CSVLK, not mak" in str(outcome.error)
    assert outcome.changed


@pytest.mark.parametrize("wish", [{"gvlk": True}, {"key": SERVER_GVLK}, {"key": MAK, "key_channel": "mak"}])
def test_the_key_of_a_kms_host_is_never_replaced(wish: dict[str, Any]) -> None:
    windows = FakeWindows(keyed_host())
    with pytest.raises(LicensingError, match="KMS host"):
        configure(windows, **wish)
    assert windows.calls == []


@pytest.mark.parametrize(
    ("machine", "channels", "left"),
    [
        (keyed_mak(), ("mak",), True),
        (keyed_mak(), ("csvlk",), False),
        (keyed_host(), ("csvlk", "mak"), True),
        (keyed_client(), ("csvlk", "mak", "retail", "oem"), False),
    ],
)
def test_machines_of_other_channels_can_be_left_alone(
    machine: dict[str, Any], channels: tuple[str, ...], left: bool
) -> None:
    windows = FakeWindows(machine)
    outcome = configure(windows, gvlk=True, discover=True, activate=True, leave_alone=channels, allow_downgrade=True)
    assert outcome.left_alone is left
    if left:
        assert windows.calls == []
        assert not outcome.changed


def test_what_a_product_shows_of_the_machine_is_nothing_of_its_own() -> None:
    windows = FakeWindows(keyed_client(KeyManagementServiceMachine="kms01", KeyManagementServicePort=1789))
    windows.service.update(KeyManagementServiceMachine="kms01", KeyManagementServicePort=1789)
    assert not configure(windows, activation_id=CLIENT_ID, discover=True).changed
    windows.find(CLIENT_ID)["KeyManagementServiceMachine"] = "kms02"
    assert configure(windows, activation_id=CLIENT_ID, discover=True).changed
    assert windows.methods == ["ClearKeyManagementServiceMachine"]


def test_an_activation_of_a_host_key_is_not_spent_by_a_client_task() -> None:
    windows = FakeWindows({**keyed_host(), "LicenseStatus": 5})
    with pytest.raises(LicensingError, match="uses up an activation of its host key"):
        configure(windows, activate=True)
    assert windows.calls == []
    assert configure(FakeWindows(keyed_host()), activate=True).error is None


def test_a_machine_without_key_is_not_left_alone() -> None:
    assert not configure(FakeWindows(), gvlk=True, leave_alone=("mak",)).left_alone


def test_the_setup_key_of_a_machine_without_key_comes_from_its_sku() -> None:
    windows = FakeWindows()
    windows.operating_system["OperatingSystemSKU"] = 13
    configure(windows, gvlk=True)
    assert calls(windows) == [("InstallProductKey", {"ProductKey": SERVER_GVLK})]
    assert [query[0] for query in windows.queries].count("Win32_OperatingSystem") == 1


def test_the_edition_never_comes_from_a_caption() -> None:
    windows = FakeWindows()
    windows.operating_system.update(Caption="Microsoft Windows Server 2022 Standard", OperatingSystemSKU=999)
    with pytest.raises(LicensingError, match=r"no client setup key.*OperatingSystemSKU 999, build 20348"):
        configure(windows, gvlk=True)
    assert windows.calls == []


def test_the_edition_comes_from_the_name_when_the_family_does_not_tell_it() -> None:
    windows = FakeWindows(keyed_client("WX4NM-KYWYW-QJJR4-XV3QB-6VM33", LicenseFamily=None))
    configure(windows, gvlk=True, activate=True)
    assert calls(windows)[0] == ("InstallProductKey", {"ProductKey": SERVER_GVLK})


def test_windows_7_tells_its_edition_by_the_family_alone() -> None:
    machine = product(
        MAK_ID,
        Name="Windows(R) 7, Enterprise edition",
        Description="Windows Operating System - Windows(R) 7, VOLUME_MAK channel",
        LicenseFamily="Enterprise",
        PartialProductKey="MMMMM",
        LicenseStatus=1,
    )
    windows = FakeWindows(machine, version="6.1.7601.17514")
    windows.missing = {"ProductKeyChannel"}
    windows.known_keys["33PXH-7Y6KF-2VJC9-XBBR8-HVTHH"] = (CLIENT_ID, "Volume:GVLK")
    configure(windows, gvlk=True, allow_downgrade=True)
    assert windows.methods == ["InstallProductKey"]
    assert windows.find(CLIENT_ID)["PartialProductKey"] == "HVTHH"


@pytest.mark.parametrize(
    ("machine", "key", "activate", "refused"),
    [
        # (what the machine has, the key it gets, whether that is activated by the task, whether it is refused)
        (keyed_mak(), None, True, "licensed for good by a key of channel Volume:MAK .* waiting for a KMS host"),
        (keyed_mak(), None, False, "unlicensed until it is activated"),
        (keyed_mak(licensed=False), None, False, None),
        (keyed_client(), MAK, False, "licensed for 180 more days by a key of channel Volume:GVLK"),
        (keyed_client(), MAK, True, None),
        (keyed_client(licensed=False), MAK, False, None),
        (keyed_client(), None, False, None),  # the key that is there already
    ],
)
def test_a_licence_is_not_given_up_unless_asked(
    machine: dict[str, Any], key: str | None, activate: bool, refused: str | None
) -> None:
    wish: dict[str, Any] = {"key": key, "key_channel": "mak"} if key else {"gvlk": True}
    for check in (True, False):
        windows = FakeWindows(machine)
        if refused is None:
            configure(windows, check=check, activate=activate, **wish)
            continue
        with pytest.raises(LicensingError, match=refused) as caught:
            configure(windows, check=check, activate=activate, **wish)
        assert "allow_downgrade: true" in caught.value.info.remedy
        assert windows.calls == []
    windows = FakeWindows(machine)
    assert configure(windows, activate=activate, allow_downgrade=True, **wish).error is None


def test_an_evaluation_edition_has_to_be_converted_first() -> None:
    windows = FakeWindows(
        keyed_client(LicenseFamily="ServerStandardEval", Name="Windows(R), ServerStandardEval edition")
    )
    with pytest.raises(LicensingError) as caught:
        configure(windows, gvlk=True)
    assert "ServerStandardEval" in str(caught.value)
    assert "DISM" in caught.value.info.remedy


def test_the_setup_key_of_windows_is_never_installed_for_office() -> None:
    unknown = {**office(OFFICE_ID, "GCVGB", "Office"), "LicenseFamily": "Office15ProPlusVL_KMS_Client"}
    windows = FakeWindows(keyed_client(), unknown)
    with pytest.raises(LicensingError, match="Office15ProPlusVL_KMS_Client"):
        configure(windows, activation_id=OFFICE_ID, gvlk=True)
    with pytest.raises(LicensingError, match="no volume edition of Office"):
        configure(FakeWindows(keyed_client()), application="office", gvlk=True)
    assert windows.calls == []


# --- activation -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("wish", [{"activate": True}, {"activation_type": "kms"}])
def test_without_any_key_there_is_nothing_to_activate(wish: dict[str, Any]) -> None:
    windows = FakeWindows()
    with pytest.raises(LicensingError, match="no product key") as caught:
        configure(windows, **wish)
    assert "gvlk: true" in caught.value.info.remedy
    with pytest.raises(LicensingError, match="no product key for that activation_id"):
        configure(windows, activation_id=MAK_ID, activate=True)
    assert windows.calls == []


def test_settings_can_be_written_before_there_is_a_key() -> None:
    windows = FakeWindows()
    assert configure(windows, server="kms01").changed


def test_a_pending_client_keeps_its_settings_and_has_the_code() -> None:
    windows = FakeWindows()
    windows.fail("Activate", refused(NOT_ENOUGH_COUNT))
    outcome = configure(windows, gvlk=True, server="kms01", activate=True)
    assert outcome.error is not None and outcome.error.info.code == "0xC004F038"
    assert [change.setting for change in outcome.changes] == ["product_key", "server", "status"]
    again = configure(windows, gvlk=True, server="kms01", activate=True)
    assert again.error is None


def test_an_activation_that_is_accepted_and_changes_nothing_is_an_error() -> None:
    windows = FakeWindows(keyed_client(licensed=False))
    windows.ignored = {"Activate"}
    outcome = configure(windows, activate=True)
    assert outcome.error is not None
    assert "notification" in str(outcome.error)
    assert outcome.error.info.code == "0xC004F00F"
    assert outcome.warnings == [], "the error says it all"


def test_extended_grace_is_as_good_as_slmgr_takes_it() -> None:
    windows = FakeWindows(keyed_client(LicenseStatus=6))
    windows.ignored = {"Activate"}
    assert configure(windows, activate=True).error is None


def test_token_only_activation_is_refused_where_it_would_be_ignored() -> None:
    windows = FakeWindows(keyed_client(licensed=False, VLActivationTypeEnabled=3))
    with pytest.raises(LicensingError, match="token"):
        configure(windows, activate=True)
    with pytest.raises(LicensingError, match="token"):
        configure(FakeWindows(keyed_client(licensed=False)), activate=True, activation_type="token")
    assert windows.calls == []
    assert configure(windows, activate=True, activation_type="kms").error is None


def test_a_machine_that_a_token_has_licensed_is_converged() -> None:
    windows = FakeWindows(keyed_client(VLActivationTypeEnabled=3))
    assert not configure(windows, activate=True).changed


# --- what is wrong whatever the host is like ------------------------------------------------------------------------


@pytest.mark.parametrize(
    "server",
    ["", " ", ".", "kms 01", "kms01\n", "http://kms01", "kms01/", "kms01:1688", "2001:db8::1", "[2001:db8::1]:1688"],
)
def test_what_can_be_no_server(server: str) -> None:
    with pytest.raises(InvalidOption, match=r"^server: "):
        configure(FakeWindows(), server=server)


@pytest.mark.parametrize("server", ["kms01", "kms01.corp.example", "192.0.2.1", "[2001:db8::1]", "KMS_01"])
def test_what_can_be_a_server(server: str) -> None:
    windows = FakeWindows(keyed_client())
    configure(windows, server=server)
    assert windows.service["KeyManagementServiceMachine"] == server


@pytest.mark.parametrize("port", [0, 65536, -1])
def test_a_port_out_of_range(port: int) -> None:
    with pytest.raises(InvalidOption, match="1 to 65535"):
        configure(FakeWindows(), server="kms01", port=port)


# --- warnings -------------------------------------------------------------------------------------------------------


def test_a_lookup_domain_beside_a_fixed_server_has_no_effect() -> None:
    windows = FakeWindows(keyed_client())
    assert "no effect" in configure(windows, server="kms01", lookup_domain="corp.example").warnings[0]
    assert "no effect" in configure(windows, lookup_domain="corp.example").warnings[0]
    assert configure(windows, lookup_domain="corp.example", discover=True).warnings == []


def test_a_product_with_a_server_of_its_own_goes_before_the_machine() -> None:
    windows = FakeWindows(keyed_client(KeyManagementServiceMachine="other.example"))
    (warning,) = configure(windows, server="kms01").warnings
    assert "other.example" in warning and CLIENT_ID in warning
    windows.service["KeyManagementServiceMachine"] = "OTHER.example"
    assert configure(windows, server="other.example").warnings == [], "the product shows what is set for the machine"
