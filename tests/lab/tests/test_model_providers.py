# Copyright (c) 2026, the winops.kms authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The CIM classes: what each Windows generation has, and the classes beside licensing."""

from __future__ import annotations

from typing import Any

import pytest
from labsupport.desk import Desk, client, estate_data, host

from kmslab.cim import Field, WmiError
from kmslab.model import Estate

SPP = r"SOFTWARE\Microsoft\Windows NT\CurrentVersion\SoftwareProtectionPlatform"
WINDOWS = r"SOFTWARE\Microsoft\Windows NT\CurrentVersion"


def desk_of(*machines: dict[str, Any]) -> Desk:
    return Desk(Estate.from_data(estate_data(*machines)))


def names(desk: Desk, name: str = "SoftwareLicensingService") -> set[str]:
    return {field.name for field in desk.provider("pc", name).cim_class.fields}


def methods(desk: Desk, name: str = "SoftwareLicensingService") -> set[str]:
    return {method.name for method in desk.provider("pc", name).cim_class.methods}


# -- generations -----------------------------------------------------------------------------------------------------

LOOKUP, CHANNEL, PORT = "KeyManagementServiceLookupDomain", "ProductKeyChannel", "KeyManagementServicePort"


@pytest.mark.parametrize(
    ("build", "version", "service_has", "service_lacks", "product_has", "product_lacks"),
    [
        (7601, "6.1.7601.17514", {"KeyManagementServiceActivationDisabled", "KeyManagementServiceHostCaching"},
         {LOOKUP, PORT, "OA3xOriginalProductKey", "SubscriptionType"}, {PORT},
         {LOOKUP, CHANNEL, "ProductKeyID2", "VLActivationTypeEnabled", "IAID"}),
        (9200, "6.2.9200.16384", {LOOKUP, PORT, "KeyManagementServiceActivationDisabled"}, {"SubscriptionType"},
         {"VLActivationTypeEnabled", LOOKUP}, {CHANNEL, "IAID"}),
        (9600, "6.3.9600.18969", {LOOKUP, "KeyManagementServiceActivationDisabled"}, {"SubscriptionType"},
         {CHANNEL, "IAID"}, set()),
        (19045, "10.0.19045.5965", {LOOKUP, PORT}, {"SubscriptionType", "KeyManagementServiceActivationDisabled"},
         {CHANNEL}, set()),
        (22631, "10.0.22631.5335", {LOOKUP, PORT, "SubscriptionType", "EmitWindowsMeter"},
         {"KeyManagementServiceActivationDisabled"}, {CHANNEL}, set()),
    ],
)  # fmt: skip
def test_properties_of_a_generation(
    build: int,
    version: str,
    service_has: set[str],
    service_lacks: set[str],
    product_has: set[str],
    product_lacks: set[str],
) -> None:
    desk = desk_of(client(build=build))
    assert desk.service("pc")["Version"] == version
    assert service_has <= names(desk) and not service_lacks & names(desk)
    product = names(desk, "SoftwareLicensingProduct")
    assert product_has <= product and not product_lacks & product
    assert set(desk.service("pc")) == names(desk), "an instance has just what its class has"
    assert set(desk.keyed("pc")) == product


def test_methods_of_a_generation() -> None:
    old, new = desk_of(client(build=7601)), desk_of(client())
    assert "SetKeyManagementServiceLookupDomain" in methods(new) - methods(old)
    assert "SetVLActivationTypeEnabled" in methods(new, "SoftwareLicensingProduct") - methods(
        old, "SoftwareLicensingProduct"
    )
    assert methods(old) - methods(new) == {"DisableKeyManagementServiceActivation"}
    with pytest.raises(WmiError) as caught:
        old.set("pc", "SetKeyManagementServiceLookupDomain", LookupDomain="corp.example")
    assert caught.value.hresult == 0x8004102E


def test_every_value_has_the_type_of_its_field() -> None:
    desk = desk_of(host(), client())
    python = {"string": str, "boolean": bool, "datetime": object}
    for machine in ("kms1", "pc"):
        view = desk.estate.view(machine)
        assert view is not None
        for provider in view.providers.values():
            kinds = {field.name: field for field in provider.cim_class.fields}
            for row in provider.instances():
                assert set(row) == set(kinds)
                for name, value in row.items():
                    if value is not None:
                        _check(kinds[name], value, python.get(kinds[name].type, int))


