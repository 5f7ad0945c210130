# Copyright (c) 2026, the winops.kms authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Plays the scripted exchanges of ``exchanges/*.yml`` against the client.

Each file is one conversation: ``calls`` are made in order on one session, each with what it must return or raise;
``exchanges`` are the requests that must go out, whole and in order, and what the host answers.  See README.md here.
"""

from __future__ import annotations

import xml.etree.ElementTree as ET
from collections.abc import Mapping
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml

from ansible_collections.winops.kms.plugins.plugin_utils._cim import errors
from ansible_collections.winops.kms.plugins.plugin_utils._cim.schema import CimClass, Instance, Reference
from ansible_collections.winops.kms.plugins.plugin_utils._cim.session import CimSession

HERE = Path(__file__).parent
ENDPOINT = "http://host.example.org:5985/wsman"
SHORT = {
    "transfer:": "http://schemas.xmlsoap.org/ws/2004/09/transfer/",
    "enumeration:": "http://schemas.xmlsoap.org/ws/2004/09/enumeration/",
    "wmi:": "http://schemas.microsoft.com/wbem/wsman/1/wmi/",
    "cim:": "http://schemas.dmtf.org/wbem/wscim/1/cim-schema/2/",
}
REQUEST = """
<e:Envelope xmlns:e="http://www.w3.org/2003/05/soap-envelope" xmlns:a="http://schemas.xmlsoap.org/ws/2004/08/addressing"
    xmlns:w="http://schemas.dmtf.org/wbem/wsman/1/wsman.xsd" xmlns:m="http://schemas.microsoft.com/wbem/wsman/1/wsman.xsd"
    xmlns:n="http://schemas.xmlsoap.org/ws/2004/09/enumeration" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance">
  <e:Header>
    <a:To>{endpoint}</a:To>
    <a:ReplyTo>
      <a:Address e:mustUnderstand="true">http://schemas.xmlsoap.org/ws/2004/08/addressing/role/anonymous</a:Address>
    </a:ReplyTo>
    <a:Action e:mustUnderstand="true">{action}</a:Action>
    <a:MessageID>{message}</a:MessageID>
    <w:ResourceURI e:mustUnderstand="true">{resource}</w:ResourceURI>
    <w:MaxEnvelopeSize e:mustUnderstand="true">512000</w:MaxEnvelopeSize>
    <w:Locale e:mustUnderstand="false" xml:lang="en-US"/>
    <m:DataLocale e:mustUnderstand="false" xml:lang="en-US"/>
    <w:OperationTimeout>PT60.000S</w:OperationTimeout>
    {header}
  </e:Header>
  <e:Body>{body}</e:Body>
