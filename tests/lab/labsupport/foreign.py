# Copyright (c) 2026, the winops.kms authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""WQL by pywinrm's Protocol and by pypsrp's WSMan, which know nothing of the lab."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from uuid import uuid4
from xml.sax.saxutils import escape

from pypsrp.wsman import NAMESPACES, WSMan
from winrm.protocol import Protocol

CIMV2 = "http://schemas.microsoft.com/wbem/wsman/1/wmi/root/cimv2/"
WQL = "http://schemas.microsoft.com/wbem/wsman/1/WQL"
ENUMERATION = "http://schemas.xmlsoap.org/ws/2004/09/enumeration"
NS = {"n": ENUMERATION, **NAMESPACES}


def envelope(action: str, uri: str, body: str = "", selectors: str = "") -> str:
    return (
        f'<s:Envelope xmlns:s="{NS["s"]}" xmlns:a="{NS["wsa"]}" xmlns:w="{NS["wsman"]}" xmlns:n="{ENUMERATION}">'
        f"<s:Header><a:To>http://windows:5985/wsman</a:To><w:ResourceURI s:mustUnderstand='true'>{uri}</w:ResourceURI>"
        f"<a:ReplyTo><a:Address s:mustUnderstand='true'>{NS['wsa']}/role/anonymous</a:Address></a:ReplyTo>"
        f"<a:Action s:mustUnderstand='true'>{action}</a:Action><a:MessageID>uuid:{uuid4()}</a:MessageID>{selectors}"
        f"<w:OperationTimeout>PT20S</w:OperationTimeout></s:Header><s:Body>{body}</s:Body></s:Envelope>"
    )


def wql_body(query: str) -> str:
    return (
        "<n:Enumerate><w:OptimizeEnumeration/><w:MaxElements>32000</w:MaxElements>"
        f'<w:Filter Dialect="{WQL}">{escape(query)}</w:Filter></n:Enumerate>'
    )


def winrm_query(protocol: Protocol, query: str) -> list[dict[str, str | None]]:
    root = ET.fromstring(protocol.send_message(envelope(ENUMERATION + "/Enumerate", CIMV2 + "*", wql_body(query))))
    items = root.findall(".//wsman:Items/*", NS)
    while context := root.findtext(".//n:EnumerationContext", namespaces=NS):
        body = (
            f"<n:Pull><n:EnumerationContext>{context}</n:EnumerationContext><n:MaxElements>100</n:MaxElements></n:Pull>"
        )
        root = ET.fromstring(protocol.send_message(envelope(ENUMERATION + "/Pull", CIMV2 + "*", body)))
        items += root.findall(".//n:Items/*", NS)
    return [{child.tag: child.text for child in item} for item in items]


def psrp_query(wsman: WSMan, query: str) -> list[dict[str, str | None]]:
    enumerate_body = ET.fromstring(
        f'<n:Enumerate xmlns:n="{ENUMERATION}" xmlns:w="{NS["wsman"]}">{wql_body(query)[len("<n:Enumerate>") :]}'
    )
    root = wsman.enumerate(CIMV2 + "*", enumerate_body)
    items = root.findall(".//wsman:Items/*", NS)
    while context := root.findtext(".//n:EnumerationContext", namespaces=NS):
        pull = ET.Element(f"{{{ENUMERATION}}}Pull")
        ET.SubElement(pull, f"{{{ENUMERATION}}}EnumerationContext").text = context
        ET.SubElement(pull, f"{{{ENUMERATION}}}MaxElements").text = "100"
        root = wsman.pull(CIMV2 + "*", pull)
        items += root.findall(".//n:Items/*", NS)
    return [{child.tag: child.text for child in item} for item in items]