def _check(field: Field, value: object, kind: type) -> None:
    values = value if field.array else [value]
    assert isinstance(values, list)
    for one in values:
        assert isinstance(one, kind) and (kind is not int or not isinstance(one, bool)), (field, value)
        if field.type.startswith("uint"):
            assert isinstance(one, int) and 0 <= one < 2 ** int(field.type[4:]), (field, value)


def test_what_the_lab_does_not_simulate_says_so() -> None:
    desk = desk_of(client())
    with pytest.raises(WmiError) as caught:
        desk.set("pc", "InstallLicensePackage", LicensePackage="<xml/>")
    assert caught.value.hresult == 0x80041024
    assert "InstallLicense" in caught.value.message


@pytest.mark.parametrize(
    ("name", "keys"),
    [
        ("SoftwareLicensingService", {"Version": "6.0"}),
        ("SoftwareLicensingProduct", {"ID": "x"}),
        ("Win32_Service", {"Name": "x"}),
    ],
)
def test_an_instance_that_is_not_there(name: str, keys: dict[str, str]) -> None:
    method = {"SoftwareLicensingService": "RefreshLicenseStatus", "SoftwareLicensingProduct": "Activate"}.get(
        name, "StopService"
    )
    with pytest.raises(WmiError) as caught:
        desk_of(client()).provider("pc", name).invoke(keys, method, {})
    assert caught.value.hresult == 0x80041002


# -- client settings and the registry --------------------------------------------------------------------------------


def test_settings_and_the_registry_are_one() -> None:
    desk = desk_of(client())
    assert desk.service("pc")["KeyManagementServiceMachine"] is None
    desk.set("pc", "SetKeyManagementServiceMachine", MachineName="kms1.corp.example")
    desk.set("pc", "SetKeyManagementServicePort", PortNumber=1690)
    read = [
        desk.registry("pc", "GetStringValue", SPP, sValueName=f"KeyManagementService{name}")
        for name in ("Name", "Port")
    ]
    assert [one["sValue"] for one in read] == ["kms1.corp.example", "1690"]
    desk.registry("pc", "SetStringValue", SPP, sValueName="KeyManagementServiceName", sValue="kms2")
    assert desk.service("pc")["KeyManagementServiceMachine"] == "kms2"
    desk.set("pc", "ClearKeyManagementServiceMachine")
    desk.set("pc", "ClearKeyManagementServicePort")
    assert (desk.service("pc")["KeyManagementServiceMachine"], desk.service("pc")["KeyManagementServicePort"]) == (
        None,
        0,
    )
    assert desk.registry("pc", "GetStringValue", SPP, sValueName="KeyManagementServiceName")["ReturnValue"] == 1


@pytest.mark.parametrize(
    ("method", "arguments"),
    [
        ("SetKeyManagementServiceMachine", {"MachineName": ""}),
        ("SetKeyManagementServiceMachine", {}),
        ("SetKeyManagementServicePort", {"PortNumber": 0}),
        ("SetKeyManagementServicePort", {"PortNumber": 65536}),
        ("SetKeyManagementServiceLookupDomain", {"LookupDomain": ""}),
        ("SetVLActivationTypeEnabled", {"ActivationType": 4}),
        ("DisableKeyManagementServiceHostCaching", {}),
    ],
)
def test_bad_settings(method: str, arguments: dict[str, Any]) -> None:
    desk = desk_of(client())
    before = desk.estate.describe("pc")
    with pytest.raises(WmiError) as caught:
        desk.set("pc", method, **arguments)
    assert caught.value.hresult == 0x80070057
    assert desk.estate.describe("pc")["settings"] == before["settings"]


