# Copyright (c) 2026, the winops.kms authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Envelopes: reading a request's header blocks and body, writing a response around its body."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from functools import lru_cache
from uuid import uuid4

from . import names
from .faults import Details, Fault
from .values import ValueProblem, parse_duration, text

MIN_ENVELOPE = 8192
#: MaxEnvelopeSizekb of the service: a larger wish of the client is capped.
MAX_ENVELOPE = 500 * 1024
#: MaxTimeoutms of the service.
MAX_TIMEOUT = timedelta(seconds=60)


@dataclass(frozen=True)
class Request:
    """A request's header blocks, and the first element of its body (None when it is empty)."""

    action: str = ""
    message_id: str = ""
    host: str = ""
    """The host's name as the client addressed it (from a:To), for the Machine attribute of faults."""
    resource_uri: str = ""
    selectors: Sequence[tuple[str, str]] = ()
    options: Sequence[tuple[str, str]] = ()
    max_envelope: int = MAX_ENVELOPE
    timeout: timedelta = MAX_TIMEOUT
    fragment: str | None = None
    operation_id: str = ""
    body: ET.Element | None = None
    headers: Mapping[str, ET.Element] = field(default_factory=dict, repr=False)

    def options_named(self, name: str) -> list[str]:
        """The values of all options of this name (names compare without case)."""
        return [value for key, value in self.options if key.lower() == name.lower()]


def _name(namespace: str, local: str) -> str:
    return f"{{{namespace}}}{local}"


_TO = _name(names.ADDRESSING, "To")
_ACTION = _name(names.ADDRESSING, "Action")
_MESSAGE_ID = _name(names.ADDRESSING, "MessageID")
_REPLY_TO = _name(names.ADDRESSING, "ReplyTo")
_ADDRESS = _name(names.ADDRESSING, "Address")
_RESOURCE_URI = _name(names.WSMAN, "ResourceURI")
_SELECTOR_SET = _name(names.WSMAN, "SelectorSet")
_OPTION_SET = _name(names.WSMAN, "OptionSet")
_MAX_ENVELOPE = _name(names.WSMAN, "MaxEnvelopeSize")
_TIMEOUT = _name(names.WSMAN, "OperationTimeout")
_LOCALE = _name(names.WSMAN, "Locale")
_FRAGMENT = _name(names.WSMAN, "FragmentTransfer")
_OPERATION_ID = _name(names.MICROSOFT, "OperationID")
_MUST_UNDERSTAND = _name(names.SOAP, "mustUnderstand")

_UNDERSTOOD = frozenset(
    (_TO, _ACTION, _MESSAGE_ID, _REPLY_TO, _RESOURCE_URI, _SELECTOR_SET, _OPTION_SET, _MAX_ENVELOPE, _TIMEOUT, _LOCALE)
    + (_FRAGMENT, _OPERATION_ID, _name(names.ADDRESSING, "From"), _name(names.ADDRESSING, "FaultTo"))
    + tuple(_name(names.MICROSOFT, local) for local in ("DataLocale", "SessionId", "SequenceId", "ActivityId"))
)


def _must_understand(element: ET.Element) -> bool:
    return element.get(_MUST_UNDERSTAND, "").strip() in ("true", "1")


def _text(element: ET.Element | None) -> str:
    return (element.text or "").strip() if element is not None else ""


