# Copyright (c) 2026, the winops.kms authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Names of the protocol: namespaces, actions, dialects, resource URI prefixes."""

from __future__ import annotations

SOAP = "http://www.w3.org/2003/05/soap-envelope"
ADDRESSING = "http://schemas.xmlsoap.org/ws/2004/08/addressing"
ENUMERATION = "http://schemas.xmlsoap.org/ws/2004/09/enumeration"
EVENTING = "http://schemas.xmlsoap.org/ws/2004/08/eventing"
TRANSFER = "http://schemas.xmlsoap.org/ws/2004/09/transfer"
WSMAN = "http://schemas.dmtf.org/wbem/wsman/1/wsman.xsd"
MICROSOFT = "http://schemas.microsoft.com/wbem/wsman/1/wsman.xsd"
CIM = "http://schemas.dmtf.org/wbem/wscim/1/common"
CIM_BINDING = "http://schemas.dmtf.org/wbem/wsman/1/cimbinding.xsd"
WSMAN_FAULT = "http://schemas.microsoft.com/wbem/wsman/1/wsmanfault"
IDENTITY = "http://schemas.dmtf.org/wbem/wsman/identity/1/wsmanidentity.xsd"
XSI = "http://www.w3.org/2001/XMLSchema-instance"
XML = "http://www.w3.org/XML/1998/namespace"

ANONYMOUS = ADDRESSING + "/role/anonymous"

GET = TRANSFER + "/Get"
PUT = TRANSFER + "/Put"
CREATE = TRANSFER + "/Create"
DELETE = TRANSFER + "/Delete"
ENUMERATE = ENUMERATION + "/Enumerate"
PULL = ENUMERATION + "/Pull"
RELEASE = ENUMERATION + "/Release"

FAULT_ADDRESSING = ADDRESSING + "/fault"
FAULT_ENUMERATION = ENUMERATION + "/fault"
FAULT_WSMAN = "http://schemas.dmtf.org/wbem/wsman/1/wsman/fault"
FAULT_DETAIL = "http://schemas.dmtf.org/wbem/wsman/1/wsman/faultDetail/"

WQL = "http://schemas.microsoft.com/wbem/wsman/1/WQL"
SELECTOR_FILTER = "http://schemas.dmtf.org/wbem/wsman/1/wsman/SelectorFilter"

WMI_URI = "http://schemas.microsoft.com/wbem/wsman/1/wmi/"
DMTF_URI = "http://schemas.dmtf.org/wbem/wscim/1/cim-schema/2/"
#: Resources that would start a process or a PowerShell runspace on the machine.
SHELL_URIS = (
    "http://schemas.microsoft.com/wbem/wsman/1/windows/shell",
    "http://schemas.microsoft.com/powershell/",
)

CONTENT_TYPE = "application/soap+xml;charset=UTF-8"
