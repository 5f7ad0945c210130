# Copyright (c) 2026, the winops.kms authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The table of settings: what each row sends, and that it stands for every switch of slmgr.vbs that it should."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest

from ansible_collections.winops.kms.plugins.plugin_utils._licensing.errors import InvalidOption
from ansible_collections.winops.kms.plugins.plugin_utils._licensing.settings import (
    ACTIVATION_TYPE,
    CLIENT_SETTINGS,
    HOST_SETTINGS,
    Setting,
)

CLIENT = {setting.option: setting for setting in CLIENT_SETTINGS}
HOST = {setting.option: setting for setting in HOST_SETTINGS}
ALL = (*CLIENT_SETTINGS, ACTIVATION_TYPE, *HOST_SETTINGS)


@pytest.mark.parametrize(
    ("setting", "value", "method", "parameters"),
    [
        (CLIENT["server"], "kms01", "SetKeyManagementServiceMachine", {"MachineName": "kms01"}),
        (CLIENT["server"], None, "ClearKeyManagementServiceMachine", {}),
        (CLIENT["port"], 1789, "SetKeyManagementServicePort", {"PortNumber": 1789}),
        (CLIENT["port"], 1688, "SetKeyManagementServicePort", {"PortNumber": 1688}),
        (CLIENT["port"], None, "ClearKeyManagementServicePort", {}),
        (CLIENT["lookup_domain"], "a.test", "SetKeyManagementServiceLookupDomain", {"LookupDomain": "a.test"}),
        (CLIENT["lookup_domain"], None, "ClearKeyManagementServiceLookupDomain", {}),
        (CLIENT["host_caching"], True, "DisableKeyManagementServiceHostCaching", {"DisableCaching": False}),
        (CLIENT["host_caching"], False, "DisableKeyManagementServiceHostCaching", {"DisableCaching": True}),
        (ACTIVATION_TYPE, "any", "ClearVLActivationTypeEnabled", {}),
        (ACTIVATION_TYPE, "ad", "SetVLActivationTypeEnabled", {"ActivationType": 1}),
        (ACTIVATION_TYPE, "kms", "SetVLActivationTypeEnabled", {"ActivationType": 2}),
        (ACTIVATION_TYPE, "token", "SetVLActivationTypeEnabled", {"ActivationType": 3}),
        (HOST["port"], 1789, "SetKeyManagementServiceListeningPort", {"PortNumber": 1789}),
        (HOST["port"], None, "ClearKeyManagementServiceListeningPort", {}),
        (HOST["activation_interval"], 15, "SetVLActivationInterval", {"ActivationInterval": 15}),
        (HOST["renewal_interval"], 43200, "SetVLRenewalInterval", {"RenewalInterval": 43200}),
        (HOST["dns_publishing"], True, "DisableKeyManagementServiceDnsPublishing", {"DisablePublishing": False}),
        (HOST["dns_publishing"], False, "DisableKeyManagementServiceDnsPublishing", {"DisablePublishing": True}),
        (HOST["low_priority"], True, "EnableKeyManagementServiceLowPriority", {"EnableLowPriority": True}),
        (HOST["low_priority"], False, "EnableKeyManagementServiceLowPriority", {"EnableLowPriority": False}),
    ],
    ids=lambda value: getattr(value, "option", None) or str(value),
)
def test_the_call_of_each_setting(setting: Setting, value: Any, method: str, parameters: dict[str, Any]) -> None:
    assert setting.call(value) == (method, parameters)


def test_every_switch_of_slmgr_is_replaced_exactly_once() -> None:
    once = "/skms-domain /ckms-domain /skhc /ckhc /act-type /sprt /sai /sri /sdns /cdns /spri /cpri"
    switches = Counter(switch for setting in ALL for switch in setting.slmgr)
    # /skms and /ckms stand for two settings each: a name and a port.
    assert switches == Counter(once.split()) + Counter({"/skms": 2, "/ckms": 2})


@pytest.mark.parametrize(
    ("setting", "low", "high"),
    [
        (CLIENT["port"], 1, 65535),
        (HOST["port"], 1, 65535),
        (HOST["activation_interval"], 15, 43200),
        (HOST["renewal_interval"], 15, 43200),
    ],
    ids=["client port", "host port", "activation_interval", "renewal_interval"],
)
def test_ranges_hold_their_ends(setting: Setting, low: int, high: int) -> None:
    for value in (low, high, None):
        setting.check(value)
    for value in (low - 1, high + 1, -1):
        with pytest.raises(InvalidOption, match=rf"{setting.option}: {value} is out of range.* {low} to {high}"):
            setting.check(value)


def test_a_setting_of_a_kms_host_takes_effect_when_the_service_starts_one_of_a_client_at_once() -> None:
    assert all(setting.restart for setting in HOST_SETTINGS)
    assert not any(setting.restart for setting in (*CLIENT_SETTINGS, ACTIVATION_TYPE))


@pytest.mark.parametrize(
    ("setting", "left", "right", "same"),
    [
        (CLIENT["server"], "KMS01.Corp.Example", "kms01.corp.example", True),
        (CLIENT["server"], "kms01.corp.example.", "kms01.corp.example", True),
        (CLIENT["server"], "kms01", "kms01.corp.example", False),
        (CLIENT["server"], None, "", True),
        (CLIENT["port"], None, 1688, True),
        (CLIENT["port"], None, 1789, False),
        (CLIENT["port"], 1789, None, False),
        (HOST["port"], None, 1688, True),
        (CLIENT["lookup_domain"], "Corp.Example", "corp.example.", True),
        (CLIENT["host_caching"], True, False, False),
        (CLIENT["host_caching"], None, False, False),
        (HOST["activation_interval"], 120, 120, True),
        (ACTIVATION_TYPE, "any", "any", True),
        (ACTIVATION_TYPE, None, "any", False),
    ],
)
def test_which_values_mean_the_same(setting: Setting, left: Any, right: Any, same: bool) -> None:
    assert setting.same(left, right) is same
