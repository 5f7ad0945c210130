# Copyright (c) 2026, the winops.kms authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What Windows knows of its licences, as typed values.

Each dataclass is the one table for its WMI class: the names and CIM types of the properties that are read, in which
Windows they appeared, and the names under which the collection returns them.  The firmware's product key
(OA3xOriginalProductKey) is left out on purpose: it is a secret that nobody here needs.

Properties and their meaning: SoftwareLicensingService and SoftwareLicensingProduct, Software Protection Platform
(learn.microsoft.com/previous-versions/windows/desktop/sppwmi), and the classes of Windows Server 2019 and later.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, TypeVar

from .._cim.schema import CimClass, none_if_unset

WINDOWS_APPLICATION = "55c92734-d682-4d71-983e-d6ec3f16059f"
OFFICE_APPLICATION = "0ff1ce15-a989-479d-af46-f275c6370663"
APPLICATIONS = {"windows": WINDOWS_APPLICATION, "office": OFFICE_APPLICATION}

LICENSED = 1
EXTENDED_GRACE = 6
#: LicenseStatus, by number.
LICENSE_STATUS = (
    "unlicensed",
    "licensed",
    "oob_grace",
    "oot_grace",
    "non_genuine_grace",
    "notification",
    "extended_grace",
)
#: VLActivationTypeEnabled and VLActivationType, by number.
ACTIVATION_TYPES = ("any", "ad", "kms", "token")
DEFAULT_KMS_PORT = 1688
MINUTES_PER_DAY = 1440
_NO_DATE_YEAR = 1601


def _text(value: Any) -> str | None:
    """Windows says "not set" by NULL or by an empty string."""
    return value or None


def _count(value: Any) -> int | None:
    """A counter that does not apply is 0xFFFFFFFF."""
    return none_if_unset(value)


def _port(value: Any) -> int | None:
    """A port that is not set is 0."""
    return none_if_unset(value) or None


def _date(value: Any) -> Any:
    """FILETIME 0, the year 1601, stands for "no date"."""
    return value if isinstance(value, datetime) and value.year > _NO_DATE_YEAR else None


def _keep(value: Any) -> Any:
    return value


_READERS: dict[str, Callable[[Any], Any]] = {"string": _text, "datetime": _date}


def wmi(
    name: str, cim_type: str = "string", *, windows_8_1: bool = False, read: Callable[[Any], Any] | None = None
) -> dict[str, Any]:
    """Metadata of a field that is read from the WMI property `name`; `windows_8_1` marks what older ones lack."""
    reader = read or _READERS.get(cim_type, _keep)
    return {"wmi": name, "type": cim_type, "windows_8_1": windows_8_1, "read": reader}


@dataclass(frozen=True)
class Service:
    """SoftwareLicensingService: the machine-wide settings and what a KMS host counts; one instance, key Version."""

    version: str = field(default="", metadata=wmi("Version"))
    client_machine_id: str | None = field(default=None, metadata=wmi("ClientMachineID"))
    kms_server: str | None = field(default=None, metadata=wmi("KeyManagementServiceMachine"))
    kms_port: int | None = field(default=None, metadata=wmi("KeyManagementServicePort", "uint32", read=_port))
    kms_lookup_domain: str | None = field(default=None, metadata=wmi("KeyManagementServiceLookupDomain"))
    host_caching: bool | None = field(default=None, metadata=wmi("KeyManagementServiceHostCaching", "boolean"))
    discovered_server: str | None = field(default=None, metadata=wmi("DiscoveredKeyManagementServiceMachineName"))
    discovered_port: int | None = field(
        default=None, metadata=wmi("DiscoveredKeyManagementServiceMachinePort", "uint32", read=_port)
    )
    is_kms_host: int | None = field(default=None, metadata=wmi("IsKeyManagementServiceMachine", "uint32", read=_count))
    current_count: int | None = field(
        default=None, metadata=wmi("KeyManagementServiceCurrentCount", "uint32", read=_count)
    )
    required_count: int | None = field(default=None, metadata=wmi("RequiredClientCount", "uint32", read=_count))
    listening_port: int | None = field(
        default=None, metadata=wmi("KeyManagementServiceListeningPort", "uint32", read=_port)
    )
    dns_publishing: bool | None = field(default=None, metadata=wmi("KeyManagementServiceDnsPublishing", "boolean"))
    low_priority: bool | None = field(default=None, metadata=wmi("KeyManagementServiceLowPriority", "boolean"))
    activation_interval: int | None = field(default=None, metadata=wmi("VLActivationInterval", "uint32", read=_count))
    renewal_interval: int | None = field(default=None, metadata=wmi("VLRenewalInterval", "uint32", read=_count))
    total_requests: int | None = field(
        default=None, metadata=wmi("KeyManagementServiceTotalRequests", "uint32", read=_count)
    )
    failed_requests: int | None = field(
        default=None, metadata=wmi("KeyManagementServiceFailedRequests", "uint32", read=_count)
    )
    remaining_windows_rearms: int | None = field(
        default=None, metadata=wmi("RemainingWindowsReArmCount", "uint32", read=_count)
    )

    @property
    def windows_version(self) -> tuple[int, ...]:
        """(major, minor, build, ...) of the Software Protection Platform, which is that of Windows."""
        return tuple(int(part) for part in (self.version or "").split(".") if part.isdigit())

    @property
    def build(self) -> int | None:
        """The Windows build, e.g. 20348, or None when the version is not understood."""
        numbers = self.windows_version
        return numbers[2] if len(numbers) > 2 else None


