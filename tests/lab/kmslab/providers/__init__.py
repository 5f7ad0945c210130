# Copyright (c) 2026, the winops.kms authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The CIM classes of a simulated machine: licensing, operating system, services, firewall, registry, DNS server."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..cim import Provider
from .dns_server import DnsServerProvider, DnsZoneProvider, SrvRecordProvider
from .eventlog import LogEventProvider, LogFileProvider
from .firewall import FirewallProvider
from .health import TimeZoneProvider, TpmProvider, UpdateProvider, UtcTimeProvider
from .licensing import ProductProvider, ServiceProvider, TokenProvider
from .registry import RegistryProvider
from .system import ComputerSystemProvider, OperatingSystemProvider, WindowsServiceProvider

if TYPE_CHECKING:
    from ..model.estate import Estate
    from ..model.machine import Machine


def build_providers(estate: Estate, machine: Machine) -> dict[tuple[str, str], Provider]:
    """All classes of one machine, keyed by (namespace, class name) in lower case."""
    providers: list[Provider] = [
        ServiceProvider(estate, machine),
        ProductProvider(estate, machine),
        TokenProvider(estate, machine),
        OperatingSystemProvider(estate, machine),
        ComputerSystemProvider(estate, machine),
        WindowsServiceProvider(estate, machine),
        UtcTimeProvider(estate, machine),
        TimeZoneProvider(estate, machine),
        UpdateProvider(estate, machine),
        LogEventProvider(estate, machine),
        LogFileProvider(estate, machine),
        RegistryProvider(estate, machine, "root/default"),
        RegistryProvider(estate, machine, "root/cimv2"),
    ]
    if machine.spec.build >= 9200:  # the class came with Windows 8 and Server 2012
        providers.append(FirewallProvider(estate, machine))
        providers.append(TpmProvider(estate, machine))
    if machine.spec.dns_server is not None:
        providers += [one(estate, machine) for one in (DnsServerProvider, DnsZoneProvider, SrvRecordProvider)]
    return {(one.cim_class.namespace.lower(), one.cim_class.name.lower()): one for one in providers}
