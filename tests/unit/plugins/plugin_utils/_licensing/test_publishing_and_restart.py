# Copyright (c) 2026, the winops.kms authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""DnsDomainPublishList and the restart of the service."""

from __future__ import annotations

import pytest

from ansible_collections.winops.kms.plugins.plugin_utils._cim.errors import CimTimedOut, CimTransportError
from ansible_collections.winops.kms.plugins.plugin_utils._licensing.errors import LicensingError
from ansible_collections.winops.kms.plugins.plugin_utils._licensing.publishing import (
    PublishDomain,
    read_publish_domains,
    write_publish_domains,
)
from ansible_collections.winops.kms.plugins.plugin_utils._licensing.restart import restart_licensing_service
from ansible_collections.winops.kms.tests.unit.plugins.plugin_utils._licensing.fake_windows import (
    FakeWindows,
    dropped,
    refused,
)


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("corp.example", PublishDomain("corp.example", 0, 0)),
        ("corp.example, 10, 20", PublishDomain("corp.example", 10, 20)),
        ("corp.example,10,20", PublishDomain("corp.example", 10, 20)),
        ("  Corp.Example. ,\t10 , 20 ", PublishDomain("corp.example", 10, 20)),
        ("corp.example, 10", PublishDomain("corp.example", 10, 0)),
        ("corp.example, , 20", PublishDomain("corp.example", 0, 20)),
        ("corp.example, x, -1", PublishDomain("corp.example", 0, 0)),
        ("corp.example, \u00b2, 1", PublishDomain("corp.example", 0, 1)),
        ("corp.example, 1, 2, 3", PublishDomain("corp.example", 1, 2)),
    ],
)
def test_lines_are_understood_as_windows_writes_them(line: str, expected: PublishDomain) -> None:
    assert PublishDomain.parse(line) == expected


def test_what_is_written_is_what_is_read() -> None:
    windows = FakeWindows()
    domains = (PublishDomain.of("Corp.Example.", 1, 2), PublishDomain.of("b.example"))
    write_publish_domains(windows, domains)
    assert windows.publish_list == ["corp.example, 1, 2", "b.example, 0, 0"]
    assert read_publish_domains(windows) == domains


def test_a_list_that_is_not_there_is_empty_and_can_be_removed_all_the_same() -> None:
    windows = FakeWindows()
    assert read_publish_domains(windows) == ()
    write_publish_domains(windows, ())
    assert windows.methods == ["DeleteValue"]


def test_blank_lines_do_not_count() -> None:
    windows = FakeWindows()
    windows.publish_list = ["", "  ", "corp.example"]
    assert read_publish_domains(windows) == (PublishDomain("corp.example"),)


def test_the_list_is_written_below_the_key_of_the_platform() -> None:
    windows = FakeWindows()
    write_publish_domains(windows, (PublishDomain("corp.example"),))
    assert windows.calls[0].parameters == {
        "hDefKey": 0x80000002,
        "sSubKeyName": r"SOFTWARE\Microsoft\Windows NT\CurrentVersion\SoftwareProtectionPlatform",
        "sValueName": "DnsDomainPublishList",
        "sValue": ["corp.example, 0, 0"],
    }


class _Stopping(FakeWindows):
    """Its service needs a number of looks to stop."""

    looks = 3

    def query(self, *args: object, **options: object) -> list[object]:  # type: ignore[override]
        if self.methods == ["StopService"]:
            self.looks -= 1
            self.sppsvc = "Stopped" if self.looks <= 0 else "Stop Pending"
        return list(super().query(*args, **options))  # type: ignore[arg-type]


def test_the_service_is_started_only_when_it_has_stopped() -> None:
    windows = _Stopping()
    waits: list[float] = []
    restart_licensing_service(windows, pause=waits.append)
    assert windows.methods == ["StopService", "StartService"]
    assert len(waits) == 2
    assert windows.sppsvc == "Running"


def test_a_service_that_had_stopped_by_itself_is_only_started() -> None:
    windows = FakeWindows()
    windows.sppsvc = "Stopped"
    restart_licensing_service(windows, pause=lambda seconds: None)
    assert windows.methods == ["StartService"]


def test_a_service_that_does_not_stop_is_an_error_and_not_waited_for_without_end() -> None:
    windows = FakeWindows()
    windows.ignored = {"StopService"}
    waits: list[float] = []
    with pytest.raises(LicensingError, match=r"sppsvc did not stop within 30 seconds.*settings are written"):
        restart_licensing_service(windows, pause=waits.append)
    assert sum(waits) <= 30
    assert windows.methods == ["StopService"]


@pytest.mark.parametrize("method", ["StopService", "StartService"])
def test_a_refusal_keeps_its_code_and_says_that_the_restart_is_still_to_be_done(method: str) -> None:
    windows = FakeWindows()
    windows.fail(method, refused(0x8007041D))
    with pytest.raises(LicensingError, match="settings are written") as caught:
        restart_licensing_service(windows, pause=lambda seconds: None)
    assert caught.value.info.code == "0x8007041D"
    assert windows.methods[-1] == method


@pytest.mark.parametrize("method", ["StopService", "StartService"])
def test_a_host_that_is_gone_meanwhile_is_unreachable_and_the_restart_is_still_to_be_done(method: str) -> None:
    windows = FakeWindows()
    windows.fail(method, dropped)
    with pytest.raises(CimTransportError, match="settings are written"):
        restart_licensing_service(windows, pause=lambda seconds: None)


@pytest.mark.parametrize("method", ["StopService", "StartService"])
def test_a_call_that_winrm_gave_up_waiting_for_is_made_once_more(method: str) -> None:
    windows = FakeWindows()
    windows.fail(method, lambda: CimTimedOut("Zeitlimit"), done=True)
    restart_licensing_service(windows, pause=lambda seconds: None)
    assert windows.methods.count(method) == 2
    assert windows.sppsvc == "Running"
