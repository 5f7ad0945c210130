# Copyright (c) 2026, the winops.kms authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Clock, time zone, installed updates and TPM: Win32_UTCTime, Win32_TimeZone, Win32_QuickFixEngineering, Win32_Tpm."""

from __future__ import annotations

import datetime
from collections.abc import Iterable
from typing import TYPE_CHECKING

from ..cim import Value
from ..model.machine import Machine
from .base import BaseProvider, wmi_class

if TYPE_CHECKING:
    from ..model.estate import Estate

TPM_NAMESPACE = "root/cimv2/Security/MicrosoftTpm"

# The class has no key: there is one instance.
_UTC_TIME = """
Day uint32
DayOfWeek uint32
Hour uint32
Milliseconds uint32
Minute uint32
Month uint32
Quarter uint32
Second uint32
WeekInMonth uint32
Year uint32
"""

_TIME_ZONE = """
StandardName string key
Bias sint32
Caption string
DaylightBias sint32
DaylightName string
Description string
SettingID string
StandardBias uint32
"""

_UPDATE = """
HotFixID string key
CSName string key
ServicePackInEffect string key
Caption string
Description string
FixComments string
InstallDate datetime
InstalledBy string
InstalledOn string
Name string
Status string
"""

_TPM = """
IsActivated_InitialValue boolean
IsEnabled_InitialValue boolean
IsOwned_InitialValue boolean
ManufacturerId uint32
ManufacturerIdTxt string
ManufacturerVersion string
ManufacturerVersionFull20 string
ManufacturerVersionInfo string
PhysicalPresenceVersionInfo string
SpecVersion string
"""


class UtcTimeProvider(BaseProvider):
    """Win32_UTCTime: the time of the machine's own clock, in UTC."""

    def __init__(self, estate: Estate, machine: Machine) -> None:
        super().__init__(estate, machine)
        self.cim_class = wmi_class("root/cimv2", "Win32_UTCTime", _UTC_TIME)

    def rows(self) -> Iterable[dict[str, Value]]:
        now = self.estate.now(self.machine).astimezone(datetime.timezone.utc)
        return [
            {
                "Day": now.day,
                "DayOfWeek": now.isoweekday() % 7,
                "Hour": now.hour,
                "Milliseconds": None,
                "Minute": now.minute,
                "Month": now.month,
                "Quarter": (now.month + 2) // 3,
                "Second": now.second,
                "WeekInMonth": (now.day + 6) // 7,
                "Year": now.year,
            }
        ]


class TimeZoneProvider(BaseProvider):
    """Win32_TimeZone; the lab's zones have no daylight saving time."""

    def __init__(self, estate: Estate, machine: Machine) -> None:
        super().__init__(estate, machine)
        self.cim_class = wmi_class("root/cimv2", "Win32_TimeZone", _TIME_ZONE)

    def rows(self) -> Iterable[dict[str, Value]]:
        bias = self.machine.spec.time_zone
        shown = f"(UTC{'-' if bias < 0 else '+'}{abs(bias) // 60:02d}:{abs(bias) % 60:02d})"
        return [
            {
                "StandardName": f"Lab {shown}",
                "Bias": bias,
                "Caption": f"{shown} Lab",
                "DaylightBias": 0,
                "DaylightName": f"Lab {shown}",
                "Description": f"{shown} Lab",
                "StandardBias": 0,
            }
        ]


class UpdateProvider(BaseProvider):
    """Win32_QuickFixEngineering: the updates that the machine lists.  A later one takes the place of an earlier one."""

    def __init__(self, estate: Estate, machine: Machine) -> None:
        super().__init__(estate, machine)
        self.cim_class = wmi_class("root/cimv2", "Win32_QuickFixEngineering", _UPDATE)

    def rows(self) -> Iterable[dict[str, Value]]:
        return [
            {
                "HotFixID": update,
                "CSName": self.machine.name.upper(),
                "ServicePackInEffect": "",
                "Caption": f"http://support.microsoft.com/?kbid={update[2:]}",
                "Description": "Update",
                "FixComments": "",
                "InstalledBy": "NT AUTHORITY\\SYSTEM",
                "InstalledOn": "2/1/2026",
            }
            for update in self.machine.updates
        ]


class TpmProvider(BaseProvider):
    """Win32_Tpm of a machine that has a TPM; without one there is no instance, and before Windows 8 no class here."""

    def __init__(self, estate: Estate, machine: Machine) -> None:
        super().__init__(estate, machine)
        self.cim_class = wmi_class(TPM_NAMESPACE, "Win32_Tpm", _TPM)

    def rows(self) -> Iterable[dict[str, Value]]:
        tpm = self.machine.spec.tpm
        if tpm is None:
            return []
        return [
            {
                "IsActivated_InitialValue": tpm.activated,
                "IsEnabled_InitialValue": tpm.enabled,
                "IsOwned_InitialValue": tpm.owned,
                "ManufacturerId": 0x4C414220,
                "ManufacturerIdTxt": "LAB",
                "ManufacturerVersion": "1.0",
                "ManufacturerVersionFull20": "1.0.0.0",
                "ManufacturerVersionInfo": "Simulated TPM",
                "PhysicalPresenceVersionInfo": "1.3",
                "SpecVersion": tpm.spec_version,
            }
        ]
