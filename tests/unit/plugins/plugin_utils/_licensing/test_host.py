# Copyright (c) 2026, the winops.kms authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A KMS host in one task."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.winops.kms.plugins.plugin_utils._licensing.apply import Outcome
from ansible_collections.winops.kms.plugins.plugin_utils._licensing.errors import InvalidOption, LicensingError
from ansible_collections.winops.kms.plugins.plugin_utils._licensing.host import HostWish, configure_host
from ansible_collections.winops.kms.plugins.plugin_utils._licensing.keys import ProductKey
from ansible_collections.winops.kms.plugins.plugin_utils._licensing.publishing import PublishDomain
from ansible_collections.winops.kms.tests.unit.plugins.plugin_utils._licensing.fake_windows import (
    CSVLK,
    HOST_ID,
    MAK,
    SERVER_GVLK,
    Call,
    FakeWindows,
    dropped,
    keyed_client,
    keyed_host,
    refused,
)

KEY = ProductKey.parse(CSVLK)
RESTART = [Call("sppsvc", "StopService"), Call("sppsvc", "StartService")]
DOMAINS = (PublishDomain("corp.example"), PublishDomain("lab.example", 10, 20))
ALL: dict[str, Any] = {
    "key": KEY,
    "activate": True,
    "port": 1789,
    "activation_interval": 60,
    "renewal_interval": 20160,
    "dns_publishing": False,
    "low_priority": True,
    "publish_domains": DOMAINS,
    "firewall": True,
}


def configure(windows: FakeWindows, *, check: bool = False, application: str = "windows", **wish: Any) -> Outcome:
    wanted = HostWish(**wish)
    wanted.check()
    applier = windows.applier(application, with_firewall=True, with_publish_domains=True)
    return configure_host(applier, wanted, check=check)


def converged() -> FakeWindows:
    """As ALL wants it."""
    windows = FakeWindows(keyed_host())
    windows.service.update(
        IsKeyManagementServiceMachine=1,
        KeyManagementServiceListeningPort=1789,
        VLActivationInterval=60,
        VLRenewalInterval=20160,
        KeyManagementServiceDnsPublishing=False,
        KeyManagementServiceLowPriority=True,
    )
    windows.publish_list = ["lab.example, 10, 20", "Corp.Example"]
    windows.firewall[0]["Enabled"] = 1
    return windows


def sent(windows: FakeWindows) -> list[Call]:
    return [call for call in windows.calls if call.method != "RefreshLicenseStatus"]


def test_a_converged_host_gets_no_write_and_no_restart() -> None:
    windows = converged()
    outcome = configure(windows, **ALL)
    assert windows.calls == []
    assert not outcome.changed
    assert not outcome.restarted
    assert outcome.error is None


def test_everything_at_once_from_a_kms_client() -> None:
    windows = FakeWindows(keyed_client())
    predicted = configure(windows, check=True, **ALL)
    assert windows.calls == []
    outcome = configure(windows, **ALL)
    assert windows.methods == [
        "InstallProductKey",
        "Activate",
        "SetKeyManagementServiceListeningPort",
        "SetVLActivationInterval",
        "SetVLRenewalInterval",
        "DisableKeyManagementServiceDnsPublishing",
        "EnableKeyManagementServiceLowPriority",
        "SetMultiStringValue",
        "Enable",
        "StopService",
        "StartService",
    ]
    assert outcome.error is None
    assert outcome.changes == predicted.changes
    assert outcome.after.product is not None and outcome.after.product.activation_id == HOST_ID
    windows.calls.clear()
    assert not configure(windows, **ALL).changed
    assert windows.calls == []


@pytest.mark.parametrize(
    ("drift", "call"),
    [
        (
            {"KeyManagementServiceListeningPort": 0},
            Call("service", "SetKeyManagementServiceListeningPort", {"PortNumber": 1789}),
        ),
        ({"VLActivationInterval": 120}, Call("service", "SetVLActivationInterval", {"ActivationInterval": 60})),
        ({"VLRenewalInterval": 10080}, Call("service", "SetVLRenewalInterval", {"RenewalInterval": 20160})),
        (
            {"KeyManagementServiceDnsPublishing": True},
            Call("service", "DisableKeyManagementServiceDnsPublishing", {"DisablePublishing": True}),
        ),
        (
            {"KeyManagementServiceLowPriority": False},
            Call("service", "EnableKeyManagementServiceLowPriority", {"EnableLowPriority": True}),
        ),
    ],
)
def test_each_drift_is_one_call_and_one_restart(drift: dict[str, Any], call: Call) -> None:
    windows = converged()
    windows.service.update(drift)
    outcome = configure(windows, **ALL)
    assert windows.calls == [call, *RESTART]
    assert outcome.restarted
    assert len(outcome.changes) == 1


