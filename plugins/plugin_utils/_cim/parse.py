# Copyright (c) 2026, the winops.kms authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Reads answers: safely, by namespace URI and local name, never by prefix."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from typing import Any

from .errors import CimProtocolError
from .namespaces import ADDRESSING, CIM_COMMON, SOAP, WSMAN, XSI
from .schema import NO_TYPES, CimClass, Instance, Reference

__all__ = [
    "MAX_ANSWER_SIZE",
    "Answer",
    "Item",
    "Page",
    "is_envelope",
    "local_name",
    "parse_answer",
    "parse_created",
    "parse_instance",
    "parse_output",
    "parse_page",
]

# The service is asked for at most 512000 bytes; some answer a little more.  Eight times that is not an answer any more.
MAX_ANSWER_SIZE = 4 * 1024 * 1024
_MAX_DEPTH = 64
# Small enough that a document type declaration is refused before the content behind it is looked at.
_FEED_SIZE = 8192

_NIL = f"{{{XSI}}}nil"
_EPR = f"{{{ADDRESSING}}}EndpointReference"
_PARAMETERS = f"{{{ADDRESSING}}}ReferenceParameters"


@dataclass(frozen=True)
class Answer:
    """One answer envelope: ``relates_to`` is the message ID it answers, ``fault`` is set when the host refused."""

    relates_to: str | None
    body: ET.Element
    fault: ET.Element | None


@dataclass(frozen=True)
class Item:
    """One row of an enumeration; either part can be missing, depending on the mode asked for."""

    element: ET.Element | None
    reference: Reference | None


@dataclass(frozen=True)
class Page:
    """One part of an enumeration; ``context`` is empty at the end."""

    items: list[Item]
    context: str


# --- documents ------------------------------------------------------------------------------------------------------


class _SafeBuilder(ET.TreeBuilder):
    """Builds the tree, but refuses document types and deep nesting."""

    depth = 0

    def doctype(self, name: str, pubid: str | None, system: str | None) -> None:
        kind = "an HTML page" if name.lower() == "html" else "a document with a DOCTYPE"
        raise CimProtocolError(f"The host answered with {kind} instead of a WS-Management message.{_HINT}")

    def start(self, tag: Any, attrs: Any, /) -> ET.Element:
        self.depth += 1
        if self.depth > _MAX_DEPTH:
            raise CimProtocolError(f"The answer is nested deeper than {_MAX_DEPTH} levels.")
        return super().start(tag, attrs)

    def end(self, tag: Any, /) -> ET.Element:
        self.depth -= 1
        return super().end(tag)


_HINT = " Check port and path of the connection, and whether a proxy or another service answers there."


def _parse_document(data: bytes) -> ET.Element:
    if len(data) > MAX_ANSWER_SIZE:
        raise CimProtocolError(f"The answer is larger than {MAX_ANSWER_SIZE} bytes.")
    data = data.lstrip()
    if not data:
        raise CimProtocolError("The host answered with an empty message." + _HINT)
    parser = ET.XMLParser(target=_SafeBuilder())
    try:
        for start in range(0, len(data), _FEED_SIZE):
            parser.feed(data[start : start + _FEED_SIZE])
        root: ET.Element = parser.close()
    except (ET.ParseError, ValueError, LookupError):
        kind = "an HTML page" if data[:5].lower() == b"<html" else "text that is not complete, well-formed XML"
        raise CimProtocolError(f"The host answered with {kind} instead of a WS-Management message.{_HINT}") from None
    return root


def parse_answer(data: bytes) -> Answer:
    """Return the answer in ``data``; :class:`CimProtocolError` when that is no SOAP 1.2 envelope."""
    root = _parse_document(data)
    if root.tag != f"{{{SOAP}}}Envelope":
        what = "an HTML page" if local_name(root).lower() == "html" else f"a <{local_name(root)[:40]}> document"
        raise CimProtocolError(f"The host answered with {what} instead of a SOAP 1.2 envelope.{_HINT}")
    body = root.find(f"{{{SOAP}}}Body")
    if body is None:
        raise CimProtocolError("The answer has no SOAP body.")
    relates_to = root.find(f"{{{SOAP}}}Header/{{{ADDRESSING}}}RelatesTo")
    text = (relates_to.text or "").strip() if relates_to is not None else ""
    return Answer(relates_to=text or None, body=body, fault=body.find(f"{{{SOAP}}}Fault"))


def is_envelope(data: bytes) -> bool:
    """Tell whether ``data`` is a SOAP envelope, so that the body of an HTTP error is worth reading."""
    try:
        parse_answer(data)
    except CimProtocolError:
        return False
    return True


def local_name(element: ET.Element) -> str:
    """Name without namespace."""
    return str(element.tag).rpartition("}")[2]


