# Copyright (c) 2026, the winops.kms authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""SoftwareLicensingService, SoftwareLicensingProduct, SoftwareLicensingTokenActivationLicense.

Which properties and methods a machine has depends on its Windows generation, see `base.GENERATIONS`.
"""

from __future__ import annotations

import datetime
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from typing import TYPE_CHECKING

from ..cim import Instance, Value, WmiError
from ..model import codes, directory, kms, licence_files, operations, rearm
from ..model.machine import KMS_COUNTERS, Machine, Product
from .base import BaseProvider, Handler, text_key, wmi_class

if TYPE_CHECKING:
    from ..model.estate import Estate

_NEVER = datetime.datetime(1601, 1, 1, tzinfo=datetime.timezone.utc)

_SHARED = """
DiscoveredKeyManagementServiceMachineName string
DiscoveredKeyManagementServiceMachinePort uint32
DiscoveredKeyManagementServiceMachineIpAddress string 8+
IsKeyManagementServiceMachine uint32
KeyManagementServiceCurrentCount uint32
KeyManagementServiceFailedRequests uint32
KeyManagementServiceLicensedRequests uint32
KeyManagementServiceLookupDomain string 8+
KeyManagementServiceMachine string
KeyManagementServiceNonGenuineGraceRequests uint32
KeyManagementServiceNotificationRequests uint32
KeyManagementServiceOOBGraceRequests uint32
KeyManagementServiceOOTGraceRequests uint32
KeyManagementServiceProductKeyID string
KeyManagementServiceTotalRequests uint32
KeyManagementServiceUnlicensedRequests uint32
RequiredClientCount uint32
TokenActivationAdditionalInfo string
TokenActivationCertificateThumbprint string
TokenActivationGrantNumber uint32
TokenActivationILID string
TokenActivationILVID uint32
VLActivationInterval uint32
VLRenewalInterval uint32
VLActivationTypeEnabled uint32 8+
"""

_SERVICE = """
Version string key
ClientMachineID string
KeyManagementServiceActivationDisabled boolean -8.1
KeyManagementServiceDnsPublishing boolean
KeyManagementServiceHostCaching boolean
KeyManagementServiceListeningPort uint32
KeyManagementServiceLowPriority boolean
KeyManagementServicePort uint32 8+
OA2xBiosMarkerMinorVersion uint32 8+
OA2xBiosMarkerStatus uint32 8+
OA3xOriginalProductKey string 8+
OA3xOriginalProductKeyDescription string 8+
OA3xOriginalProductKeyPkPn string 8+
PolicyCacheRefreshRequired uint32
RemainingWindowsReArmCount uint32
SubscriptionType uint32 23H2+
SubscriptionStatus uint32 23H2+
SubscriptionEdition string 23H2+
SubscriptionExpiry string 23H2+
AzureMetadataResponse string 23H2+
EmitWindowsMeter uint32 23H2+
""" + _SHARED.replace("VLActivationTypeEnabled uint32 8+\n", "")

_PRODUCT = (
    """
