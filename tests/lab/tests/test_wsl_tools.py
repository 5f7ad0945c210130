# Copyright (c) 2026, the winops.kms authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Debian's package wsl: WS-Management by shell scripts around curl and xmllint, which know nothing of Windows.

Debian's packages wsl, curl, libxml2-utils and uuid-runtime are needed.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import xml.etree.ElementTree as ET
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from labsupport.foreign import CIMV2, NS, WQL
from labsupport.remote import ENGLISH, GERMAN, HOST, PASSWORD, READER, READER_PASSWORD, USER, port, running

from kmslab.control import Lab

#: Program -> the package that it is in.  wsl itself does not ask for the last one.
PROGRAMS = {"wslenum": "wsl", "curl": "curl", "xmllint": "libxml2-utils", "uuidgen": "uuid-runtime"}
SERVICE = CIMV2 + "SoftwareLicensingService"

#: (the arguments of a tool) -> (its exit code, the envelope of the last answer)
Tool = Callable[..., tuple[int, ET.Element]]


@pytest.fixture(scope="module")
def _running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    missing = [package for program, package in PROGRAMS.items() if shutil.which(program) is None]
    if missing:
        pytest.fail(f"{' '.join(missing)} not installed. On Debian, as root: apt install {' '.join(missing)}")
    with running(tmp_path_factory.mktemp("estate")) as lab:
        yield lab


@pytest.fixture
def lab(_running: Lab) -> Lab:
    _running.clear_requests()
    return _running


@pytest.fixture
def tool(lab: Lab, tmp_path: Path) -> Tool:
    """Runs one of the tools by HTTP with Basic; its files are in `tmp_path`."""

    def run(*command: str, machine: str = HOST, user: str = USER, password: str = PASSWORD) -> tuple[int, ET.Element]:
        environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(tmp_path),
            "KEEPHISTORY": "0",
            "WSENDPOINT": f"127.0.0.1:{port(lab, machine)}",
            "WSNOSSL": "true",
            "WSUSER": user,
            "WSPASS": password,
        }
        done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, timeout=60, check=False)
        answer = (tmp_path / "response.xml").read_bytes()
        return done.returncode, ET.fromstring(answer or b"<nothing/>")

    return run


def test_identify(tool: Tool) -> None:
    code, answer = tool("wslid", "check")
    assert code == 0
    vendor = answer.findtext(".//{http://schemas.dmtf.org/wbem/wsman/identity/1/wsmanidentity.xsd}ProductVendor")
    assert vendor == "Microsoft Corporation"


def test_get(lab: Lab, tool: Tool) -> None:
    code, answer = tool("wslget", SERVICE, f"Version={lab.machine(HOST)['version']}")
    assert code == 0
    assert answer.findtext(f".//{{{SERVICE}}}ClientMachineID") == lab.machine(HOST)["cmid"]
    assert answer.findtext(f".//{{{SERVICE}}}IsKeyManagementServiceMachine") == "1"


def test_get_without_such_an_instance(tool: Tool) -> None:
    code, answer = tool("wslget", SERVICE, "Version=1.2.3")
    assert code != 0
    assert answer.findtext(".//s:Subcode/s:Value", namespaces=NS) == "a:DestinationUnreachable"


def test_a_query_is_pulled_to_its_end(lab: Lab, tool: Tool) -> None:
    query = "SELECT Name,LicenseStatus FROM SoftwareLicensingProduct WHERE PartialProductKey IS NOT NULL"
    code, answer = tool("wslenum", CIMV2 + "*", "-dialect", WQL, "-filter", query, machine=GERMAN)
    assert code == 0
    [row] = answer.findall(".//n:Items/wsman:XmlFragment", NS)
    assert (row.findtext("Name"), row.findtext("LicenseStatus")) == ("Windows(R), Enterprise edition", "1")
    assert lab.machine(GERMAN)["open_enumerations"] == 0


def test_a_class_is_enumerated_one_by_one(lab: Lab, tool: Tool) -> None:
    """The tool asks for no number of elements, which means one."""
    code, _ignored = tool("wslenum", CIMV2 + "Win32_Service")
    assert code == 0
    actions = [entry["action"].rpartition("/")[2] for entry in lab.requests(HOST)]
    assert actions[0] == "Enumerate"
    assert len(actions) > 2
    assert set(actions[1:]) == {"Pull"}
    assert lab.machine(HOST)["open_enumerations"] == 0


def test_invoke(lab: Lab, tool: Tool, tmp_path: Path) -> None:
    assert tool("wslenum", SERVICE, "-mode", "epr", machine=ENGLISH)[0] == 0
    # wslinvoke copies the reference into its own envelope, where the prefix of Windows is not known.
    reference = (tmp_path / "response.xml").read_text(encoding="utf-8").replace("w:", "wsman:")
    (tmp_path / "service.xml").write_text(reference, encoding="utf-8")
    code, answer = tool(
        "wslinvoke",
        SERVICE,
        "SetKeyManagementServiceMachine",
        "MachineName=kms.other.example",
        "-inst",
        "service.xml",
        machine=ENGLISH,
    )
    assert code == 0
    assert answer.findtext(f".//{{{SERVICE}}}ReturnValue") == "0"
    assert lab.machine(ENGLISH)["settings"]["kms_server"] == "kms.other.example"
    assert [entry["kind"] for entry in lab.requests(ENGLISH)][-1] == "write"


def test_a_reader_may_not_invoke(lab: Lab, tool: Tool, tmp_path: Path) -> None:
    reader = {"machine": GERMAN, "user": READER, "password": READER_PASSWORD}
    assert tool("wslenum", SERVICE, "-mode", "epr", **reader)[0] == 0
    reference = (tmp_path / "response.xml").read_text(encoding="utf-8").replace("w:", "wsman:")
    (tmp_path / "service.xml").write_text(reference, encoding="utf-8")
    code, answer = tool("wslinvoke", SERVICE, "ClearProductKeyFromRegistry", "-inst", "service.xml", **reader)
    assert code != 0
    assert answer.findtext(".//s:Subcode/s:Value", namespaces=NS) == "w:AccessDenied"
    assert answer.findtext(".//s:Reason/s:Text", namespaces=NS) == "Zugriff verweigert "


def test_a_wrong_password(lab: Lab, tool: Tool) -> None:
    code, answer = tool("wslget", SERVICE, "Version=1", password="wrong")
    assert code != 0
    assert answer.tag == "nothing"
    assert lab.requests() == []
