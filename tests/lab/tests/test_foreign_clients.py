# Copyright (c) 2026, the winops.kms authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Clients that nobody here wrote read the lab: pywinrm's Protocol and pypsrp's WSMan, used directly.

They know Windows; what they make of the lab's messages is the measure here.
"""

from __future__ import annotations

import xml.etree.ElementTree as ET
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from labsupport.foreign import CIMV2, envelope, psrp_query, winrm_query
from pypsrp.exceptions import AuthenticationError, WinRMTransportError
from pypsrp.exceptions import WSManFaultError as PsrpFault
from pypsrp.wsman import SelectorSet, WSMan
from winrm.exceptions import InvalidCredentialsError, WinRMOperationTimeoutError
from winrm.exceptions import WSManFaultError as WinrmFault
from winrm.protocol import Protocol

from kmslab.control import Lab

ESTATE = Path(__file__).parents[1] / "estates" / "demo.yml"
HOST = "kms1"
SERVICE = CIMV2 + "SoftwareLicensingService"
PRODUCT = CIMV2 + "SoftwareLicensingProduct"
TRANSFER = "http://schemas.xmlsoap.org/ws/2004/09/transfer"
PRODUCTS = (
    "SELECT ID,Name,LicenseStatus,PartialProductKey,LicenseIsAddon FROM SoftwareLicensingProduct "
    "WHERE ApplicationID='55c92734-d682-4d71-983e-d6ec3f16059f' AND PartialProductKey IS NOT NULL"
)


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    with Lab(ESTATE) as running:
        yield running


@pytest.fixture
def login(lab: Lab) -> Iterator[tuple[str, str]]:
    lab.reset()
    inventory = yaml.safe_load(lab.inventory.read_text(encoding="utf-8"))["all"]
    merged = {**inventory["vars"], **inventory["hosts"][HOST]}
    yield merged["ansible_user"], merged["ansible_password"]


# -- pywinrm --------------------------------------------------------------------------------------------------------


@pytest.fixture
def winrm(lab: Lab, login: tuple[str, str]) -> Protocol:
    ca_file = lab.info["ca_file"]
    return Protocol(lab.endpoint(HOST), transport="basic", username=login[0], password=login[1], ca_trust_path=ca_file)


def test_pywinrm_reads_the_licensing_classes(lab: Lab, winrm: Protocol) -> None:
    [service] = winrm_query(winrm, "SELECT Version,ClientMachineID FROM SoftwareLicensingService")
    assert service["ClientMachineID"] == lab.machine(HOST)["cmid"]
    [product] = winrm_query(winrm, PRODUCTS)
    assert product["PartialProductKey"] == lab.machine(HOST)["partial_product_key"]
    assert product["LicenseStatus"] == str(lab.machine(HOST)["status_code"])
    everything = winrm_query(winrm, "SELECT ID FROM SoftwareLicensingProduct")
    assert len(everything) > 1
    assert len({row["ID"] for row in everything}) == len(everything)
    assert lab.machine(HOST)["open_enumerations"] == 0


def test_pywinrm_gets_the_service_by_its_key(winrm: Protocol) -> None:
    [service] = winrm_query(winrm, "SELECT Version FROM SoftwareLicensingService")
    selectors = f"<w:SelectorSet><w:Selector Name='Version'>{service['Version']}</w:Selector></w:SelectorSet>"
    root = ET.fromstring(winrm.send_message(envelope(TRANSFER + "/Get", SERVICE, selectors=selectors)))
    instance = root.find(f".//{{{SERVICE}}}SoftwareLicensingService")
    assert instance is not None
    assert instance.findtext(f"{{{SERVICE}}}Version") == service["Version"]


def test_pywinrm_understands_both_shapes_of_faults(lab: Lab, winrm: Protocol) -> None:
    with pytest.raises(WinrmFault) as caught:
        winrm_query(winrm, "SELECT * FROM NoSuchClass")
    assert caught.value.wsman_fault_code == 2150858778
    assert caught.value.fault_subcode == "n:CannotProcessFilter"
    lab.fault(HOST, "fault", hresult="0xC004F074", shape="wmi")
    with pytest.raises(WinrmFault) as caught:
        winrm_query(winrm, PRODUCTS)
    assert caught.value.wmierror_code == 0xC004F074
    lab.fault(HOST, "timed_out")
    with pytest.raises(WinRMOperationTimeoutError):
        winrm_query(winrm, PRODUCTS)


def test_pywinrm_by_https(lab: Lab, login: tuple[str, str]) -> None:
    protocol = Protocol(
        lab.endpoint(HOST, scheme="https"),
        transport="ssl",
        username=login[0],
        password=login[1],
        ca_trust_path=lab.info["ca_file"],
    )
    assert len(winrm_query(protocol, PRODUCTS)) == 1


def test_pywinrm_is_told_of_wrong_credentials(lab: Lab, login: tuple[str, str]) -> None:
    protocol = Protocol(lab.endpoint(HOST), transport="basic", username=login[0], password="wrong")
    with pytest.raises(InvalidCredentialsError):
        winrm_query(protocol, PRODUCTS)


# -- pypsrp ---------------------------------------------------------------------------------------------------------


def make_wsman(lab: Lab, user: str, password: str, *, ssl: bool = False) -> WSMan:
    return WSMan(
        "127.0.0.1",
        port=lab.info["https_port" if ssl else "http_port"],
        path=f"{HOST}/wsman",
        username=user,
        password=password,
        auth="basic",
        ssl=ssl,
        encryption="auto" if ssl else "never",
        cert_validation=lab.info["ca_file"] if ssl else True,
        max_envelope_size=512000,
    )


@pytest.fixture
def psrp(lab: Lab, login: tuple[str, str]) -> Iterator[WSMan]:
    with make_wsman(lab, *login) as wsman:
        yield wsman


def test_pypsrp_reads_the_licensing_classes(lab: Lab, psrp: WSMan) -> None:
    [service] = psrp_query(psrp, "SELECT Version,ClientMachineID FROM SoftwareLicensingService")
    assert service["ClientMachineID"] == lab.machine(HOST)["cmid"]
    [product] = psrp_query(psrp, PRODUCTS)
    assert product["PartialProductKey"] == lab.machine(HOST)["partial_product_key"]
    assert len(psrp_query(psrp, "SELECT ID FROM SoftwareLicensingProduct")) > 1
    selectors = SelectorSet()
    selectors.add_option("ID", str(product["ID"]))
    body = psrp.get(PRODUCT, None, selector_set=selectors)
    assert body.findtext(f".//{{{PRODUCT}}}Name") == product["Name"]


def test_pypsrp_invokes_a_method(lab: Lab, psrp: WSMan) -> None:
    [service] = psrp_query(psrp, "SELECT Version FROM SoftwareLicensingService")
    selectors = SelectorSet()
    selectors.add_option("Version", str(service["Version"]))
    method = ET.Element(f"{{{SERVICE}}}SetKeyManagementServiceMachine_INPUT")
    ET.SubElement(method, f"{{{SERVICE}}}MachineName").text = "kms.corp.example"
    action = SERVICE + "/SetKeyManagementServiceMachine"
    root = psrp.invoke(action, SERVICE, method, selector_set=selectors)
    assert root.findtext(f".//{{{SERVICE}}}ReturnValue") == "0"
    [after] = psrp_query(psrp, "SELECT KeyManagementServiceMachine FROM SoftwareLicensingService")
    assert after["KeyManagementServiceMachine"] == "kms.corp.example"
    writes = [entry["method"] for entry in lab.requests(HOST) if entry["kind"] != "read"]
    assert writes == ["SetKeyManagementServiceMachine"]


def test_pypsrp_understands_faults(lab: Lab, psrp: WSMan) -> None:
    with pytest.raises(PsrpFault) as caught:
        psrp_query(psrp, "SELECT * FROM NoSuchClass")
    assert caught.value.code == 2150858778
    lab.fault(HOST, "http_503")
    with pytest.raises(WinRMTransportError) as transport:
        psrp_query(psrp, PRODUCTS)
    assert transport.value.code == 503


def test_pypsrp_by_https_and_with_wrong_credentials(lab: Lab, login: tuple[str, str]) -> None:
    with make_wsman(lab, *login, ssl=True) as wsman:
        assert len(psrp_query(wsman, PRODUCTS)) == 1
    with make_wsman(lab, login[0], "wrong") as wsman, pytest.raises(AuthenticationError):
        psrp_query(wsman, PRODUCTS)
