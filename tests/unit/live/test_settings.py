# Copyright (c) 2026, the winops.kms authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The environment variables of the live tests, and what counts as a write."""

from __future__ import annotations

from pathlib import Path

import pytest

from ansible_collections.winops.kms.tests.live.playbook import Request
from ansible_collections.winops.kms.tests.live.settings import SettingsError, is_wanted, read

WMI = "http://schemas.microsoft.com/wbem/wsman/1/wmi/root"


@pytest.fixture
def given(tmp_path: Path) -> dict[str, str]:
    inventory = tmp_path / "hosts.yml"
    inventory.touch()
    return {"WINOPS_LIVE_INVENTORY": str(inventory), "WINOPS_LIVE_HOST": "kms1"}


def test_nothing_is_wanted_by_default() -> None:
    assert not is_wanted({"WINOPS_LIVE_WRITE": "1"})
    assert is_wanted({"WINOPS_LIVE_HOST": "kms1"})


def test_reading_is_the_default(given: dict[str, str]) -> None:
    settings = read(given)
    assert (settings.write, settings.connections, settings.probe) == (False, ("winrm", "psrp"), "none")


@pytest.mark.parametrize(
    ("name", "value", "text"),
    [
        ("WINOPS_LIVE_HOST", "", "WINOPS_LIVE_HOST must be set"),
        ("WINOPS_LIVE_INVENTORY", "/nowhere/hosts", "there is no /nowhere/hosts"),
        ("WINOPS_LIVE_CONNECTIONS", "winrm,ssh", "ssh is not one of winrm, psrp"),
        ("WINOPS_LIVE_WRITE", "yes", "set it to 1"),
        ("WINOPS_LIVE_PROBE", "kms", "kms is not one of"),
        ("WINOPS_LIVE_DNS_SERVER", "dc1:dns", "dns is not a port"),
    ],
)
def test_a_wrong_variable_is_named(given: dict[str, str], name: str, value: str, text: str) -> None:
    with pytest.raises(SettingsError) as caught:
        read({**given, name: value})
    assert text in str(caught.value)


@pytest.mark.parametrize(
    ("value", "server", "port"),
    [
        ("dc1", "dc1", 53),
        ("dc1:5353", "dc1", 5353),
        ("192.0.2.1", "192.0.2.1", 53),
        ("2001:db8::1", "2001:db8::1", 53),
        ("[2001:db8::1]:5353", "2001:db8::1", 5353),
    ],
)
def test_the_dns_server(given: dict[str, str], value: str, server: str, port: int) -> None:
    settings = read({**given, "WINOPS_LIVE_DNS_SERVER": value})
    assert (settings.dns_server, settings.dns_port) == (server, port)


@pytest.mark.parametrize(
    ("action", "resource", "kind"),
    [
        ("http://schemas.xmlsoap.org/ws/2004/09/enumeration/Pull", f"{WMI}/cimv2/*", "read"),
        ("http://schemas.xmlsoap.org/ws/2004/09/transfer/Get", f"{WMI}/cimv2/Win32_Service", "read"),
        (f"{WMI}/default/StdRegProv/GetDWORDValue", f"{WMI}/default/StdRegProv", "read"),
        (f"{WMI}/default/StdRegProv/SetDWORDValue", f"{WMI}/default/StdRegProv", "write"),
        (f"{WMI}/cimv2/SoftwareLicensingProduct/Activate", f"{WMI}/cimv2/SoftwareLicensingProduct", "write"),
        # Looks by its name like a method that reads; only those of the registry are known to.
        (f"{WMI}/cimv2/Any/GetLost", f"{WMI}/cimv2/Any", "write"),
        (
            "http://schemas.xmlsoap.org/ws/2004/09/transfer/Create",
            "http://schemas.microsoft.com/wbem/wsman/1/windows/shell/cmd",
            "shell",
        ),
        (
            "http://schemas.xmlsoap.org/ws/2004/09/transfer/Create",
            "http://schemas.microsoft.com/powershell/Microsoft.PowerShell",
            "shell",
        ),
    ],
)
def test_what_a_request_does(action: str, resource: str, kind: str) -> None:
    assert Request(action, resource).kind == kind
