# Copyright (c) 2026, the winops.kms authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Answers to feed to the client, and a transport that plays them back."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from collections.abc import Callable, Sequence
from typing import TypeAlias

from ansible_collections.winops.kms.plugins.plugin_utils._cim.schema import CimClass

WMI = "http://schemas.microsoft.com/wbem/wsman/1/wmi/"
NAMESPACES = {
    "s": "http://www.w3.org/2003/05/soap-envelope",
    "a": "http://schemas.xmlsoap.org/ws/2004/08/addressing",
    "n": "http://schemas.xmlsoap.org/ws/2004/09/enumeration",
    "x": "http://schemas.xmlsoap.org/ws/2004/09/transfer",
    "w": "http://schemas.dmtf.org/wbem/wsman/1/wsman.xsd",
    "f": "http://schemas.microsoft.com/wbem/wsman/1/wsmanfault",
    "cim": "http://schemas.dmtf.org/wbem/wscim/1/common",
    "xsi": "http://www.w3.org/2001/XMLSchema-instance",
    "e": "http://schemas.dmtf.org/wbem/wscim/1/cim-schema/2/MSFT_WmiError",
}

SERVICE = CimClass(
    "root/cimv2",
    "Demo_Service",
    {
        "Name": "string",
        "Started": "boolean",
        "Count": "uint32",
        "Offset": "sint32",
        "Size": "uint64",
        "Changed": "datetime",
        "Age": "interval",
        "Roles": "string[]",
        "Ports": "uint16[]",
        "Owner": "reference",
    },
    keys=("Name",),
    methods={"SetPort": {"PortNumber": "uint32"}, "List": {"Names": "string[]"}, "Apply": {"Roles": "string[]"}},
)

Step: TypeAlias = bytes | Exception | Callable[[bytes], bytes]


def envelope(body: str, *, relates_to: str | None = None) -> bytes:
    """An answer around ``body``; by default without RelatesTo, which :class:`ScriptedTransport` fills in."""
    declarations = " ".join(f'xmlns:{prefix}="{uri}"' for prefix, uri in NAMESPACES.items())
    relation = "<a:RelatesTo>$RELATES_TO</a:RelatesTo>" if relates_to is None else ""
    if relates_to:
        relation = f"<a:RelatesTo>{relates_to}</a:RelatesTo>"
    header = f"<s:Header>{relation}</s:Header>"
    return f'<s:Envelope xml:lang="de-DE" {declarations}>{header}<s:Body>{body}</s:Body></s:Envelope>'.encode()


def page(items: str = "", *, context: str | None = None, end: bool = False, pull: bool = False) -> bytes:
    """An answer to Enumerate or Pull."""
    prefix, name = ("n", "PullResponse") if pull else ("w", "EnumerateResponse")
    context_element = "" if context is None else f"<n:EnumerationContext>{context}</n:EnumerationContext>"
    end_element = f"<{prefix}:EndOfSequence/>" if end else ""
    return envelope(f"<n:{name}>{context_element}<{prefix}:Items>{items}</{prefix}:Items>{end_element}</n:{name}>")


def fragment(**properties: str) -> str:
    """One row of a query for columns."""
    return (
        f"<w:XmlFragment>{''.join(f'<{name}>{value}</{name}>' for name, value in properties.items())}</w:XmlFragment>"
    )


def fault(
    code: int | None = None, *, subcode: str = "w:InternalError", detail: str = "", reason: str = "Nein."
) -> bytes:
    """An answer with a SOAP fault; ``code`` makes a WSManFault."""
    if code is not None:
        detail = f'<f:WSManFault Code="{code}" Machine="HOST"><f:Message>{detail or reason}</f:Message></f:WSManFault>'
    return envelope(
        f"<s:Fault><s:Code><s:Value>s:Sender</s:Value><s:Subcode><s:Value>{subcode}</s:Value></s:Subcode></s:Code>"
        f'<s:Reason><s:Text xml:lang="de-DE">{reason}</s:Text></s:Reason><s:Detail>{detail}</s:Detail></s:Fault>'
    )


def output(method: str, **values: str) -> bytes:
    """An answer to a method call."""
    inner = "".join(f"<p:{name}>{value}</p:{name}>" for name, value in values.items())
    return envelope(f'<p:{method}_OUTPUT xmlns:p="{SERVICE.uri}">{inner}</p:{method}_OUTPUT>')


class ScriptedTransport:
    """Plays back answers in order and keeps what was sent."""

    def __init__(self, *steps: Step) -> None:
        self.endpoint = "http://host:5985/wsman"
        self.last_status: int | None = 200
        self.sent: list[ET.Element] = []
        self.idempotent: list[bool] = []
        self.timeouts: list[float] = []
        self.closed = 0
        self._steps: Sequence[Step] = steps

    def send(self, envelope: bytes, *, timeout: float, idempotent: bool = False) -> bytes:
        request = ET.fromstring(envelope)
        index = len(self.sent)
        self.sent.append(request)
        self.idempotent.append(idempotent)
        self.timeouts.append(timeout)
        assert index < len(self._steps), f"request {index + 1} was not expected: {self.actions[-1]}"
        step = self._steps[index]
        if isinstance(step, Exception):
            raise step
        answer = step(envelope) if callable(step) else step
        return answer.replace(b"$RELATES_TO", self.header("a:MessageID").encode())

    def close(self) -> None:
        self.closed += 1

    @property
    def actions(self) -> list[str]:
        """Last parts of the actions, in order."""
        return [self.header("a:Action", index).rpartition("/")[2] for index in range(len(self.sent))]

    def header(self, path: str, index: int = -1) -> str:
        """Text of a header of one request."""
        return self.sent[index].findtext(f"s:Header/{path}", "", NAMESPACES)

    def body(self, index: int = -1) -> ET.Element:
        """What is in the body of one request."""
        element = self.sent[index].find("s:Body", NAMESPACES)
        assert element is not None
        return element[0]

    def query(self, index: int = 0) -> str:
        """The WQL of one request."""
        return self.sent[index].findtext("s:Body/n:Enumerate/w:Filter", "", NAMESPACES)

    def selectors(self, index: int = -1) -> dict[str, str]:
        """The selectors of one request."""
        found = self.sent[index].iterfind("s:Header/w:SelectorSet/w:Selector", NAMESPACES)
        return {selector.get("Name", ""): selector.text or "" for selector in found}
