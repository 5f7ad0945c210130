# Copyright (c) 2026, the winops.kms authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Win32_OperatingSystem, Win32_ComputerSystem, Win32_Service."""

from __future__ import annotations

import datetime
from collections.abc import Iterable
from typing import TYPE_CHECKING

from ..cim import Instance, Value, WmiError
from ..model.codes import WBEM_NOT_FOUND
from ..model.machine import Machine, Service
from ..model.rearm import booted
from .base import BaseProvider, text_key, wmi_class

if TYPE_CHECKING:
    from ..model.estate import Estate

_OPERATING_SYSTEM = """
Name string key
BootDevice string
BuildNumber string
Caption string
CodeSet string
CountryCode string
CSDVersion string
CSName string
CurrentTimeZone sint16
FreePhysicalMemory uint64
InstallDate datetime
LastBootUpTime datetime
LocalDateTime datetime
Locale string
Manufacturer string
MUILanguages string[]
OperatingSystemSKU uint32
OSArchitecture string
OSLanguage uint32
OSProductSuite uint32
OSType uint16
PortableOperatingSystem boolean
Primary boolean
ProductType uint32
RegisteredUser string
SerialNumber string
ServicePackMajorVersion uint16
ServicePackMinorVersion uint16
Status string
SystemDirectory string
TotalVisibleMemorySize uint64
Version string
WindowsDirectory string
"""

_COMPUTER_SYSTEM = """
Name string key
Caption string
CurrentTimeZone sint16
DNSHostName string
Domain string
DomainRole uint16
Manufacturer string
Model string
NumberOfLogicalProcessors uint32
NumberOfProcessors uint32
PartOfDomain boolean
PrimaryOwnerName string
Roles string[]
Status string
SystemType string
TotalPhysicalMemory uint64
Workgroup string
"""

_SERVICE = """
Name string key
AcceptPause boolean
AcceptStop boolean
Caption string
DelayedAutoStart boolean
Description string
DesktopInteract boolean
DisplayName string
ErrorControl string
ExitCode uint32
PathName string
ProcessId uint32
ServiceType string
Started boolean
StartMode string
StartName string
State string
Status string
SystemName string
"""

_SERVICE_METHODS = """
StartService()
StopService()
ChangeStartMode(StartMode string)
InterrogateService() read
"""

#: ChangeStartMode's argument -> Win32_Service.StartMode.
_START_MODES = {"automatic": "Auto", "manual": "Manual", "disabled": "Disabled"}
_INVALID_PARAMETER = 21
_MEMORY_KIB = 4193784


class OperatingSystemProvider(BaseProvider):
    """Win32_OperatingSystem: the installed Windows, with a localised caption."""

    def __init__(self, estate: Estate, machine: Machine) -> None:
        super().__init__(estate, machine)
        self.cim_class = wmi_class("root/cimv2", "Win32_OperatingSystem", _OPERATING_SYSTEM)

    def rows(self) -> Iterable[dict[str, Value]]:
        machine = self.machine
        # As Windows does, with the offset of the machine's time zone; the instant is that of its own clock.
        zone = datetime.timezone(datetime.timedelta(minutes=machine.spec.time_zone))
        now = self.estate.now(machine).astimezone(zone)
        server = machine.edition.kind == "server"
        kernel = f"{machine.kernel}.{machine.spec.build}"
        return [
            {
                "Name": f"{machine.caption}|C:\\Windows|\\Device\\Harddisk0\\Partition4",
                "BootDevice": "\\Device\\HarddiskVolume1",
                "BuildNumber": str(machine.spec.build),
                "Caption": machine.caption,
                "CodeSet": "1252",
                "CountryCode": "1",
                "CSDVersion": "Service Pack 1" if machine.spec.build == 7601 else None,
                "CSName": machine.name.upper(),
                "CurrentTimeZone": machine.spec.time_zone,
                "FreePhysicalMemory": _MEMORY_KIB // 3,
                "InstallDate": now - datetime.timedelta(days=40),
                "LastBootUpTime": booted(machine, now),
                "LocalDateTime": now,
                "Locale": f"{machine.locale.lcid:04x}",
                "Manufacturer": "Microsoft Corporation",
                "MUILanguages": [machine.locale.tag],
                "OperatingSystemSKU": machine.sku,
                "OSArchitecture": "64-bit",
                "OSLanguage": machine.locale.lcid,
                "OSProductSuite": 272 if server else 256,
                "OSType": 18,
                "PortableOperatingSystem": False,
                "Primary": True,
                "ProductType": 2 if machine.spec.domain_controller else 3 if server else 1,
                "RegisteredUser": "",
                "SerialNumber": "00000-00000-00000-AA000",
                "ServicePackMajorVersion": 1 if machine.spec.build == 7601 else 0,
                "ServicePackMinorVersion": 0,
                "Status": "OK",
                "SystemDirectory": "C:\\Windows\\system32",
                "TotalVisibleMemorySize": _MEMORY_KIB,
                "Version": kernel,
                "WindowsDirectory": "C:\\Windows",
            }
        ]