def _children(element: ET.Element) -> Iterator[ET.Element]:
    return (child for child in element if isinstance(child.tag, str))


def find_local(element: ET.Element, name: str) -> ET.Element | None:
    """First child with that local name, whatever its namespace."""
    return next((child for child in _children(element) if local_name(child) == name), None)


def text_of(element: ET.Element | None) -> str:
    """Stripped own text of an element; empty when there is none."""
    return (element.text or "").strip() if element is not None else ""


# --- enumerations ---------------------------------------------------------------------------------------------------


def parse_page(body: ET.Element) -> Page:
    """Read an EnumerateResponse or PullResponse.

    The two use different namespaces for Items and EndOfSequence; the end is told by EndOfSequence, by an empty
    context or by none at all.
    """
    response = next((child for child in _children(body) if local_name(child) in _PAGE_NAMES), None)
    if response is None:
        raise CimProtocolError("The answer to a query holds no enumeration response.")
    items = [_item(child) for part in _children(response) if local_name(part) == "Items" for child in _children(part)]
    ended = find_local(response, "EndOfSequence") is not None
    return Page(items, "" if ended else text_of(find_local(response, "EnumerationContext")))


_PAGE_NAMES = frozenset({"EnumerateResponse", "PullResponse"})


def _item(element: ET.Element) -> Item:
    if element.tag == _EPR:
        return Item(None, parse_reference(element))
    if element.tag != f"{{{WSMAN}}}Item":
        return Item(element, _location(element))
    epr = element.find(_EPR)
    instance = next((child for child in _children(element) if child is not epr), None)
    return Item(instance, parse_reference(epr) if epr is not None else None)


def _location(element: ET.Element) -> Reference | None:
    location = element.find(f"{{{CIM_COMMON}}}Location")
    return parse_reference(location) if location is not None else None


def parse_reference(element: ET.Element) -> Reference | None:
    """Read an endpoint reference whose parts are children of ``element``; ``None`` when they are not there."""
    inner = element.find(_EPR)
    parameters = (inner if inner is not None else element).find(_PARAMETERS)
    if parameters is None:
        return None
    selectors: dict[str, str | Reference] = {}
    for selector in parameters.iterfind(f"{{{WSMAN}}}SelectorSet/{{{WSMAN}}}Selector"):
        name = selector.get("Name") or selector.get(f"{{{WSMAN}}}Name") or ""
        selectors[name] = parse_reference(selector) or (selector.text or "")
    return Reference(text_of(parameters.find(f"{{{WSMAN}}}ResourceURI")), selectors)


# --- instances and values -------------------------------------------------------------------------------------------


def parse_instance(element: ET.Element, cim_class: CimClass | None, selected: Sequence[str] | None = None) -> Instance:
    """Read the properties of an instance, in class form or as a fragment.

    The wrapper may be a subclass with its own name and namespace; only the property names count.  ``selected`` are
    the properties that were asked for by name: an array among them that is missing is an empty array, because that is
    how the service writes one.
    """
    values = _typed(element, cim_class.fields if cim_class else NO_TYPES)
    if cim_class and selected:
        present = {name.lower() for name in values}
        for name in selected:
            spelled = cim_class.spelling.get(name.lower(), name)
            if spelled.lower() not in present and cim_class.fields.get(spelled, "").endswith("[]"):
                values[spelled] = []
    name = local_name(element)
    return Instance(values, cim_class.name if cim_class and name == "XmlFragment" else name)


def parse_output(body: ET.Element, types: Mapping[str, str]) -> Instance:
    """Read the answer of a method: out parameters and, for most methods, ``ReturnValue``."""
    output = next((child for child in _children(body) if local_name(child).endswith("_OUTPUT")), None)
    if output is None:
        raise CimProtocolError("The answer to a method call holds no output.")
    return Instance(_typed(output, {"ReturnValue": "uint32", **types}), local_name(output))


def parse_created(body: ET.Element) -> Reference | None:
    """Read the reference to a new instance out of the answer to Create."""
    created = next((child for child in _children(body) if local_name(child) == "ResourceCreated"), None)
    return parse_reference(created) if created is not None else None


def first_instance(body: ET.Element) -> ET.Element | None:
    """The instance in the answer to Get or Put; ``None`` when the body is empty."""
    return next(_children(body), None)


def _typed(element: ET.Element, types: Mapping[str, str]) -> dict[str, Any]:
    spelling = {name.lower(): name for name in types}
    groups: dict[str, list[ET.Element]] = {}
    for child in _children(element):
        if child.tag == f"{{{CIM_COMMON}}}Location":
            continue
        name = local_name(child)
        groups.setdefault(spelling.get(name.lower(), name), []).append(child)
    return {name: _property(name, group, types.get(name, "")) for name, group in groups.items()}