ID string key
ADActivationCsvlkPid string 8+
ADActivationCsvlkSkuId string 8+
ADActivationObjectDN string 8+
ADActivationObjectName string 8+
ApplicationID string
AutomaticVMActivationHostDigitalPid2 string 8.1+
AutomaticVMActivationHostMachineName string 8.1+
AutomaticVMActivationLastActivationTime datetime 8.1+
Description string
EvaluationEndDate datetime
ExtendedGrace uint32
GenuineStatus uint32
GracePeriodRemaining uint32
IAID string 8.1+
KeyManagementServicePort uint32
LicenseDependsOn string
LicenseFamily string
LicenseIsAddon boolean
LicenseStatus uint32
LicenseStatusReason uint32
MachineURL string
Name string
OfflineInstallationId string
PartialProductKey string
ProcessorURL string
ProductKeyChannel string 8.1+
ProductKeyID string
ProductKeyID2 string 8+
ProductKeyURL string
RemainingAppReArmCount uint32 8+
RemainingSkuReArmCount uint32 8+
TrustedTime datetime
UseLicenseURL string
ValidationURL string 8+
VLActivationType uint32 8+
"""
    + _SHARED
)

_TOKEN = """
ID string key
ILID string
ILVID uint32
AdditionalInfo string
AuthorizationStatus uint32
Description string
ExpirationDate datetime
"""

_AD_CONFIRMATION = "ProductKey string, ConfirmationID string, ActivationObjectName string"
_SERVICE_METHODS = f"""
InstallProductKey(ProductKey string)
InstallLicense(License string)
InstallLicensePackage(LicensePackage string)
SetKeyManagementServiceMachine(MachineName string)
ClearKeyManagementServiceMachine()
SetKeyManagementServicePort(PortNumber uint32)
ClearKeyManagementServicePort()
SetKeyManagementServiceLookupDomain(LookupDomain string) 8+
ClearKeyManagementServiceLookupDomain() 8+
SetVLActivationInterval(ActivationInterval uint32)
SetVLRenewalInterval(RenewalInterval uint32)
ClearProductKeyFromRegistry()
AcquireGenuineTicket(TemplateId string, ServerUrl string)
ReArmWindows()
ReArmApp(ApplicationId string) 8.1+
RefreshLicenseStatus()
SetKeyManagementServiceListeningPort(PortNumber uint32)
ClearKeyManagementServiceListeningPort()
DisableKeyManagementServiceActivation(DisableActivation boolean) -8.1
DisableKeyManagementServiceDnsPublishing(DisablePublishing boolean)
EnableKeyManagementServiceLowPriority(EnableLowPriority boolean)
DisableKeyManagementServiceHostCaching(DisableCaching boolean)
GenerateActiveDirectoryOfflineActivationId(ProductKey string) -> (InstallationID string) 8+
DepositActiveDirectoryOfflineActivationConfirmation({_AD_CONFIRMATION}) 8+
DoActiveDirectoryOnlineActivation(ProductKey string, ActivationObjectName string) 8+
SetVLActivationTypeEnabled(ActivationType uint32) 8+
ClearVLActivationTypeEnabled() 8+
"""

_PRODUCT_METHODS = """
Activate()
UninstallProductKey()
DepositOfflineConfirmationId(InstallationId string, ConfirmationId string)
GetPolicyInformationDWord(PolicyName string) -> (PolicyValue uint32) read
GetPolicyInformationString(PolicyName string) -> (PolicyValue string) read
SetKeyManagementServiceMachine(MachineName string)
ClearKeyManagementServiceMachine()
SetKeyManagementServicePort(PortNumber uint32)
ClearKeyManagementServicePort()
SetKeyManagementServiceLookupDomain(LookupDomain string) 8+
ClearKeyManagementServiceLookupDomain() 8+
GetTokenActivationGrants() -> (Grants string[]) read
GenerateTokenActivationChallenge() -> (Challenge string) read
DepositTokenActivationResponse(Challenge string, Response string, CertChain string)
SetVLActivationTypeEnabled(ActivationType uint32) 8+
ClearVLActivationTypeEnabled() 8+
ReArmSku() 8+
"""


class _LicensingProvider(BaseProvider):
    """Any access starts the licensing service when it is stopped, as on Windows; a disabled one is an error."""

    def wake(self) -> None:
        service = self.machine.sppsvc
        if service.start_mode == "Disabled" and service.state != "Running":
            raise WmiError(codes.SERVICE_DISABLED)
        if service.state == "Stopped":
            service.state = "Running"
            if service.on_start:
                service.on_start()

    def instances(self) -> Iterable[Instance]:
        with self.estate.lock:
            self.wake()
            return super().instances()

    def invoke(self, keys: Instance | None, method: str, arguments: Instance) -> Instance:
        with self.estate.lock:
            self.wake()
            return super().invoke(keys, method, arguments)


def _kms_host_values(machine: Machine, row: Product | None) -> dict[str, Value]:
    """The counters of a KMS host licence, or 0xFFFFFFFF where this object is not that of a KMS host."""
    host = row if row in machine.kms_products else None
    values: dict[str, Value] = {
        f"KeyManagementService{name}": machine.count_of(host).counters[name] if host else codes.NONE_UINT32
        for name in KMS_COUNTERS
    }
    values["IsKeyManagementServiceMachine"] = int(host is not None)
    values["KeyManagementServiceCurrentCount"] = kms.current_count(machine, host)
    values["RequiredClientCount"] = kms.required_count(machine, host)
    return values


def _client_values(machine: Machine, product: Product | None) -> dict[str, Value]:
    """What both objects show of a KMS client: the discovered host, its product ID, the intervals."""
    client = machine.client_of(product)
    found = client.discovered if product and product.channel == "gvlk" and product.key else None
    is_host = bool(machine.kms_products)
    return {
        "DiscoveredKeyManagementServiceMachineName": found[0] if found else None,
        "DiscoveredKeyManagementServiceMachinePort": found[1] if found else 0,
        "DiscoveredKeyManagementServiceMachineIpAddress": found[2] if found else None,
        "KeyManagementServiceProductKeyID": product.host_pid if product else None,
        "VLActivationInterval": machine.number("VLActivationInterval", codes.ACTIVATION_INTERVAL)
        if is_host
        else client.activation_interval,
        "VLRenewalInterval": machine.number("VLRenewalInterval", codes.RENEWAL_INTERVAL)
        if is_host
        else client.renewal_interval,
        "TokenActivationILVID": codes.NONE_UINT32,
        "TokenActivationGrantNumber": codes.NONE_UINT32,
    }


class ServiceProvider(_LicensingProvider):
    """SoftwareLicensingService: one instance, keyed by its version."""

    def __init__(self, estate: Estate, machine: Machine) -> None:
        super().__init__(estate, machine)
        self.cim_class = wmi_class(
            "root/cimv2", "SoftwareLicensingService", _SERVICE, _SERVICE_METHODS, build=machine.spec.build
        )

    def make_handlers(self) -> dict[str, Handler]:
        return {name: self._checked(handler) for name, handler in self._handlers().items()}

    def rows(self) -> Iterable[dict[str, Value]]:
        machine = self.machine
        return [
            {
                **_kms_host_values(machine, kms.counting(machine)),
                **_client_values(machine, machine.primary),
                "Version": machine.version,
                "ClientMachineID": machine.cmid,
                "KeyManagementServiceActivationDisabled": False,
                "KeyManagementServiceDnsPublishing": not machine.number("DisableDnsPublishing"),
                "KeyManagementServiceHostCaching": machine.host_caching,
                "KeyManagementServiceListeningPort": machine.number("KeyManagementServiceListeningPort"),
                "KeyManagementServiceLookupDomain": machine.lookup_domain,
                "KeyManagementServiceLowPriority": bool(machine.number("EnableKmsLowPriority")),
                "KeyManagementServiceMachine": machine.setting("KeyManagementServiceName"),
                "KeyManagementServicePort": machine.number("KeyManagementServicePort"),
                "OA2xBiosMarkerMinorVersion": 1,
                "OA2xBiosMarkerStatus": 0,
                "OA3xOriginalProductKey": machine.spec.firmware_key or "",
                "OA3xOriginalProductKeyDescription": "",
                "OA3xOriginalProductKeyPkPn": "",
                "PolicyCacheRefreshRequired": 0,
                "RemainingWindowsReArmCount": machine.rearms,
                "SubscriptionType": codes.NONE_UINT32,
                "SubscriptionStatus": codes.NONE_UINT32,
                "SubscriptionEdition": "UNKNOWN",
            }
        ]

    def _checked(self, handler: Handler) -> Handler:
        def run(keys: Instance | None, arguments: Instance) -> Instance | None:
            if text_key(keys, "Version") != self.machine.version:
                raise WmiError(codes.WBEM_NOT_FOUND)
            return handler(keys, arguments)

        return run

    def _handlers(self) -> dict[str, Handler]:
        machine = self.machine

        def act(work: Callable[[Instance], None]) -> Handler:
            def run(_keys: Instance | None, arguments: Instance) -> None:
                work(arguments)

            return run

        def clear(name: str) -> Handler:
            return act(lambda _ignored: machine.set_setting(name, None))

        def named(arguments: Instance) -> dict[str, Value]:
            return {"text": arguments.get("ProductKey"), "name": arguments.get("ActivationObjectName")}

        def refresh(_ignored: Instance) -> None:
            machine.counters["license_refreshes"] += 1

        def forget_key(_ignored: Instance) -> None:
            machine.key_in_registry = False

        return {
            "InstallProductKey": act(lambda a: operations.install_key(machine, self.estate.keys, a.get("ProductKey"))),
            "SetKeyManagementServiceMachine": act(
                lambda a: operations.set_text(machine, "KeyManagementServiceName", a.get("MachineName"))
            ),
            "ClearKeyManagementServiceMachine": clear("KeyManagementServiceName"),
            "SetKeyManagementServicePort": act(
                lambda a: operations.set_port(machine, "KeyManagementServicePort", a.get("PortNumber"))
            ),
            "ClearKeyManagementServicePort": clear("KeyManagementServicePort"),
            "SetKeyManagementServiceLookupDomain": act(
                lambda a: operations.set_lookup_domain(machine, a.get("LookupDomain") or "")
            ),
            "ClearKeyManagementServiceLookupDomain": act(lambda _ignored: operations.set_lookup_domain(machine, None)),
            "SetVLActivationInterval": act(
                lambda a: operations.set_interval(machine, "VLActivationInterval", a.get("ActivationInterval"))
            ),
            "SetVLRenewalInterval": act(
                lambda a: operations.set_interval(machine, "VLRenewalInterval", a.get("RenewalInterval"))
            ),
            "ClearProductKeyFromRegistry": act(forget_key),
            "InstallLicense": act(lambda a: licence_files.install(machine, a.get("License"))),
            "ReArmWindows": act(lambda _ignored: rearm.rearm_windows(machine)),
            "ReArmApp": act(lambda a: rearm.rearm_application(machine, a.get("ApplicationId"))),
            "RefreshLicenseStatus": act(refresh),
            "SetKeyManagementServiceListeningPort": act(
                lambda a: operations.set_port(machine, "KeyManagementServiceListeningPort", a.get("PortNumber"))
            ),
            "ClearKeyManagementServiceListeningPort": clear("KeyManagementServiceListeningPort"),
            "DisableKeyManagementServiceDnsPublishing": act(
                lambda a: operations.set_flag(machine, "DisableDnsPublishing", a.get("DisablePublishing"))
            ),
            "EnableKeyManagementServiceLowPriority": act(
                lambda a: operations.set_flag(machine, "EnableKmsLowPriority", a.get("EnableLowPriority"))
            ),
            "DisableKeyManagementServiceHostCaching": act(
                lambda a: operations.set_host_caching(machine, a.get("DisableCaching"))
            ),
            "SetVLActivationTypeEnabled": act(
                lambda a: operations.set_activation_type(machine, a.get("ActivationType"))
            ),
            "ClearVLActivationTypeEnabled": act(lambda _ignored: operations.set_activation_type(machine, 0)),
            "DoActiveDirectoryOnlineActivation": act(
                lambda a: directory.activate_online(self.estate.forest, machine, self.estate.keys, **named(a))
            ),
            "DepositActiveDirectoryOfflineActivationConfirmation": act(
                lambda a: directory.deposit_confirmation(
                    self.estate.forest,
                    machine,
                    self.estate.keys,
                    confirmation=a.get("ConfirmationID"),
                    **named(a),
                )
            ),
            "GenerateActiveDirectoryOfflineActivationId": lambda _keys, a: {
                "InstallationID": directory.installation_id(
                    self.estate.forest, machine, self.estate.keys, a.get("ProductKey")
                ),
                "ReturnValue": 0,
            },
        }


class _LazyProduct(Mapping[str, Value]):
    """An instance whose other properties are worked out when one of them is asked for."""

    __slots__ = ("_known", "_work_out")

    def __init__(self, product: Product, work_out: Callable[[], Instance]) -> None:
        self._work_out: Callable[[], Instance] | None = work_out
        self._known: Instance = {
            "ID": product.id,
            "ApplicationID": product.application,
            "Description": product.description,
            "PartialProductKey": product.key.partial if product.key else None,
        }

    def _all(self) -> Instance:
        if self._work_out is not None:
            self._known, self._work_out = self._work_out(), None
        return self._known

    def __getitem__(self, name: str) -> Value:
        known = self._known
        return known[name] if name in known else self._all()[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._all())

    def __len__(self) -> int:
        return len(self._all())


class ProductProvider(_LicensingProvider):
    """SoftwareLicensingProduct: one instance per licence, keyed by its activation ID."""

    def __init__(self, estate: Estate, machine: Machine) -> None:
        super().__init__(estate, machine)
        self.cim_class = wmi_class(
            "root/cimv2", "SoftwareLicensingProduct", _PRODUCT, _PRODUCT_METHODS, build=machine.spec.build
        )

    def make_handlers(self) -> dict[str, Handler]:
        return {name: self._on_product(work) for name, work in self._work().items()}

    def wake(self) -> None:
        super().wake()
        if self.machine.rearming.hidden:
            raise WmiError(codes.REARMED)

    def instances(self) -> Iterable[Instance]:
        """Most queries are about the one or two products that have a key, so the others are not worked out in full."""
        with self.estate.lock:
            self.wake()
            return [_LazyProduct(product, partial(self._whole, product)) for product in self.machine.products]

    def rows(self) -> Iterable[dict[str, Value]]:
        return [self._row(product) for product in self.machine.products]

    def _whole(self, product: Product) -> Instance:
        with self.estate.lock:
            row = self._row(product)
        return {field.name: row.get(field.name) for field in self.cim_class.fields}

    def _evaluation_end(self, product: Product) -> datetime.datetime:
        if product.license.basis != "evaluation":
            return _NEVER
        return self.estate.now() + datetime.timedelta(minutes=product.license.until - self.machine.minute)

    def _row(self, product: Product) -> dict[str, Value]:
        machine = self.machine
        status, reason, left = product.license.status(machine.minute)
        keyed = product.key is not None
        return {
            **_kms_host_values(machine, product),
            **_client_values(machine, product if keyed else None),
            "ID": product.id,
            "ApplicationID": product.application,
            "AutomaticVMActivationLastActivationTime": _NEVER,
            "Description": product.description,
            "ADActivationObjectName": product.ad_object,
            **product.ad_values,
            "EvaluationEndDate": self._evaluation_end(product),
            "ExtendedGrace": codes.NONE_UINT32,
            "GenuineStatus": 0,
            "GracePeriodRemaining": left,
            "KeyManagementServiceLookupDomain": product.lookup_domain,
            "KeyManagementServiceMachine": machine.setting("KeyManagementServiceName", product),
            "KeyManagementServicePort": machine.number("KeyManagementServicePort", product=product),
            "LicenseFamily": product.family,
            "LicenseIsAddon": product.addon,
            "LicenseStatus": status,
            "LicenseStatusReason": reason,
            "Name": product.name,
            "OfflineInstallationId": machine.installation_id(product),
            "PartialProductKey": product.key.partial if product.key else None,
            "ProductKeyChannel": product.channel_name,
            "ProductKeyID": machine.product_key_id(product),
            "ProductKeyID2": machine.product_key_id(product),
            "RemainingAppReArmCount": machine.rearming.left(product.application),
            "RemainingSkuReArmCount": product.rearms,
            "TrustedTime": self.estate.now(machine),
            "VLActivationType": product.activation_type,
            # slmgr decides by this property alone, also where the type was set for the whole machine.
            "VLActivationTypeEnabled": machine.number("VLActivationType", product=product) or machine.activation_type,
        }

    def _on_product(self, work: Callable[[Product, Instance], Instance | None]) -> Handler:
        def run(keys: Instance | None, arguments: Instance) -> Instance | None:
            product = self.machine.product(text_key(keys, "ID"))
            if product is None:
                raise WmiError(codes.WBEM_NOT_FOUND)
            return work(product, arguments)

        return run

    def _work(self) -> dict[str, Callable[[Product, Instance], Instance | None]]:
        machine = self.machine
        return {
            "Activate": lambda p, _a: operations.activate(self.estate.network, machine, p),
            "UninstallProductKey": lambda p, _a: operations.uninstall_key(machine, p),
            "DepositOfflineConfirmationId": lambda p, a: operations.deposit_confirmation(
                machine, p, a.get("InstallationId"), a.get("ConfirmationId")
            ),
            "SetKeyManagementServiceMachine": lambda p, a: operations.set_text(
                machine, "KeyManagementServiceName", a.get("MachineName"), p
            ),
            "ClearKeyManagementServiceMachine": lambda p, _a: machine.set_setting("KeyManagementServiceName", None, p),
            "SetKeyManagementServicePort": lambda p, a: operations.set_port(
                machine, "KeyManagementServicePort", a.get("PortNumber"), p
            ),
            "ClearKeyManagementServicePort": lambda p, _a: machine.set_setting("KeyManagementServicePort", None, p),
            "SetKeyManagementServiceLookupDomain": lambda p, a: operations.set_lookup_domain(
                machine, a.get("LookupDomain") or "", p
            ),
            "ClearKeyManagementServiceLookupDomain": lambda p, _a: operations.set_lookup_domain(machine, None, p),
            "SetVLActivationTypeEnabled": lambda p, a: operations.set_activation_type(
                machine, a.get("ActivationType"), p
            ),
            "ClearVLActivationTypeEnabled": lambda p, _a: operations.set_activation_type(machine, 0, p),
            "ReArmSku": lambda p, _a: rearm.rearm_product(machine, p),
        }


class TokenProvider(_LicensingProvider):
    """SoftwareLicensingTokenActivationLicense: the issuance licences for token-based activation."""

    def __init__(self, estate: Estate, machine: Machine) -> None:
        super().__init__(estate, machine)
        self.cim_class = wmi_class("root/cimv2", "SoftwareLicensingTokenActivationLicense", _TOKEN, "Uninstall()")
        self.handlers = {"Uninstall": self._uninstall}

    def rows(self) -> Iterable[dict[str, Value]]:
        return [
            {
                "ID": one.id,
                "ILID": one.ilid,
                "ILVID": one.ilvid,
                "AdditionalInfo": one.additional_info,
                "AuthorizationStatus": one.authorization_status,
                "Description": one.description,
                "ExpirationDate": one.expires,
            }
            for one in self.machine.token_licenses
        ]

    def _uninstall(self, keys: Instance | None, _arguments: Instance) -> None:
        licence_files.uninstall_token(self.machine, text_key(keys, "ID"))
