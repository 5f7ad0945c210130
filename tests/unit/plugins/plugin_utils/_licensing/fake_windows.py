# Copyright (c) 2026, the winops.kms authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A CimSession with a very small Windows behind it: it holds state, records every call, and fails when told to."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.winops.kms.plugins.plugin_utils._cim.errors import (
    CimConnectionError,
    CimError,
    CimFault,
    CimInvalidClass,
    CimTimeoutError,
)
from ansible_collections.winops.kms.plugins.plugin_utils._cim.schema import CimClass, Instance, Reference, Value
from ansible_collections.winops.kms.plugins.plugin_utils._cim.session import CimSession, MethodTarget
from ansible_collections.winops.kms.plugins.plugin_utils._licensing.apply import Applier
from ansible_collections.winops.kms.plugins.plugin_utils._licensing.reading import Reader, Scope
from ansible_collections.winops.kms.plugins.plugin_utils._licensing.state import (
    FIREWALL_RULE_CLASS,
    OFFICE_APPLICATION,
    WINDOWS_APPLICATION,
)

SERVER_2022 = "10.0.20348.2227"
SERVER_GVLK = "VDYBN-27WPP-V4HQT-9VMD4-VMK7H"  # Windows Server 2022 Standard, published
OTHER_GVLK = "WX4NM-KYWYW-QJJR4-XV3QB-6VM33"  # Windows Server 2022 Datacenter, published
CSVLK = "BBBBB-BBBBB-BBBBB-BBBBB-HHHHH"  # invented
MAK = "BBBBB-BBBBB-BBBBB-BBBBB-MMMMM"  # invented
ESU = "BBBBB-BBBBB-BBBBB-BBBBB-KKKKK"  # invented, an add-on's key

CLIENT_ID = "de32eafd-aaee-4662-9444-c1befb41bde2"
HOST_ID = "ef6cfc9f-8c5d-44ac-9aad-de6a2ea0ae03"
MAK_ID = "0c2a46e9-dd6e-4f6b-bc32-3d1f4d8a9b10"
ESU_ID = "553673ed-6ddf-419c-a153-b760283472fd"
OFFICE_ID = "85dd8b5f-eaa4-4af3-a628-cce9e77c9a03"
VISIO_ID = "5b5cf08f-b81a-431d-b080-3450d8620565"

NOT_ENOUGH_COUNT = 0xC004F038


@dataclass(frozen=True)
class Call:
    """One method call: what it was sent to (service, an activation ID, ...), its name and parameters."""

    target: str
    method: str
    parameters: Mapping[str, Any] = field(default_factory=dict)


@dataclass
class Trouble:
    """What goes wrong at a method, the next `times` times; `done` when the method had its effect nevertheless."""

    error: Callable[[], CimError]
    done: bool = False
    times: int = 1


def dropped() -> CimError:
    """The connection broke after the request was sent."""
    error = CimConnectionError("The connection was dropped.", endpoint="http://host/wsman", sent=True, dropped=True)
    error.outcome_unknown = True
    return error


def no_answer() -> CimError:
    """A read that was not answered."""
    return CimTimeoutError("The host did not answer in time.", endpoint="http://host/wsman", sent=True)


def refused(code: int) -> Callable[[], CimError]:
    return lambda: CimFault("Weigerung in der Sprache des Hosts", code=code, provider_code=code)


class NoNetwork:
    """A transport that must not be used."""

    endpoint = "http://host.invalid/wsman"
    last_status: int | None = None

    def send(self, envelope: bytes, *, timeout: float, idempotent: bool = False) -> bytes:
        raise AssertionError("nothing may be sent")

    def close(self) -> None:
        pass


def product(activation_id: str, **properties: Any) -> dict[str, Any]:
    """A SoftwareLicensingProduct; without a key unless PartialProductKey is given."""
    return {
        "ID": activation_id,
        "ApplicationID": WINDOWS_APPLICATION,
        "Name": "Windows(R), ServerStandard edition",
        "Description": "Windows(R) Operating System, VOLUME_KMSCLIENT channel",
        "LicenseFamily": "ServerStandard",
        "LicenseIsAddon": False,
        "LicenseStatus": 0,
        "LicenseStatusReason": 0xC004F014,
        "GracePeriodRemaining": 0,
        "PartialProductKey": None,
        "ProductKeyChannel": None,
        "KeyManagementServiceMachine": None,
        "KeyManagementServicePort": 0,
        "KeyManagementServiceLookupDomain": None,
        "VLActivationTypeEnabled": 0,
        **properties,
    }