def _is_nil(element: ET.Element) -> bool:
    return element.get(_NIL, "").strip() in ("true", "1")


def _property(name: str, group: list[ET.Element], cim_type: str) -> Any:
    if cim_type.endswith("[]"):
        if len(group) == 1 and _is_nil(group[0]):
            return None
        return [_value(name, element, cim_type[:-2]) for element in group]
    if not cim_type and len(group) > 1:
        return [_value(name, element, "") for element in group]
    return _value(name, group[0], cim_type)


def _value(name: str, element: ET.Element, cim_type: str) -> Any:
    if _is_nil(element):
        return None
    if len(element):
        reference = parse_reference(element)
        if reference is not None:
            return reference
        if cim_type in _DATED or local_name(element[0]) in ("Datetime", "Interval"):
            text = "".join(element[0].itertext()).strip()
        else:
            text = "".join(element.itertext())
    else:
        text = element.text or ""
    if cim_type in ("", "string", "char16"):
        return text
    text = text.strip()
    if not text:
        return None
    try:
        return _CONVERT[cim_type](text)
    except (KeyError, ValueError, OverflowError):
        raise CimProtocolError(f"The value of {name} in the answer is not a valid {cim_type or 'value'}.") from None


_BOOLEANS = {"true": True, "1": True, "false": False, "0": False}
_DATED = frozenset({"datetime", "interval"})


def _boolean(text: str) -> bool:
    return _BOOLEANS[text.lower()]


def _unsigned(bits: int) -> Callable[[str], int]:
    def convert(text: str) -> int:
        number = int(text)
        # Some providers print the signed form of the same bits.
        if number < 0:
            number += 1 << bits
        if not 0 <= number < 1 << bits:
            raise ValueError(text)
        return number

    return convert


_ISO = re.compile(
    r"(\d{4})-(\d\d)-(\d\d)(?:T(\d\d):(\d\d):(\d\d)(?:\.(\d+))?)?\s*(Z|[+-]\d\d:?\d\d)?\Z",
    re.IGNORECASE,
)
_DMTF = re.compile(r"(\d{4})(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)\.([\d*]{6})([+-])(\d{3})\Z")
_DMTF_INTERVAL = re.compile(r"(\d{8})(\d\d)(\d\d)(\d\d)\.([\d*]{6}):000\Z")
_DURATION = re.compile(
    r"P(?:(\d+)Y)?(?:(\d+)M)?(?:(\d+)D)?(?:T(?:(\d+)H)?(?:(\d+)M)?(?:(\d+)(?:\.(\d+))?S)?)?\Z", re.IGNORECASE
)


def _microseconds(fraction: str | None) -> int:
    # Windows counts in units of 100 ns: the seventh digit is dropped.
    return int((fraction or "").replace("*", "0")[:6].ljust(6, "0"))


def _zone(text: str | None) -> timezone:
    if text is None or text.upper() == "Z":
        return timezone.utc
    minutes = int(text[1:3]) * 60 + int(text[-2:])
    return timezone(timedelta(minutes=-minutes if text[0] == "-" else minutes))


def _moment(text: str) -> datetime | timedelta | None:
    """Read a datetime or interval in the XML forms or in the DMTF form; which one it is shows in the text."""
    if match := _ISO.match(text):
        year, month, day, hour, minute, second = (int(part or 0) for part in match.groups()[:6])
        return datetime(year, month, day, hour, minute, second, _microseconds(match[7]), _zone(match[8]))
    if match := _DMTF.match(text):
        year, month, day, hour, minute, second = (int(part) for part in match.groups()[:6])
        offset = timedelta(minutes=int(match[9]) * (-1 if match[8] == "-" else 1))
        return datetime(year, month, day, hour, minute, second, _microseconds(match[7]), timezone(offset))
    if match := _DMTF_INTERVAL.match(text):
        days, hours, minutes, seconds = (int(part) for part in match.groups()[:4])
        return timedelta(days, seconds, _microseconds(match[5]), 0, minutes, hours)
    if (match := _DURATION.match(text)) and len(text) > 1:
        years, months, days, hours, minutes, seconds = (int(part or 0) for part in match.groups()[:6])
        return timedelta(years * 365 + months * 30 + days, seconds, _microseconds(match[7]), 0, minutes, hours)
    if "*" in text:
        return None
    raise ValueError(text)


def _no_text(text: str) -> Any:
    raise ValueError(text)


_CONVERT: Mapping[str, Callable[[str], Any]] = {
    "boolean": _boolean,
    **{f"uint{bits}": _unsigned(bits) for bits in (8, 16, 32, 64)},
    **{f"sint{bits}": int for bits in (8, 16, 32, 64)},
    "real32": float,
    "real64": float,
    "datetime": _moment,
    "interval": _moment,
    "reference": _no_text,
}