def test_lookup_domain_caching_and_activation_type() -> None:
    desk = desk_of(client())
    desk.set("pc", "SetKeyManagementServiceLookupDomain", LookupDomain="kms.example")
    desk.set("pc", "DisableKeyManagementServiceHostCaching", DisableCaching=True)
    desk.set_product("pc", "SetVLActivationTypeEnabled", ActivationType=2)
    service = desk.service("pc")
    assert (service["KeyManagementServiceLookupDomain"], service["KeyManagementServiceHostCaching"]) == (
        "kms.example",
        False,
    )
    row = desk.keyed("pc")
    assert row["VLActivationTypeEnabled"] == 2
    key = f"{SPP}\\{row['ApplicationID']}\\{row['ID']}"
    assert desk.registry("pc", "GetDWORDValue", key, sValueName="VLActivationType")["uValue"] == 2
    desk.set_product("pc", "ClearVLActivationTypeEnabled")
    assert desk.keyed("pc")["VLActivationTypeEnabled"] == 0


def test_registry_reading() -> None:
    desk = desk_of(client(locale="de-DE"))
    assert desk.registry("pc", "GetStringValue", WINDOWS, sValueName="editionid") == {
        "sValue": "Enterprise",
        "ReturnValue": 0,
    }
    assert desk.registry("pc", "GetStringValue", WINDOWS, sValueName="CurrentBuild")["sValue"] == "22631"
    assert desk.registry("pc", "GetDWORDValue", WINDOWS, sValueName="UBR")["uValue"] == 5335
    assert desk.registry("pc", "GetDWORDValue", WINDOWS, sValueName="EditionID")["ReturnValue"] == 0x80041005
    assert desk.registry("pc", "GetStringValue", WINDOWS, sValueName="no")["ReturnValue"] == 1
    assert desk.registry("pc", "GetStringValue", "no\\such\\key", sValueName="no")["ReturnValue"] == 2
    assert desk.registry("pc", "EnumKey", "SOFTWARE") == {"sNames": ["Microsoft"], "ReturnValue": 0}
    listed = desk.registry("pc", "EnumValues", SPP)
    assert dict(zip(listed["sNames"], listed["Types"], strict=True))["VLRenewalInterval"] == 4  # type: ignore[call-overload]
    assert desk.registry("pc", "EnumKey", "SOFTWARE", hDefKey=2147483651)["ReturnValue"] == 2, "another hive"


def test_registry_writing() -> None:
    desk = desk_of(client())
    key = r"SOFTWARE\Lab\New"
    assert desk.registry("pc", "SetStringValue", key, sValueName="a", sValue="x")["ReturnValue"] == 2
    assert desk.registry("pc", "CheckAccess", key, uRequired=3) == {"bGranted": False, "ReturnValue": 2}
    assert desk.registry("pc", "CreateKey", key)["ReturnValue"] == 0
    assert desk.registry("pc", "SetMultiStringValue", key, sValueName="list", sValue=["a", "b"])["ReturnValue"] == 0
    assert desk.registry("pc", "SetDWORDValue", key, sValueName="number", uValue=0)["ReturnValue"] == 0
    assert desk.registry("pc", "GetMultiStringValue", key, sValueName="LIST")["sValue"] == ["a", "b"]
    assert desk.registry("pc", "EnumValues", key) == {"sNames": ["list", "number"], "Types": [7, 4], "ReturnValue": 0}
    assert desk.registry("pc", "DeleteValue", key, sValueName="list")["ReturnValue"] == 0
    assert desk.registry("pc", "DeleteValue", key, sValueName="list")["ReturnValue"] == 2
    assert desk.registry("pc", "DeleteKey", r"SOFTWARE\Lab")["ReturnValue"] == 5, "it has a subkey"
    assert desk.registry("pc", "DeleteKey", key)["ReturnValue"] == 0


def test_both_namespaces_have_the_registry() -> None:
    desk = desk_of(client())
    for namespace in ("root/default", "root/cimv2"):
        assert desk.provider("pc", "StdRegProv", namespace).cim_class.namespace == namespace