@dataclass(frozen=True)
class Product:
    """SoftwareLicensingProduct: one licence; its key ID is the activation ID."""

    activation_id: str = field(default="", metadata=wmi("ID"))
    application_id: str = field(default="", metadata=wmi("ApplicationID"))
    name: str | None = field(default=None, metadata=wmi("Name"))
    description: str | None = field(default=None, metadata=wmi("Description"))
    license_family: str | None = field(default=None, metadata=wmi("LicenseFamily"))
    product_key_channel: str | None = field(default=None, metadata=wmi("ProductKeyChannel", windows_8_1=True))
    product_key_id: str | None = field(default=None, metadata=wmi("ProductKeyID"))
    partial_product_key: str | None = field(default=None, metadata=wmi("PartialProductKey"))
    is_addon: bool | None = field(default=None, metadata=wmi("LicenseIsAddon", "boolean"))
    status_code: int | None = field(default=None, metadata=wmi("LicenseStatus", "uint32"))
    status_reason_code: int | None = field(default=None, metadata=wmi("LicenseStatusReason", "uint32"))
    grace_minutes_remaining: int | None = field(default=None, metadata=wmi("GracePeriodRemaining", "uint32"))
    kms_server: str | None = field(default=None, metadata=wmi("KeyManagementServiceMachine"))
    kms_port: int | None = field(default=None, metadata=wmi("KeyManagementServicePort", "uint32", read=_port))
    kms_lookup_domain: str | None = field(default=None, metadata=wmi("KeyManagementServiceLookupDomain"))
    discovered_server: str | None = field(default=None, metadata=wmi("DiscoveredKeyManagementServiceMachineName"))
    discovered_port: int | None = field(
        default=None, metadata=wmi("DiscoveredKeyManagementServiceMachinePort", "uint32", read=_port)
    )
    kms_product_key_id: str | None = field(default=None, metadata=wmi("KeyManagementServiceProductKeyID"))
    is_kms_host: int | None = field(default=None, metadata=wmi("IsKeyManagementServiceMachine", "uint32", read=_count))
    current_count: int | None = field(
        default=None, metadata=wmi("KeyManagementServiceCurrentCount", "uint32", read=_count)
    )
    required_count: int | None = field(default=None, metadata=wmi("RequiredClientCount", "uint32", read=_count))
    total_requests: int | None = field(
        default=None, metadata=wmi("KeyManagementServiceTotalRequests", "uint32", read=_count)
    )
    failed_requests: int | None = field(
        default=None, metadata=wmi("KeyManagementServiceFailedRequests", "uint32", read=_count)
    )
    activation_type_code: int | None = field(
        default=None, metadata=wmi("VLActivationTypeEnabled", "uint32", read=_count)
    )
    last_activation_type_code: int | None = field(default=None, metadata=wmi("VLActivationType", "uint32", read=_count))
    remaining_app_rearms: int | None = field(
        default=None, metadata=wmi("RemainingAppReArmCount", "uint32", read=_count)
    )
    remaining_sku_rearms: int | None = field(
        default=None, metadata=wmi("RemainingSkuReArmCount", "uint32", read=_count)
    )

    @property
    def licensed(self) -> bool:
        return self.status_code == LICENSED

    @property
    def status(self) -> str:
        code = self.status_code
        return LICENSE_STATUS[code] if code is not None and 0 <= code < len(LICENSE_STATUS) else f"unknown ({code})"

    @property
    def channel(self) -> str | None:
        """The channel of the installed key as Windows 8.1 and later name it, e.g. Volume:GVLK."""
        if self.product_key_channel:
            return self.product_key_channel
        for token, channel in _CHANNEL_TOKENS:
            if self.partial_product_key and token in (self.description or "").upper():
                return channel
        return None

    @property
    def key_channel(self) -> str | None:
        """The channel in one word: gvlk, csvlk, mak, retail, ... or None without a key."""
        kind, _ignored, sort = (self.channel or "").lower().partition(":")
        return (sort if kind == "volume" else kind) or None

    @property
    def is_kms_client(self) -> bool:
        return self.key_channel == "gvlk"

    @property
    def days_remaining(self) -> int | None:
        """Whole days until the licence or the grace period ends; None = never."""
        minutes = self.grace_minutes_remaining
        if minutes is None or (self.licensed and minutes == 0):
            return None
        return math.ceil(minutes / MINUTES_PER_DAY)

    @property
    def activation_type(self) -> str | None:
        code = self.activation_type_code
        return ACTIVATION_TYPES[code or 0] if (code or 0) < len(ACTIVATION_TYPES) else None