def parse_xml(data: bytes, content_type: str) -> ET.Element:
    """The root element.  A DOCTYPE is refused, as SOAP demands.  Raises Fault."""
    encoding = "utf-16" if "utf-16" in content_type.lower() or data[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig"
    try:
        source = data.decode(encoding)
    except UnicodeDecodeError:
        raise Fault("bad_xml") from None
    if "<!DOCTYPE" in source:
        raise Fault("bad_xml")
    try:
        # The declaration's encoding no longer holds for decoded text.
        return ET.fromstring(re.sub(r"\A\s*<\?xml[^>]*\?>", "", source))
    except ET.ParseError:
        raise Fault("bad_xml") from None


def open_envelope(data: bytes, content_type: str) -> tuple[ET.Element, Sequence[ET.Element]]:
    """(the Header element, the children of the Body).  Raises Fault."""
    root = parse_xml(data, content_type)
    if root.tag != _name(names.SOAP, "Envelope"):
        raise Fault("version")
    header = root.find(_name(names.SOAP, "Header"))
    body = root.find(_name(names.SOAP, "Body"))
    if body is None:
        raise Fault("bad_body")
    return (ET.Element("Header") if header is None else header), list(body)


def is_identify(children: Sequence[ET.Element]) -> bool:
    """Whether the body asks who is there; such a message needs no addressing headers."""
    return len(children) == 1 and children[0].tag == _name(names.IDENTITY, "Identify")


def read_request(header: ET.Element, children: Sequence[ET.Element]) -> Request:
    """What the header blocks say, unchecked beyond what is needed to read them; see `check_request`."""
    blocks = {block.tag: block for block in header}
    selectors = [
        (item.get("Name", ""), item.text or "") for item in blocks.get(_SELECTOR_SET, ()) if isinstance(item.tag, str)
    ]
    options = [(item.get("Name", ""), item.text or "") for item in blocks.get(_OPTION_SET, ())]
    fragment = blocks.get(_FRAGMENT)
    host = re.match(r"[A-Za-z]+://(\[[^]]*\]|[^/:]*)", _text(blocks.get(_TO)))
    return Request(
        action=_text(blocks.get(_ACTION)),
        message_id=_text(blocks.get(_MESSAGE_ID)),
        host=host[1] if host else "",
        resource_uri=_text(blocks.get(_RESOURCE_URI)),
        selectors=selectors,
        options=options,
        fragment=None if fragment is None else _text(fragment),
        operation_id=_text(blocks.get(_OPERATION_ID)),
        body=children[0] if children else None,
        headers=blocks,
    )


def check_request(request: Request) -> Request:
    """The request with its limits filled in.  Raises Fault for missing, unknown or unacceptable header blocks."""
    blocks = request.headers
    for tag, block in blocks.items():
        if tag not in _UNDERSTOOD and _must_understand(block):
            namespace, _ignored, local = tag[1:].rpartition("}")
            mark = f'<s:NotUnderstood xmlns:q="{text(namespace)}" qname="q:{text(local)}"/>'
            raise Fault("not_understood", Details(header=mark))
    for tag in (_ACTION, _MESSAGE_ID, _TO, _REPLY_TO):
        if tag not in blocks:
            raise Fault("no_header", header=tag.rpartition("}")[2])
    if _text(blocks[_REPLY_TO].find(_ADDRESS)) != names.ANONYMOUS:
        raise Fault("addressing_mode", feature="ReplyTo")
    if _LOCALE in blocks and _must_understand(blocks[_LOCALE]):
        raise Fault("locale", feature="Locale")
    max_envelope = MAX_ENVELOPE
    if _MAX_ENVELOPE in blocks:
        wish = _text(blocks[_MAX_ENVELOPE])
        if not wish.isdigit():
            raise Fault("schema")
        if int(wish) < MIN_ENVELOPE:
            raise Fault("small_envelope")
        max_envelope = min(int(wish), MAX_ENVELOPE)
    timeout = MAX_TIMEOUT
    if _TIMEOUT in blocks:
        try:
            timeout = min(parse_duration(_text(blocks[_TIMEOUT])), MAX_TIMEOUT)
        except ValueProblem:
            raise Fault("bad_timeout") from None
    return replace(request, max_envelope=max_envelope, timeout=timeout)


# -- writing --------------------------------------------------------------------------------------------------------

_NAMESPACES = {
    "s": names.SOAP,
    "a": names.ADDRESSING,
    "x": names.TRANSFER,
    "e": names.EVENTING,
    "n": names.ENUMERATION,
    "w": names.WSMAN,
    "p": names.MICROSOFT,
}
#: Which prefixes an envelope declares, by the family of its action.
FAMILIES = {"enumeration": "sanw", "transfer": "saxwp", "fault": "saxenwp"}


@lru_cache(maxsize=64)
def _opening(prefixes: str, locale: str) -> str:
    declared = "".join(f' xmlns:{prefix}="{_NAMESPACES[prefix]}"' for prefix in prefixes)
    return f'<s:Envelope xml:lang="{text(locale)}"{declared}><s:Header><a:Action>'


def new_uuid() -> str:
    """A message ID or an enumeration context, as Windows writes them."""
    return "uuid:" + str(uuid4()).upper()


def write_envelope(
    family: str, *, action: str, body: str, relates_to: str, locale: str, header: str = "", operation_id: str = ""
) -> bytes:
    """A response's envelope; `header` is extra XML for its header, `body` the XML of its body."""
    relates = f"<a:RelatesTo>{text(relates_to)}</a:RelatesTo>" if relates_to else ""
    prefixes, operation = FAMILIES[family], ""
    if operation_id:
        prefixes += "" if "p" in prefixes else "p"
        operation = (
            f'<p:OperationID s:mustUnderstand="false">{text(operation_id)}</p:OperationID>'
            "<p:SequenceId>1</p:SequenceId>"
        )
    return (
        f"{_opening(prefixes, locale)}{text(action)}</a:Action><a:MessageID>{new_uuid()}</a:MessageID>{operation}"
        f"<a:To>{names.ANONYMOUS}</a:To>{relates}{header}</s:Header><s:Body>{body}</s:Body></s:Envelope>"
    ).encode()
