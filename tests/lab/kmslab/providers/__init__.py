# Copyright (c) 2026, the winops.kms authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The CIM classes of a simulated machine: licensing, operating system, services, firewall, registry, DNS server."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING

from ..cim import Provider
from .dns_server import NAMESPACE as DNS_NAMESPACE
from .dns_server import DnsServerProvider, DnsZoneProvider, SrvRecordProvider
from .eventlog import LogEventProvider, LogFileProvider
from .firewall import FirewallProvider
from .health import TPM_NAMESPACE, TimeZoneProvider, TpmProvider, UpdateProvider, UtcTimeProvider
from .licensing import ProductProvider, ServiceProvider, TokenProvider
from .registry import RegistryProvider
from .system import ComputerSystemProvider, OperatingSystemProvider, WindowsServiceProvider

if TYPE_CHECKING:
    from ..model.estate import Estate
    from ..model.machine import Machine


Key = tuple[str, str]
Maker = Callable[["Estate", "Machine"], Provider]

#: (namespace, class) -> what makes its provider for a machine.
_EVERYWHERE: Mapping[Key, Maker] = {
    ("root/cimv2", "SoftwareLicensingService"): ServiceProvider,
    ("root/cimv2", "SoftwareLicensingProduct"): ProductProvider,
    ("root/cimv2", "SoftwareLicensingTokenActivationLicense"): TokenProvider,
    ("root/cimv2", "Win32_OperatingSystem"): OperatingSystemProvider,
    ("root/cimv2", "Win32_ComputerSystem"): ComputerSystemProvider,
    ("root/cimv2", "Win32_Service"): WindowsServiceProvider,
    ("root/cimv2", "Win32_UTCTime"): UtcTimeProvider,
    ("root/cimv2", "Win32_TimeZone"): TimeZoneProvider,
    ("root/cimv2", "Win32_QuickFixEngineering"): UpdateProvider,
    ("root/cimv2", "Win32_NTLogEvent"): LogEventProvider,
    ("root/cimv2", "Win32_NTEventlogFile"): LogFileProvider,
    ("root/default", "StdRegProv"): lambda estate, machine: RegistryProvider(estate, machine, "root/default"),
    ("root/cimv2", "StdRegProv"): lambda estate, machine: RegistryProvider(estate, machine, "root/cimv2"),
}
#: From Windows 8 and Server 2012 on.
_SINCE_8: Mapping[Key, Maker] = {
    ("root/StandardCimv2", "MSFT_NetFirewallRule"): FirewallProvider,
    (TPM_NAMESPACE, "Win32_Tpm"): TpmProvider,
}
_ON_DNS_SERVERS: Mapping[Key, Maker] = {
    (DNS_NAMESPACE, "MicrosoftDNS_Server"): DnsServerProvider,
    (DNS_NAMESPACE, "MicrosoftDNS_Zone"): DnsZoneProvider,
    (DNS_NAMESPACE, "MicrosoftDNS_SRVType"): SrvRecordProvider,
}


def _lower(makers: Mapping[Key, Maker]) -> dict[Key, Maker]:
    return {(namespace.lower(), name.lower()): maker for (namespace, name), maker in makers.items()}


#: (Windows 8 or later, DNS server) -> makers, by names in lower case.
_MAKERS: Mapping[tuple[bool, bool], Mapping[Key, Maker]] = {
    (modern, server): _lower({**_EVERYWHERE, **(_SINCE_8 if modern else {}), **(_ON_DNS_SERVERS if server else {})})
    for modern in (False, True)
    for server in (False, True)
}


class Providers(Mapping[Key, Provider]):
    """All classes of one machine, keyed by (namespace, class name) in lower case; each is made when it is asked for."""

    def __init__(self, estate: Estate, machine: Machine) -> None:
        self._estate = estate
        self._machine = machine
        self._makers = _MAKERS[machine.spec.build >= 9200, machine.spec.dns_server is not None]
        self._made: dict[Key, Provider] = {}

    def __getitem__(self, key: Key) -> Provider:
        found = self._made.get(key)
        if found is None:
            found = self._made[key] = self._makers[key](self._estate, self._machine)
        return found

    def __iter__(self) -> Iterator[Key]:
        return iter(self._makers)

    def __len__(self) -> int:
        return len(self._makers)


def build_providers(estate: Estate, machine: Machine) -> Mapping[Key, Provider]:
    """The classes of one machine."""
    return Providers(estate, machine)