def test_the_firewall_rule_needs_no_restart() -> None:
    windows = converged()
    windows.firewall[0]["Enabled"] = 2
    outcome = configure(windows, **ALL)
    assert windows.calls == [Call("firewall", "Enable")]
    assert not outcome.restarted
    windows.calls.clear()
    configure(windows, firewall=False)
    assert windows.calls == [Call("firewall", "Disable")]


def test_the_default_port_is_no_change_where_none_is_set() -> None:
    windows = FakeWindows(keyed_host())
    assert not configure(windows, port=1688).changed


# --- the publish list -----------------------------------------------------------------------------------------------


def test_the_publish_list_is_exactly_what_is_given() -> None:
    windows = converged()
    outcome = configure(windows, publish_domains=DOMAINS[:1])
    assert windows.publish_list == ["corp.example, 0, 0"]
    assert sent(windows)[1:] == RESTART
    assert outcome.changes[0].as_result() == {
        "setting": "publish_domains",
        "before": ["lab.example, 10, 20", "corp.example, 0, 0"],
        "after": ["corp.example, 0, 0"],
    }


@pytest.mark.parametrize("order", [DOMAINS, DOMAINS[::-1]])
def test_the_order_of_the_publish_list_means_nothing(order: tuple[PublishDomain, ...]) -> None:
    assert not configure(converged(), publish_domains=order).changed


def test_another_priority_is_another_line() -> None:
    windows = converged()
    assert configure(windows, publish_domains=(DOMAINS[0], PublishDomain("lab.example", 11, 20))).changed


def test_an_empty_publish_list_removes_the_value() -> None:
    windows = converged()
    configure(windows, publish_domains=())
    assert windows.methods[0] == "DeleteValue"
    assert windows.publish_list is None
    windows.calls.clear()
    assert not configure(windows, publish_domains=()).changed
    assert windows.calls == []


def test_no_publish_list_given_leaves_it() -> None:
    windows = converged()
    assert not configure(windows, firewall=True).changed


@pytest.mark.parametrize(
    ("domains", "message"),
    [
        (("corp.example", "CORP.example."), "listed twice"),
        (("",), "not a DNS domain name"),
        (("corp..example",), "not a DNS domain name"),
        (("corp example",), "not a DNS domain name"),
        (("corp.example, 1",), "not a DNS domain name"),
        (("x" * 64 + ".example",), "not a DNS domain name"),
    ],
)
def test_what_can_be_no_publish_list(domains: tuple[str, ...], message: str) -> None:
    with pytest.raises(InvalidOption, match=rf"^publish_domains: .*{message}"):
        configure(FakeWindows(), publish_domains=tuple(PublishDomain.of(domain) for domain in domains))


@pytest.mark.parametrize(("priority", "weight"), [(65536, 0), (0, 65536), (-1, 0), (0, -1)])
def test_priority_and_weight_are_of_sixteen_bits(priority: int, weight: int) -> None:
    with pytest.raises(InvalidOption, match="must be 0 to 65535"):
        configure(FakeWindows(), publish_domains=(PublishDomain("corp.example", priority, weight),))
    HostWish(publish_domains=(PublishDomain("corp.example", 65535, 65535),)).check()


# --- keys -----------------------------------------------------------------------------------------------------------


def test_a_client_setup_key_is_no_host_key() -> None:
    with pytest.raises(InvalidOption, match="not a KMS host key"):
        configure(FakeWindows(), key=ProductKey.parse(SERVER_GVLK))


def test_a_mak_is_found_out_before_it_is_activated() -> None:
    windows = FakeWindows(keyed_client())
    outcome = configure(windows, key=ProductKey.parse(MAK), activate=True, port=1789)
    assert "Activate" not in windows.methods
    assert "SetKeyManagementServiceListeningPort" not in windows.methods
    assert outcome.error is not None
    assert "Volume:MAK, not csvlk" in str(outcome.error)


def test_a_licensed_host_key_is_never_activated_again() -> None:
    windows = FakeWindows(keyed_host())
    configure(windows, key=KEY, activate=True)
    assert windows.calls == []


def test_a_lost_answer_to_the_activation_spends_nothing_twice() -> None:
    windows = FakeWindows(keyed_host(licensed=False))
    windows.fail("Activate", dropped)
    outcome = configure(windows, key=KEY, activate=True, port=1789)
    assert windows.methods == ["Activate"]
    assert outcome.error is not None and "was not sent a second time" in outcome.error.info.remedy