def keyed_client(key: str = SERVER_GVLK, *, licensed: bool = True, **properties: Any) -> dict[str, Any]:
    """A KMS client of Windows Server 2022 Standard."""
    state = {"LicenseStatus": 1, "GracePeriodRemaining": 259200, "LicenseStatusReason": 0x4004F040}
    if not licensed:
        state = {"LicenseStatus": 5, "LicenseStatusReason": 0xC004F00F}
    keyed = {"PartialProductKey": key[-5:], "ProductKeyChannel": "Volume:GVLK"}
    return product(CLIENT_ID, **{**keyed, **state, **properties})


def keyed_mak(*, licensed: bool = True) -> dict[str, Any]:
    """Windows Server 2022 with a multiple activation key."""
    return product(
        MAK_ID,
        Description="Windows(R) Operating System, VOLUME_MAK channel",
        PartialProductKey=MAK[-5:],
        ProductKeyChannel="Volume:MAK",
        LicenseStatus=1 if licensed else 5,
    )


def keyed_host(key: str = CSVLK, *, licensed: bool = True, **properties: Any) -> dict[str, Any]:
    """A KMS host of Windows Server 2022."""
    return product(
        HOST_ID,
        Description="Windows(R) Operating System, VOLUME_KMS_WS22 channel",
        PartialProductKey=key[-5:],
        ProductKeyChannel="Volume:CSVLK",
        **{
            "LicenseStatus": 1 if licensed else 2,
            "LicenseStatusReason": 0 if licensed else 0x4004F00C,
            "IsKeyManagementServiceMachine": int(licensed),
            **properties,
        },
    )


def office(activation_id: str, key: str | None, name: str) -> dict[str, Any]:
    return product(
        activation_id,
        ApplicationID=OFFICE_APPLICATION,
        Name=name,
        Description=f"{name}, VOLUME_KMSCLIENT channel",
        LicenseFamily="Office24ProPlus2024VL_KMS_Client_AE",
        PartialProductKey=key,
        ProductKeyChannel="Volume:GVLK" if key else None,
    )


#: Key -> activation ID of the product that it is for, and its channel.
KNOWN_KEYS = {
    SERVER_GVLK: (CLIENT_ID, "Volume:GVLK"),
    CSVLK: (HOST_ID, "Volume:CSVLK"),
    MAK: (MAK_ID, "Volume:MAK"),
    ESU: (ESU_ID, "Volume:MAK"),
}

_SERVICE_PROPERTIES = {
    "Machine": "KeyManagementServiceMachine",
    "Port": "KeyManagementServicePort",
    "LookupDomain": "KeyManagementServiceLookupDomain",
    "ListeningPort": "KeyManagementServiceListeningPort",
}
_UNSET = {"Machine": None, "Port": 0, "LookupDomain": None, "ListeningPort": 0}
_SWITCHES = {
    "DisableKeyManagementServiceHostCaching": ("KeyManagementServiceHostCaching", "DisableCaching", True),
    "DisableKeyManagementServiceDnsPublishing": ("KeyManagementServiceDnsPublishing", "DisablePublishing", True),
    "EnableKeyManagementServiceLowPriority": ("KeyManagementServiceLowPriority", "EnableLowPriority", False),
}
_CONDITION = re.compile(r"(\w+)=('(?:[^'\\]|\\.)*')|(\w+) IS NOT NULL|(\w+) LIKE '%([^'%]*)%'")


