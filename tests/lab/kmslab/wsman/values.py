# Copyright (c) 2026, the winops.kms authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""CIM values as XML, both ways: class instances, query fragments, method results; parameters and properties."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from xml.sax.saxutils import escape

from ..cim import CimClass, Field, Instance, Reference, Value
from . import names

#: CIM type -> its name in xsi:type, which only the DMTF form of a resource URI makes Windows write.
XSI_TYPES = {
    "string": "cim:cimString",
    "boolean": "cim:cimBoolean",
    "uint8": "cim:cimUnsignedByte",
    "uint16": "cim:cimUnsignedShort",
    "uint32": "cim:cimUnsignedInt",
    "uint64": "cim:cimUnsignedLong",
    "sint8": "cim:cimByte",
    "sint16": "cim:cimShort",
    "sint32": "cim:cimInt",
    "sint64": "cim:cimLong",
    "datetime": "cim:cimDateTime",
    "reference": "cim:cimReference",
}

_ENTITIES = {'"': "&quot;", "\r": "&#xD;"}
_CONTROL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff\ud800-\udfff]")
_NEEDS_CARE = re.compile('[&<>"\r\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff\ud800-\udfff]')


def text(value: str) -> str:
    """A string as XML text: escaped, and with `?` for control characters, as Windows writes them."""
    if _NEEDS_CARE.search(value) is None:
        return value
    return escape(_CONTROL.sub("?", value), _ENTITIES)


