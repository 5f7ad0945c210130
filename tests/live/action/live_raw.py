# Copyright (c) 2026, the winops.kms authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""WMI read with pywinrm or pypsrp alone: none of the collection's code has a part in what this returns.

Option `queries`: name -> [class, list of properties, condition].  Result: `rows`, name -> list of dictionaries of texts
(None for what is nil), arrays as lists.
"""

from __future__ import annotations

import uuid
import xml.etree.ElementTree as ET
from collections.abc import Callable
from typing import Any
from xml.sax.saxutils import escape

from ansible.plugins.action import ActionBase

_ACTION = "http://schemas.xmlsoap.org/ws/2004/09/enumeration/"
_ENVELOPE = """\
<s:Envelope xmlns:s="http://www.w3.org/2003/05/soap-envelope" xmlns:a="http://schemas.xmlsoap.org/ws/2004/08/addressing"
 xmlns:w="http://schemas.dmtf.org/wbem/wsman/1/wsman.xsd" xmlns:n="http://schemas.xmlsoap.org/ws/2004/09/enumeration">
<s:Header><a:To>{to}</a:To>
<w:ResourceURI s:mustUnderstand="true">http://schemas.microsoft.com/wbem/wsman/1/wmi/root/cimv2/*</w:ResourceURI>
<a:ReplyTo><a:Address s:mustUnderstand="true">http://schemas.xmlsoap.org/ws/2004/08/addressing/role/anonymous</a:Address>
</a:ReplyTo><a:Action s:mustUnderstand="true">{action}</a:Action>
<w:MaxEnvelopeSize s:mustUnderstand="true">153600</w:MaxEnvelopeSize><a:MessageID>uuid:{message}</a:MessageID>
<w:OperationTimeout>PT60S</w:OperationTimeout></s:Header><s:Body>{body}</s:Body></s:Envelope>"""
_NIL = "{http://www.w3.org/2001/XMLSchema-instance}nil"


class ActionModule(ActionBase):
    """See the file's description."""

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        result: dict[str, Any] = super().run(tmp, task_vars)
        send, close = _WAYS[self._connection.transport](self._connection)
        try:
            result["rows"] = {name: _rows(send, *query) for name, query in self._task.args["queries"].items()}
        finally:
            close()
        return {**result, "changed": False}


Send = Callable[[str], bytes]


def _by_pywinrm(connection: Any) -> tuple[Send, Callable[[], None]]:
    from winrm.protocol import Protocol

    connection._build_winrm_kwargs()
    path = connection._winrm_path if connection._winrm_path.startswith("/") else f"/{connection._winrm_path}"
    endpoint = f"{connection._winrm_scheme}://{connection._winrm_host}:{connection._winrm_port}{path}"
    if "kerberos" in connection._winrm_transport and connection._kerb_managed:
        connection._kerb_auth(connection._winrm_user, connection._winrm_pass)
    protocol = Protocol(endpoint, transport=connection._winrm_transport[0], **connection._winrm_kwargs)
    return lambda message: bytes(protocol.transport.send_message(message)), protocol.transport.close_session


def _by_pypsrp(connection: Any) -> tuple[Send, Callable[[], None]]:
    from pypsrp.wsman import WSMan

    connection._build_kwargs()
    wsman = WSMan(**connection._psrp_conn_kwargs)
    return lambda message: bytes(wsman.transport.send(message.encode())), wsman.close


_WAYS: dict[str, Callable[[Any], tuple[Send, Callable[[], None]]]] = {"winrm": _by_pywinrm, "psrp": _by_pypsrp}


def _rows(send: Send, class_name: str, properties: list[str], condition: str = "") -> list[dict[str, Any]]:
    query = f"SELECT {','.join(properties)} FROM {class_name}" + (f" WHERE {condition}" if condition else "")
    start = (
        f'<n:Enumerate><w:Filter Dialect="http://schemas.microsoft.com/wbem/wsman/1/WQL">{escape(query)}</w:Filter>'
        "</n:Enumerate>"
    )
    context = _text(_ask(send, "Enumerate", start), "EnumerationContext")
    rows: list[dict[str, Any]] = []
    while context:
        pull = (
            f"<n:Pull><n:EnumerationContext>{context}</n:EnumerationContext><n:MaxElements>50</n:MaxElements></n:Pull>"
        )
        answer = _ask(send, "Pull", pull)
        items = next((e for e in answer.iter() if str(e.tag).endswith("}Items")), None)
        rows += [_row(item) for item in ([] if items is None else items)]
        ended = any(str(e.tag).endswith("}EndOfSequence") for e in answer.iter())
        context = "" if ended else _text(answer, "EnumerationContext")
    return rows


def _ask(send: Send, action: str, body: str) -> ET.Element:
    return ET.fromstring(
        send(_ENVELOPE.format(to="http://localhost/wsman", action=_ACTION + action, message=uuid.uuid4(), body=body))
    )


def _text(element: ET.Element, name: str) -> str:
    return next((e.text or "" for e in element.iter() if str(e.tag).endswith("}" + name)), "")


def _row(item: ET.Element) -> dict[str, Any]:
    row: dict[str, Any] = {}
    for child in item:
        name = str(child.tag).rpartition("}")[2]
        value = None if child.get(_NIL) == "true" else "".join(child.itertext())
        row[name] = [*([row[name]] if not isinstance(row[name], list) else row[name]), value] if name in row else value
    return row