# -- operating system, services, firewall ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("machine", "expected"),
    [
        (client(), ("Microsoft Windows 11 Enterprise", "22631", "10.0.22631", 4, 1, 1033)),
        (client(build=7601), ("Microsoft Windows 7 Enterprise", "7601", "6.1.7601", 4, 1, 1033)),
        (client(build=19045, locale="fr-FR"), ("Microsoft Windows 10 Entreprise", "19045", "10.0.19045", 4, 1, 1036)),
        (client(edition="EnterpriseS", build=19044),
         ("Microsoft Windows 10 Enterprise LTSC", "19044", "10.0.19044", 125, 1, 1033)),
        (client(edition="ServerStandard", build=26100, locale="de-DE"),
         ("Microsoft Windows Server 2025 Standard", "26100", "10.0.26100", 7, 3, 1031)),
        (client(edition="ServerDatacenter", build=14393, core=True, domain_controller=True),
         ("Microsoft Windows Server 2016 Datacenter", "14393", "10.0.14393", 12, 2, 1033)),
    ],
)  # fmt: skip
def test_operating_system(machine: dict[str, Any], expected: tuple[object, ...]) -> None:
    (row,) = desk_of(machine).rows("pc", "Win32_OperatingSystem")
    properties = ("Caption", "BuildNumber", "Version", "OperatingSystemSKU", "ProductType", "OSLanguage")
    assert tuple(row[name] for name in properties) == expected


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, ("PC", "pc", "corp.example", True)),
        ({"domain": None, "dns_suffix": "corp.example"}, ("PC", "pc", "WORKGROUP", False)),
    ],
)
def test_computer_system(changes: dict[str, Any], expected: tuple[object, ...]) -> None:
    (row,) = desk_of(client(**changes)).rows("pc", "Win32_ComputerSystem")
    assert tuple(row[name] for name in ("Name", "DNSHostName", "Domain", "PartOfDomain")) == expected


def test_a_service_stops_and_starts() -> None:
    desk = desk_of(host())
    services = desk.provider("kms1", "Win32_Service")

    def call(method: str, **arguments: object) -> object:
        return services.invoke({"Name": "SPPSVC"}, method, arguments)["ReturnValue"]

    assert call("StartService") == 10
    assert call("StopService") == 0
    assert call("StartService") == 10, "it is still stopping"
    assert [desk.state("kms1"), desk.state("kms1")] == ["Stop Pending", "Stopped"]
    assert call("StopService") == 5
    assert call("StartService") == 0
    assert desk.state("kms1") == "Running"
    assert desk.estate.describe("kms1")["sppsvc"] == {"state": "Running", "start_mode": "Auto", "restarts": 1}
    assert call("ChangeStartMode", StartMode="Whenever") == 21
    assert call("ChangeStartMode", StartMode="Disabled") == 0
    assert call("StopService") == 0
    assert [desk.state("kms1"), desk.state("kms1")] == ["Stop Pending", "Stopped"]
    assert call("StartService") == 14


def test_reading_licences_starts_the_service_unless_it_is_disabled() -> None:
    desk = desk_of(client())
    assert desk.state("pc") == "Stopped"
    desk.service("pc")
    assert desk.state("pc") == "Running"
    desk.estate.patch("pc", {"sppsvc": {"state": "Stopped", "start_mode": "Disabled"}})
    with pytest.raises(WmiError) as caught:
        desk.service("pc")
    assert caught.value.hresult == 0x80070422


def test_firewall_rule() -> None:
    desk = desk_of(host(firewall={}, locale="de-DE"))
    rules = desk.provider("kms1", "MSFT_NetFirewallRule", "root/StandardCimv2")

    def rule() -> Any:
        return next(row for row in rules.instances() if row["InstanceID"] == "SPPSVC-In-TCP")

    path = {key: rule()[key] for key in rules.cim_class.keys}
    assert path["InstanceID"] == "SPPSVC-In-TCP" and len(path) == 5
    assert (rule()["Enabled"], rule()["DisplayName"]) == (2, "Schlüsselverwaltungsdienst (TCP eingehend)")
    rules.invoke(path, "Enable", {})
    assert rule()["Enabled"] == 1
    assert rules.put(path, {"Enabled": 2, "Profiles": 7})["Profiles"] == 7
    assert rule()["Enabled"] == 2
    with pytest.raises(WmiError) as caught:
        rules.put(path, {"Enabled": 3})
    assert caught.value.hresult == 0x80041008
    with pytest.raises(WmiError) as caught:
        rules.invoke({"InstanceID": "no"}, "Enable", {})
    assert caught.value.hresult == 0x80041002


def test_windows_7_has_no_firewall_class() -> None:
    view = desk_of(client(build=7601)).estate.view("pc")
    assert view is not None
    assert ("root/standardcimv2", "msft_netfirewallrule") not in view.providers