def format_datetime(value: datetime) -> str:
    """An aware datetime with as many fractional digits as it needs, `Z` or `±hh:mm`."""
    fraction = f".{value.microsecond:06d}".rstrip("0") if value.microsecond else ""
    offset = value.utcoffset() or timedelta(0)
    zone = "Z"
    if offset:
        minutes = int(offset.total_seconds() // 60)
        zone = f"{'-' if minutes < 0 else '+'}{abs(minutes) // 60:02d}:{abs(minutes) % 60:02d}"
    return f"{value:%Y-%m-%dT%H:%M:%S}{fraction}{zone}"


def format_interval(value: timedelta) -> str:
    """A CIM interval as an XML schema duration in days, hours, minutes and seconds."""
    seconds = value.seconds
    fraction = f".{value.microseconds:06d}" if value.microseconds else ""
    return f"P{value.days}DT{seconds // 3600}H{seconds % 3600 // 60}M{seconds % 60}{fraction}S"


@dataclass(frozen=True)
class Style:
    """How values are written: `typed` adds xsi:type, `precise` tells null arrays from empty ones, `cim` is a prefix."""

    typed: bool = False
    precise: bool = False
    cim: str = "cim:"


PLAIN = Style()
FRAGMENT = Style(cim="")


NAMESPACE_SELECTOR = "__cimnamespace"


def render_endpoint(namespace: str, class_name: str, keys: Instance, *, dmtf: bool) -> str:
    """Address and reference parameters of one instance, as in an endpoint reference."""
    chosen: list[tuple[str, Value]] = [(NAMESPACE_SELECTOR, namespace)] if dmtf else []
    chosen += sorted(keys.items(), key=lambda pair: pair[0].lower())
    selectors = "".join(f'<w:Selector Name="{name}">{_selector_text(value)}</w:Selector>' for name, value in chosen)
    selector_set = f"<w:SelectorSet>{selectors}</w:SelectorSet>" if selectors else ""
    uri = (names.DMTF_URI if dmtf else f"{names.WMI_URI}{namespace}/") + class_name
    return (
        f"<a:Address>{names.ANONYMOUS}</a:Address><a:ReferenceParameters><w:ResourceURI>{uri}</w:ResourceURI>"
        f"{selector_set}</a:ReferenceParameters>"
    )


def _selector_text(value: Value) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return text(str(value))


def _scalar(item: Field, value: Value, style: Style) -> str:
    if item.type == "boolean":
        return "true" if value else "false"
    if isinstance(value, str):
        return text(value)
    if isinstance(value, datetime):
        return f"<{style.cim}Datetime>{format_datetime(value)}</{style.cim}Datetime>"
    if isinstance(value, timedelta):
        return f"<{style.cim}Interval>{format_interval(value)}</{style.cim}Interval>"
    if isinstance(value, (int, float)):
        return str(int(value))
    if isinstance(value, Reference):
        return render_endpoint(value.namespace, value.class_name, value.keys, dmtf=style.typed)
    raise TypeError(f"{item.name} ({item.type}) cannot hold a {type(value).__name__}")


def render(tag: str, item: Field, value: Value, style: Style = PLAIN) -> str:
    """One property or parameter: an element, several for an array, none for an empty array."""
    kind = f' xsi:type="{XSI_TYPES[item.type]}"' if style.typed else ""
    if item.type == "reference":
        # The parts of an endpoint reference stand directly in the property, which declares their prefixes itself.
        kind += f' xmlns:a="{names.ADDRESSING}" xmlns:w="{names.WSMAN}"'
    if value is None:
        mark = f' xmlns:m="{names.MICROSOFT}"' if style.precise and item.array else ""
        precise = ' m:IsNullArray="true"' if mark else ""
        return f'<{tag}{mark} xsi:nil="true"{precise}{kind}/>'
    if not item.array:
        return f"<{tag}{kind}>{_scalar(item, value, style)}</{tag}>"
    if not isinstance(value, (list, tuple)):
        raise TypeError(f"{item.name} is an array, not a {type(value).__name__}")
    if not value and style.precise:
        return f'<{tag} xmlns:m="{names.MICROSOFT}" m:IsEmptyArray="true"{kind}/>'
    scalar = Field(item.name, item.type)
    return "".join(render(tag, scalar, each, style) for each in value)


# Keyed by identity: hashing a class of a hundred fields costs more than sorting them.
_CACHE_LIMIT = 1024
_sorted_cache: dict[int, tuple[CimClass, tuple[Field, ...]]] = {}


def sorted_fields(cim_class: CimClass) -> tuple[Field, ...]:
    """A class's properties in the order in which Windows writes them: alphabetical, case ignored."""
    cached = _sorted_cache.get(id(cim_class))
    if cached is None or cached[0] is not cim_class:
        cached = (cim_class, tuple(sorted(cim_class.fields, key=lambda item: item.name.lower())))
        if len(_sorted_cache) >= _CACHE_LIMIT:
            _sorted_cache.clear()
        _sorted_cache[id(cim_class)] = cached
    return cached[1]


def render_instance(cim_class: CimClass, instance: Instance, *, name: str, uri: str, style: Style = PLAIN) -> str:
    """An instance in class form: wrapper `name` (a subclass's, maybe) with the prefix p bound to `uri`."""
    body = "".join(render(f"p:{item.name}", item, instance.get(item.name), style) for item in sorted_fields(cim_class))
    return (
        f'<p:{name} xmlns:xsi="{names.XSI}" xmlns:p="{uri}" xmlns:cim="{names.CIM}" xsi:type="p:{name}_Type">'
        f"{body}</p:{name}>"
    )


def render_fragment(fields: Iterable[Field], instance: Instance) -> str:
    """The selected columns of a query: an XmlFragment of elements without a namespace; fields come sorted."""
    body = "".join(render(item.name, item, instance.get(item.name), FRAGMENT) for item in fields)
    return f'<w:XmlFragment xmlns:xsi="{names.XSI}" xmlns:w="{names.WSMAN}">{body}</w:XmlFragment>'


def render_output(method: str, outputs: Sequence[Field], values: Instance, *, uri: str, style: Style = PLAIN) -> str:
    """A method's answer: out parameters as declared, ReturnValue last where the method has one."""
    fields = [item for item in outputs if item.name != "ReturnValue"]
    fields += [item for item in outputs if item.name == "ReturnValue"]
    if "ReturnValue" in values and not any(item.name == "ReturnValue" for item in fields):
        fields.append(Field("ReturnValue", "uint32"))
    body = "".join(
        render(f"p:{item.name}", item, values.get(item.name), style)
        for item in fields
        if item.name != "ReturnValue" or "ReturnValue" in values
    )
    return (
        f'<p:{method}_OUTPUT xmlns:xsi="{names.XSI}" xmlns:p="{uri}" xmlns:cim="{names.CIM}">{body}</p:{method}_OUTPUT>'
    )


# -- reading --------------------------------------------------------------------------------------------------------


class ValueProblem(Exception):
    """A value does not fit the type of its property or parameter, or there is no such property."""


_RANGES = {
    **{f"uint{bits}": (0, 2**bits - 1) for bits in (8, 16, 32, 64)},
    **{f"sint{bits}": (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1) for bits in (8, 16, 32, 64)},
}
_BOOLEANS = {"true": True, "1": True, "false": False, "0": False}
_MOMENT = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.(\d{1,6}))?(Z|[+-]\d\d:\d\d)?\Z")
_DURATION = re.compile(r"P(?:(\d+)D)?(?:T(?:(\d+)H)?(?:(\d+)M)?(?:(\d+)(?:\.(\d{1,6}))?S)?)?\Z")