class ComputerSystemProvider(BaseProvider):
    """Win32_ComputerSystem: names and domain membership."""

    def __init__(self, estate: Estate, machine: Machine) -> None:
        super().__init__(estate, machine)
        self.cim_class = wmi_class("root/cimv2", "Win32_ComputerSystem", _COMPUTER_SYSTEM)

    def rows(self) -> Iterable[dict[str, Value]]:
        machine = self.machine
        member = machine.domain is not None
        server = machine.edition.kind == "server"
        role = 5 if machine.spec.domain_controller else (2 if server else 0) + member
        return [
            {
                "Name": machine.name.upper(),
                "Caption": machine.name.upper(),
                "CurrentTimeZone": machine.spec.time_zone,
                "DNSHostName": machine.name,
                "Domain": machine.domain or "WORKGROUP",
                "DomainRole": role,
                "Manufacturer": "Lab",
                "Model": "Simulated machine",
                "NumberOfLogicalProcessors": 2,
                "NumberOfProcessors": 1,
                "PartOfDomain": member,
                "PrimaryOwnerName": "",
                "Roles": ["LM_Workstation", "LM_Server", "NT", *(["Server_NT"] if server else [])],
                "Status": "OK",
                "SystemType": "x64-based PC",
                "TotalPhysicalMemory": _MEMORY_KIB * 1024,
                "Workgroup": None if member else "WORKGROUP",
            }
        ]


class WindowsServiceProvider(BaseProvider):
    """Win32_Service: a handful of services; starting, stopping and the start mode really change them."""

    def __init__(self, estate: Estate, machine: Machine) -> None:
        super().__init__(estate, machine)
        self.cim_class = wmi_class("root/cimv2", "Win32_Service", _SERVICE, _SERVICE_METHODS)
        self.handlers = {
            "StartService": lambda keys, _a: {"ReturnValue": self._service(keys).start()},
            "StopService": lambda keys, _a: {"ReturnValue": self._service(keys).stop()},
            "InterrogateService": lambda keys, _a: {"ReturnValue": 0 if self._service(keys).state == "Running" else 6},
            "ChangeStartMode": self._change_start_mode,
        }

    def rows(self) -> Iterable[dict[str, Value]]:
        return [self._row(service) for service in self.machine.services.values()]

    def _row(self, service: Service) -> dict[str, Value]:
        state = service.read_state()
        return {
            "Name": service.name,
            "AcceptPause": False,
            "AcceptStop": state == "Running",
            "Caption": service.display_name,
            "DelayedAutoStart": service.delayed and service.start_mode == "Auto",
            "Description": service.display_name,
            "DesktopInteract": False,
            "DisplayName": service.display_name,
            "ErrorControl": "Normal",
            "ExitCode": 0,
            "PathName": f"C:\\Windows\\system32\\{service.name.lower()}.exe",
            "ProcessId": service.process_id if state != "Stopped" else 0,
            "ServiceType": "Own Process",
            "Started": state != "Stopped",
            "StartMode": service.start_mode,
            "StartName": "NT AUTHORITY\\NetworkService",
            "State": state,
            "Status": "OK",
            "SystemName": self.machine.name.upper(),
        }

    def _service(self, keys: Instance | None) -> Service:
        service = self.machine.services.get(text_key(keys, "Name"))
        if service is None:
            raise WmiError(WBEM_NOT_FOUND)
        return service

    def _change_start_mode(self, keys: Instance | None, arguments: Instance) -> Instance:
        mode = _START_MODES.get(str(arguments.get("StartMode", "")).lower())
        service = self._service(keys)
        if mode is None:
            return {"ReturnValue": _INVALID_PARAMETER}
        service.start_mode = mode
        return {"ReturnValue": 0}