@dataclass(frozen=True)
class ProductDetails(Product):
    """A product with all that slmgr.vbs /dlv prints; the longer read is for license_info only."""

    offline_installation_id: str | None = field(default=None, metadata=wmi("OfflineInstallationId"))
    use_license_url: str | None = field(default=None, metadata=wmi("UseLicenseURL"))
    validation_url: str | None = field(default=None, metadata=wmi("ValidationURL"))
    evaluation_end_date: datetime | None = field(default=None, metadata=wmi("EvaluationEndDate", "datetime"))
    trusted_time: datetime | None = field(default=None, metadata=wmi("TrustedTime", "datetime"))
    requests_unlicensed: int | None = field(
        default=None, metadata=wmi("KeyManagementServiceUnlicensedRequests", "uint32", read=_count)
    )
    requests_licensed: int | None = field(
        default=None, metadata=wmi("KeyManagementServiceLicensedRequests", "uint32", read=_count)
    )
    requests_oob_grace: int | None = field(
        default=None, metadata=wmi("KeyManagementServiceOOBGraceRequests", "uint32", read=_count)
    )
    requests_oot_grace: int | None = field(
        default=None, metadata=wmi("KeyManagementServiceOOTGraceRequests", "uint32", read=_count)
    )
    requests_non_genuine_grace: int | None = field(
        default=None, metadata=wmi("KeyManagementServiceNonGenuineGraceRequests", "uint32", read=_count)
    )
    requests_notification: int | None = field(
        default=None, metadata=wmi("KeyManagementServiceNotificationRequests", "uint32", read=_count)
    )
    ad_activation_object_name: str | None = field(default=None, metadata=wmi("ADActivationObjectName"))
    ad_activation_object_dn: str | None = field(default=None, metadata=wmi("ADActivationObjectDN"))


#: How Description tells the channel where ProductKeyChannel is not there yet (before Windows 8.1); first match counts.
_CHANNEL_TOKENS = (
    ("VOLUME_KMSCLIENT", "Volume:GVLK"),
    ("VOLUME_KMS", "Volume:CSVLK"),
    ("MAK", "Volume:MAK"),
    ("VIRTUAL_MACHINE_ACTIVATION", "Volume:AVMA"),
    ("RETAIL", "Retail"),
    ("OEM", "OEM"),
)


@dataclass(frozen=True)
class OperatingSystem:
    """Win32_OperatingSystem, as far as it tells the edition of a machine without a product key."""

    build_number: str | None = field(default=None, metadata=wmi("BuildNumber"))
    sku: int | None = field(default=None, metadata=wmi("OperatingSystemSKU", "uint32"))
    caption: str | None = field(default=None, metadata=wmi("Caption"))


_State = TypeVar("_State", bound="Service | Product | OperatingSystem")


def column_sets(state: type[_State]) -> list[list[str] | None]:
    """What to SELECT, best first: the columns of Windows 8.1 and later, those of Windows 8, then * (None).

    Naming a property that a class lacks fails the whole query.  `*` is left for Windows 7 and Server 2008 R2, whose
    exact set no source gives; from Windows 8 on it would fetch the firmware's product key.
    """
    fields = dataclasses.fields(state)
    newest = [item.metadata["wmi"] for item in fields]
    windows_8 = [item.metadata["wmi"] for item in fields if not item.metadata["windows_8_1"]]
    return [newest, windows_8, None] if windows_8 != newest else [newest, None]


def from_instance(state: type[_State], instance: Mapping[str, Any]) -> _State:
    """Typed state from a CIM instance; a property that is missing counts as NULL."""
    values = {
        item.name: item.metadata["read"](instance.get(item.metadata["wmi"])) for item in dataclasses.fields(state)
    }
    return state(**values)


def _cim_class(state: type[_State], name: str, key: str) -> CimClass:
    return CimClass(
        namespace="root/cimv2",
        name=name,
        fields={item.metadata["wmi"]: item.metadata["type"] for item in dataclasses.fields(state)},
        keys=(key,),
    )


SERVICE_CLASS = _cim_class(Service, "SoftwareLicensingService", "Version")
PRODUCT_CLASS = _cim_class(ProductDetails, "SoftwareLicensingProduct", "ID")
OPERATING_SYSTEM_CLASS = _cim_class(OperatingSystem, "Win32_OperatingSystem", "Name")
WINDOWS_SERVICE_CLASS = CimClass(
    namespace="root/cimv2",
    name="Win32_Service",
    fields={"Name": "string", "State": "string", "StartMode": "string"},
    keys=("Name",),
)
FIREWALL_RULE_CLASS = CimClass(
    namespace="root/StandardCimv2",
    name="MSFT_NetFirewallRule",
    fields={"InstanceID": "string", "Enabled": "uint16", "PolicyStoreSourceType": "uint16", "Profiles": "uint16"},
    keys=("InstanceID",),
)
REGISTRY_CLASS = CimClass(
    namespace="root/default",
    name="StdRegProv",
    fields={},
    keys=(),
    methods={"GetMultiStringValue": {"sValue": "string[]"}},
)