def parse_duration(value: str) -> timedelta:
    """An XML schema duration of days and smaller units.  Raises ValueProblem."""
    match = _DURATION.match(value.strip())
    if match is None or value.strip() in ("P", "PT"):
        raise ValueProblem("not a duration")
    days, hours, minutes, seconds = (int(match[index] or 0) for index in range(1, 5))
    micro = int((match[5] or "").ljust(6, "0"))
    return timedelta(days=days, hours=hours, minutes=minutes, seconds=seconds, microseconds=micro)


def _parse_moment(value: str) -> datetime:
    match = _MOMENT.match(value.strip())
    if match is None:
        raise ValueProblem("not a date and time")
    zone = match[3] or "Z"
    try:
        moment = datetime.fromisoformat(match[1] + ("+00:00" if zone == "Z" else zone))
    except ValueError:
        raise ValueProblem("not a date and time") from None
    return moment.replace(microsecond=int((match[2] or "").ljust(6, "0")))


def parse_scalar(kind: str, value: str) -> Value:
    """Text as a value of a CIM type (not datetime).  Raises ValueProblem."""
    if kind == "string":
        return value
    value = value.strip()
    if kind == "boolean":
        if value not in _BOOLEANS:
            raise ValueProblem("not a boolean")
        return _BOOLEANS[value]
    if kind == "datetime":
        return _parse_moment(value).astimezone(timezone.utc)
    low, high = _RANGES.get(kind, (1, 0))  # no text is a reference
    if re.fullmatch(r"[+-]?\d+", value) is None or not low <= int(value) <= high:
        raise ValueProblem(f"not a {kind}")
    return int(value)


def local_name(element: ET.Element) -> str:
    """An element's name without its namespace."""
    return element.tag.rpartition("}")[2]


def _parse_element(item: Field, element: ET.Element) -> Value:
    if element.get(f"{{{names.XSI}}}nil") in ("true", "1"):
        return None
    children = list(element)
    if item.type == "datetime" and len(children) == 1:
        inner = children[0].text or ""
        return parse_duration(inner) if local_name(children[0]) == "Interval" else _parse_moment(inner)
    if children:
        raise ValueProblem(f"{item.name} holds elements")
    return parse_scalar(item.type, element.text or "")


def parse_fields(fields: Iterable[Field], parent: ET.Element) -> dict[str, Value]:
    """The values in a request's body; names are case-sensitive.  Raises ValueProblem for unknown or ill-typed ones."""
    known = {item.name: item for item in fields}
    found: dict[str, list[ET.Element]] = {}
    for child in parent:
        name = local_name(child)
        if child.tag == f"{{{names.CIM}}}Location":
            continue
        if name not in known:
            raise ValueProblem(f"there is no {name}")
        found.setdefault(name, []).append(child)
    values: dict[str, Value] = {}
    for name, elements in found.items():
        item = known[name]
        if item.array:
            nulls = len(elements) == 1 and _parse_element(Field(name), elements[0]) is None
            values[name] = None if nulls else [_parse_element(item, each) for each in elements]
        elif len(elements) > 1:
            raise ValueProblem(f"{name} is not an array")
        else:
            values[name] = _parse_element(item, elements[0])
    return values