</e:Envelope>
"""


def load(path: Path) -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load(path.read_text(encoding="utf-8"))
    return found


def classes() -> dict[str, CimClass]:
    return {
        name: CimClass(
            namespace=entry["namespace"],
            name=name,
            fields=entry.get("fields", {}),
            keys=tuple(entry.get("keys", ())),
            methods=entry.get("methods", {}),
        )
        for name, entry in load(HERE / "classes.yml")["classes"].items()
    }


CLASSES = classes()


def expand(uri: str) -> str:
    for short, whole in SHORT.items():
        if uri.startswith(short):
            return whole + uri[len(short) :]
    return uri


def normalised(element: ET.Element) -> Any:
    """What two messages must have in common: prefixes, order of attributes and of headers mean nothing."""
    children = [normalised(child) for child in element]
    if element.tag == "{http://www.w3.org/2003/05/soap-envelope}Header":
        children.sort(key=repr)
    text = (element.text or "").strip() if children else element.text or ""
    return (element.tag, sorted(element.attrib.items()), text, children)


class Conversation:
    """A transport that insists on the requests of the script."""

    endpoint = ENDPOINT

    def __init__(self, exchanges: list[dict[str, Any]]) -> None:
        self.last_status: int | None = None
        self.waiting = list(exchanges)

    def send(self, envelope: bytes, *, timeout: float, idempotent: bool = False) -> bytes:
        sent = ET.fromstring(envelope)
        assert self.waiting, f"not in the script:\n{envelope.decode()}"
        exchange = self.waiting.pop(0)
        message = sent.findtext(".//{http://schemas.xmlsoap.org/ws/2004/08/addressing}MessageID", "")
        assert normalised(sent) == normalised(expected(exchange["request"], message)), envelope.decode()
        if "idempotent" in exchange:
            assert idempotent is exchange["idempotent"]
        if "error" in exchange:
            details = dict(exchange["error"])
            error: Exception = getattr(errors, details.pop("class"))("scripted", **details)
            raise error
        self.last_status = exchange.get("status", 200)
        return str(exchange["response"]).replace("RELATES-TO", message).encode()

    def close(self) -> None:
        pass


def expected(request: Mapping[str, Any], message: str) -> ET.Element:
    header = ""
    if "selectors" in request:
        selectors = "".join(f'<w:Selector Name="{k}">{v}</w:Selector>' for k, v in request["selectors"].items())
        header += f"<w:SelectorSet>{selectors}</w:SelectorSet>"
    if "options" in request:
        options = "".join(f'<w:Option Name="{k}" Type="xs:string">{v}</w:Option>' for k, v in request["options"])
        header += f"<w:OptionSet>{options}</w:OptionSet>"
    text = REQUEST.format(
        endpoint=ENDPOINT,
        action=expand(request["action"]),
        resource=expand(request["resource"]),
        message=message,
        header=header,
        body=request.get("body", "").strip(),
    )
    return ET.fromstring(text)


def plain(value: Any) -> Any:
    """Results in the words of the script."""
    if isinstance(value, Reference):
        return {"reference": value.resource_uri, "selectors": dict(value.selectors)}
    if isinstance(value, Instance):
        return {name: plain(item) for name, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, timedelta):
        return value.total_seconds()
    return value


def target(entry: Mapping[str, Any], results: list[Any]) -> Any:
    if "result" in entry:
        found = results[entry["result"]]
        return found[entry["row"]][1] if "row" in entry else found
    if "reference" in entry:
        return Reference(expand(entry["reference"]), entry["selectors"])
    cim_class = CLASSES[entry["class"]]
    return (cim_class, entry["keys"]) if "keys" in entry else cim_class


def argument(value: Any) -> Any:
    if isinstance(value, dict):
        return Reference(expand(value["reference"]), value["selectors"])
    return value


def perform(session: CimSession, call: Mapping[str, Any], results: list[Any]) -> Any:
    entry = call.get("target", {})
    match call["operation"]:
        case "query":
            selected = (CLASSES[call["class"]], call.get("properties"), call.get("where", ""))
            return session.query(*selected, limit=call.get("limit"))
        case "query_with_references":
            return session.query_with_references(CLASSES[call["class"]], call.get("where", ""))
        case "get":
            return session.get(CLASSES[entry["class"]], entry["keys"])
        case "invoke":
            parameters = {name: argument(value) for name, value in call.get("parameters", {}).items()}
            options = {name: call[name] for name in ("accept", "writes") if name in call}
            return session.invoke(target(entry, results), call["method"], **options, **parameters)
        case "put":
            return session.put(target(entry, results), call["properties"])
        case "create":
            return session.create(CLASSES[call["class"]], call["properties"])
        case "delete":
            session.delete(target(entry, results))
            return None
        case other:
            raise AssertionError(other)


SCRIPTS = sorted((HERE / "exchanges").glob("*.yml"))


@pytest.mark.parametrize("path", SCRIPTS, ids=[path.stem for path in SCRIPTS])
def test_exchange(path: Path) -> None:
    script = load(path)
    conversation = Conversation(script["exchanges"])
    waits: list[float] = []
    session = CimSession(conversation, sleep=waits.append)
    results: list[Any] = []
    for call in script["calls"]:
        if "raises" in call:
            wanted = call["raises"]
            with pytest.raises(getattr(errors, wanted["class"])) as caught:
                perform(session, call, results)
            found = {name: getattr(caught.value, name) for name in wanted if name not in ("class", "says")}
            assert found == {name: value for name, value in wanted.items() if name not in ("class", "says")}
            assert type(caught.value).__name__ == wanted["class"]
            assert wanted.get("says", "") in str(caught.value)
            results.append(None)
        else:
            results.append(perform(session, call, results))
            assert plain(results[-1]) == call["returns"]
    assert not conversation.waiting, "requests of the script that were not sent"
    assert waits == script.get("waits", [])


def test_there_are_scripts() -> None:
    assert SCRIPTS