def test_an_activation_that_microsoft_refuses_keeps_its_code() -> None:
    windows = FakeWindows(keyed_client())
    windows.fail("Activate", refused(0xC004C008))
    outcome = configure(windows, key=KEY, activate=True, port=1789)
    assert outcome.error is not None and outcome.error.info.code == "0xC004C008"
    assert "SetKeyManagementServiceListeningPort" not in windows.methods
    assert "product_key" in [change.setting for change in outcome.changes]


@pytest.mark.parametrize(
    "wish",
    [
        {"activate": True},
        {"port": 1688},
        {"activation_interval": 120},
        {"dns_publishing": True},
        {"low_priority": False},
    ],
)
def test_host_settings_need_a_host_key(wish: dict[str, Any]) -> None:
    windows = FakeWindows(keyed_client())
    with pytest.raises(LicensingError, match=f"{next(iter(wish))}: this machine is no KMS host") as caught:
        configure(windows, **wish)
    assert "key" in caught.value.info.remedy
    assert windows.calls == []
    # In check mode the task that installs the key has not done it either.
    outcome = configure(windows, check=True, **wish)
    assert outcome.error is None
    assert any("no KMS host" in warning for warning in outcome.warnings)


def test_firewall_and_publish_list_can_be_prepared_before_there_is_a_key() -> None:
    windows = FakeWindows(keyed_client())
    outcome = configure(windows, firewall=True, publish_domains=DOMAINS)
    assert [change.setting for change in outcome.changes] == ["publish_domains", "firewall"]


def test_a_host_key_that_is_not_activated_yet_is_enough_for_settings() -> None:
    windows = FakeWindows(keyed_host(licensed=False))
    assert configure(windows, activation_interval=60).error is None


@pytest.mark.parametrize(
    "wish", [{"port": 0}, {"port": 65536}, {"activation_interval": 14}, {"renewal_interval": 43201}]
)
def test_numbers_out_of_range(wish: dict[str, Any]) -> None:
    with pytest.raises(InvalidOption, match="out of range"):
        configure(FakeWindows(keyed_host()), **wish)


# --- firewall -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("lacking", ["class", "rule"])
def test_a_windows_without_the_rule_is_an_error_only_when_the_rule_is_asked_for(lacking: str) -> None:
    windows = FakeWindows(keyed_host())
    windows.firewall = []
    windows.missing = {"MSFT_NetFirewallRule"} if lacking == "class" else set()
    for present in (True, False):
        with pytest.raises(LicensingError, match="SPPSVC-In-TCP") as caught:
            configure(windows, firewall=True, present=present)
        assert "leave firewall out" in caught.value.info.remedy
    assert windows.calls == []
    assert configure(windows, present=False).error is None
    assert "UninstallProductKey" in windows.methods


def test_another_port_needs_another_rule() -> None:
    windows = FakeWindows(keyed_host())
    (warning,) = configure(windows, firewall=True, port=1789).warnings
    assert "1688 only" in warning and "1789" in warning
    assert configure(windows, firewall=True, port=1688).warnings == []


# --- the way back ---------------------------------------------------------------------------------------------------


def test_absent_removes_everything_and_the_key_last() -> None:
    windows = converged()
    predicted = configure(windows, check=True, present=False)
    assert windows.calls == []
    outcome = configure(windows, present=False)
    assert windows.methods == [
        "Disable",
        "DeleteValue",
        "ClearKeyManagementServiceListeningPort",
        "UninstallProductKey",
        "StopService",
        "StartService",
    ]
    assert outcome.changes == predicted.changes
    assert outcome.changes[-1].as_result() == {"setting": "product_key", "before": "*****-HHHHH", "after": None}
    windows.service["IsKeyManagementServiceMachine"] = 0
    windows.calls.clear()
    assert not configure(windows, present=False).changed
    assert windows.calls == []


def test_absent_leaves_the_key_of_a_kms_client() -> None:
    windows = FakeWindows(keyed_client())
    assert not configure(windows, present=False).changed
    assert windows.calls == []


def test_absent_leaves_the_rule_open_where_it_is_asked_to() -> None:
    windows = converged()
    configure(windows, present=False, firewall=True)
    assert windows.firewall[0]["Enabled"] == 1


def test_absent_needs_no_host_key() -> None:
    windows = FakeWindows()
    assert configure(windows, present=False, port=1789).error is None