class FakeWindows(CimSession):
    """See the module.  `calls` holds the calls that change something, `queries` the reads, both in order."""

    def __init__(self, *products: dict[str, Any], version: str = SERVER_2022) -> None:
        super().__init__(NoNetwork())
        self.products = [product(CLIENT_ID), product(HOST_ID), product(MAK_ID)]
        self.products = [*map(dict, products), *(item for item in self.products if item["ID"] not in _ids(products))]
        self.service: dict[str, Any] = {
            "Version": version,
            "ClientMachineID": "4d3b3e3a-0000-4000-8000-000000000001",
            "KeyManagementServiceMachine": None,
            "KeyManagementServicePort": 0,
            "KeyManagementServiceLookupDomain": None,
            "KeyManagementServiceHostCaching": True,
            "KeyManagementServiceListeningPort": 0,
            "KeyManagementServiceDnsPublishing": True,
            "KeyManagementServiceLowPriority": False,
            "VLActivationInterval": 120,
            "VLRenewalInterval": 10080,
            "IsKeyManagementServiceMachine": 0,
            "KeyManagementServiceCurrentCount": 0xFFFFFFFF,
        }
        self.operating_system: dict[str, Any] = {
            "BuildNumber": version.split(".")[2],
            "OperatingSystemSKU": 7,
            "Caption": "Microsoft Windows Server 2022 Standard",
        }
        self.sppsvc = "Running"
        self.firewall: list[dict[str, Any]] = [
            {"InstanceID": "SPPSVC-In-TCP", "Enabled": 2, "PolicyStoreSourceType": 1, "Profiles": 0}
        ]
        self.publish_list: list[str] | None = None
        self.missing: set[str] = set()  # properties and classes that this Windows lacks
        self.known_keys = dict(KNOWN_KEYS)
        self.trouble: dict[str, list[Trouble]] = {}
        self.ignored: set[str] = set()  # methods that are answered with success and do nothing
        self.calls: list[Call] = []
        self.queries: list[tuple[str, tuple[str, ...] | None, str]] = []

    # --- for tests --------------------------------------------------------------------------------------------------

    def fail(self, where: str, error: Callable[[], CimError], *, done: bool = False, times: int = 1) -> None:
        """Let a method, or the query of a class, fail."""
        self.trouble.setdefault(where, []).append(Trouble(error, done, times))

    @property
    def methods(self) -> list[str]:
        """The names of the methods that were called, in order, without those that only make Windows look again."""
        return [call.method for call in self.calls if call.method != "RefreshLicenseStatus"]

    def applier(self, application: str = "windows", activation_id: str | None = None, **reading: Any) -> Applier:
        """An applier that waits without waiting; `waits` holds the seconds."""
        self.waits: list[float] = []
        return Applier(Reader(self, Scope(application, activation_id), **reading), pause=self.waits.append)

    def find(self, activation_id: str) -> dict[str, Any]:
        return next(item for item in self.products if item["ID"] == activation_id)

    # --- CimSession -------------------------------------------------------------------------------------------------

    def query(
        self,
        cim_class: CimClass,
        properties: Sequence[str] | None = None,
        where: str = "",
        *,
        limit: int | None = None,
    ) -> list[Instance]:
        self.queries.append((cim_class.name, tuple(properties) if properties is not None else None, where))
        self._raise_trouble(cim_class.name)
        if self.missing & {cim_class.name, *(properties or ())}:
            raise CimInvalidClass("Der Filter kann nicht verarbeitet werden.", code=0x8033801A)
        rows: Sequence[Mapping[str, Any]] = {
            "SoftwareLicensingService": [self.service],
            "SoftwareLicensingProduct": self.products,
            "Win32_OperatingSystem": [self.operating_system],
            "Win32_Service": [{"Name": "sppsvc", "State": self.sppsvc}],
            "MSFT_NetFirewallRule": self.firewall,
        }[cim_class.name]
        return [
            Instance({name: row.get(name) for name in properties or row if name not in self.missing}, cim_class.name)
            for row in rows
            if _matches(row, where)
        ]

    def query_with_references(self, cim_class: CimClass, where: str = "") -> list[tuple[Instance, Reference]]:
        return [
            (instance, Reference(cim_class.uri, {"Index": str(index)}, cim_class))
            for index, instance in enumerate(self.query(cim_class, None, where))
        ]

    def invoke(
        self,
        target: MethodTarget,
        method: str,
        *,
        accept: Collection[int] = (0,),
        writes: bool = True,
        **parameters: Value,
    ) -> Instance:
        name, holder = self._target(target)
        if method != "GetMultiStringValue":
            self.calls.append(Call(name, method, parameters))
        waiting = self.trouble.get(method, [])
        trouble = waiting[0] if waiting else None
        answer: dict[str, Any] = {"ReturnValue": 0}
        if (trouble is None or trouble.done) and method not in self.ignored:
            answer.update(self._carry_out(name, holder, method, parameters))
        if trouble is not None:
            self._raise_trouble(method)
        assert answer["ReturnValue"] in accept
        return Instance(answer)

    def _raise_trouble(self, where: str) -> None:
        waiting = self.trouble.get(where, [])
        if waiting:
            waiting[0].times -= 1
            trouble = waiting[0] if waiting[0].times else waiting.pop(0)
            raise trouble.error()

    def _target(self, target: MethodTarget) -> tuple[str, dict[str, Any]]:
        if isinstance(target, Reference):
            assert target.class_name == FIREWALL_RULE_CLASS.name
            return "firewall", self.firewall[int(str(target.selectors["Index"]))]
        if isinstance(target, CimClass):
            return target.name, {}
        cim_class, keys = target
        if cim_class.name == "SoftwareLicensingService":
            assert keys == {"Version": self.service["Version"]}, "the key must be the one that the host told"
            return "service", self.service
        if cim_class.name == "SoftwareLicensingProduct":
            return keys["ID"], self.find(keys["ID"])
        assert (cim_class.name, keys) == ("Win32_Service", {"Name": "sppsvc"})
        return "sppsvc", {}

    def _carry_out(
        self, name: str, holder: dict[str, Any], method: str, parameters: Mapping[str, Any]
    ) -> Mapping[str, Any]:
        setting = re.fullmatch(r"(Set|Clear)KeyManagementService(Machine|Port|LookupDomain|ListeningPort)", method)
        if setting:
            verb, what = setting.groups()
            holder[_SERVICE_PROPERTIES[what]] = next(iter(parameters.values())) if verb == "Set" else _UNSET[what]
        elif method in _SWITCHES:
            property_name, parameter, negated = _SWITCHES[method]
            holder[property_name] = bool(parameters[parameter]) is not negated
        elif method in ("SetVLActivationInterval", "SetVLRenewalInterval"):
            holder[method[3:]] = next(iter(parameters.values()))
        elif method in ("SetVLActivationTypeEnabled", "ClearVLActivationTypeEnabled"):
            for item in self.products if name == "service" else [holder]:
                item["VLActivationTypeEnabled"] = parameters.get("ActivationType", 0)
        elif method in ("StopService", "StartService"):
            self.sppsvc = "Stopped" if method == "StopService" else "Running"
        elif method in ("Enable", "Disable"):
            holder["Enabled"] = 1 if method == "Enable" else 2
        elif name == "StdRegProv":
            return self._registry(method, parameters)
        else:
            self._license(holder, method, parameters)
        return {}

    def _registry(self, method: str, parameters: Mapping[str, Any]) -> Mapping[str, Any]:
        if method == "SetMultiStringValue":
            self.publish_list = list(parameters["sValue"])
        elif self.publish_list is None:
            return {"ReturnValue": 2 if method == "DeleteValue" else 1}
        elif method == "DeleteValue":
            self.publish_list = None
        else:
            return {"sValue": self.publish_list}
        return {}

    def _license(self, holder: dict[str, Any], method: str, parameters: Mapping[str, Any]) -> None:
        if method == "InstallProductKey":
            activation_id, channel = self.known_keys[parameters["ProductKey"]]
            chosen = self.find(activation_id)
            replaced = [] if chosen["ApplicationID"] == OFFICE_APPLICATION else self.products
            for item in replaced:
                if item["ApplicationID"] == chosen["ApplicationID"] and not chosen["LicenseIsAddon"]:
                    item.update(PartialProductKey=None, LicenseStatus=0)
            chosen.update(
                PartialProductKey=parameters["ProductKey"][-5:],
                ProductKeyChannel=channel,
                LicenseStatus=2,
                GracePeriodRemaining=43200,
            )
        elif method == "UninstallProductKey":
            holder.update(PartialProductKey=None, ProductKeyChannel=None, LicenseStatus=0)
        elif method == "Activate":
            months = 259200 if holder["ProductKeyChannel"] == "Volume:GVLK" else 0
            holder.update(LicenseStatus=1, LicenseStatusReason=0, GracePeriodRemaining=months)
        else:
            assert method in ("RefreshLicenseStatus", "ClearProductKeyFromRegistry"), method


def _ids(products: Sequence[Mapping[str, Any]]) -> set[str]:
    return {item["ID"].lower() for item in products}


def _matches(row: Mapping[str, Any], where: str) -> bool:
    matched = _CONDITION.findall(where)
    assert len(matched) == (where.count(" AND ") + 1 if where else 0), f"condition is not understood: {where}"
    for name, literal, present, described, words in matched:
        if described and words not in str(row.get(described)):
            return False
        if present and row.get(present) is None:
            return False
        if name and str(row.get(name)).lower() != literal[1:-1].lower():
            return False
    return True
