# Copyright (c) 2026, the winops.kms authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Builds requests: header of every operation, bodies of each.

Built as text because the messages are small and fixed, and so that what goes on the wire is exactly what stands here.
Every value passes through :func:`escape`, every name through :func:`.schema.check_identifier`.
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta, timezone
from typing import Any

from .namespaces import (
    ADDRESSING,
    ANONYMOUS,
    CIM_COMMON,
    ENUMERATION,
    SOAP,
    TRANSFER,
    WQL_DIALECT,
    WSMAN,
    WSMAN_MICROSOFT,
    XSI,
)
from .schema import NO_TYPES, TEXT, Reference, Value, check_identifier

__all__ = [
    "ACTION_CREATE",
    "ACTION_DELETE",
    "ACTION_ENUMERATE",
    "ACTION_GET",
    "ACTION_PULL",
    "ACTION_PUT",
    "ACTION_RELEASE",
    "MAX_ENVELOPE_SIZE",
    "build",
    "enumerate_body",
    "escape",
    "input_body",
    "instance_body",
    "message_id",
    "pull_body",
    "release_body",
    "wql",
    "wql_quote",
]

ACTION_GET = f"{TRANSFER}/Get"
ACTION_PUT = f"{TRANSFER}/Put"
ACTION_CREATE = f"{TRANSFER}/Create"
ACTION_DELETE = f"{TRANSFER}/Delete"
ACTION_ENUMERATE = f"{ENUMERATION}/Enumerate"
ACTION_PULL = f"{ENUMERATION}/Pull"
ACTION_RELEASE = f"{ENUMERATION}/Release"

# Default of the service since Windows Server 2012; an older one caps it to its own value.
MAX_ENVELOPE_SIZE = 512000
# Pull gives one item per round trip when this is left out; 32000 is the service's own upper limit.
_MAX_ELEMENTS = 32000

# Everything that XML 1.0 cannot carry, and the control characters that no name, key or address has.
_LINE_CONTROLS = "\t\n\r"
_UNSENDABLE = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff]")
_INTEGER = re.compile(r"(?P<sign>[us])int(?P<bits>8|16|32|64)\Z")
_ESCAPES = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "\r": "&#13;"})


def escape(value: str, what: str, *, lines: bool = False) -> str:
    """Return ``value`` fit for XML text and attributes; ``ValueError`` naming ``what`` for control characters.

    ``lines`` lets tabs and line breaks through.
    """
    if _UNSENDABLE.search(value) or (not lines and any(c in value for c in _LINE_CONTROLS)):
        raise ValueError(f"{what}: the value has a control character")
    return value.translate(_ESCAPES)


def message_id() -> str:
    """Return a new message ID in the form of the native client."""
    return f"uuid:{str(uuid.uuid4()).upper()}"


def build(
    action: str,
    resource_uri: str,
    body: str = "",
    *,
    to: str,
    message: str,
    timeout: float = 60,
    selectors: Mapping[str, Any] | None = None,
    options: Sequence[tuple[str, str]] = (),
    max_envelope_size: int = MAX_ENVELOPE_SIZE,
) -> bytes:
    """Return one request envelope as UTF-8.

    ``timeout`` is the operation timeout in seconds; ``options`` are sent as text options (``w:OptionSet``).
    """
    selector_set = _selector_set(selectors or {})
    option_set = "".join(
        f'<w:Option Name="{escape(name, "option")}" Type="xs:string">{escape(value, name)}</w:Option>'
        for name, value in options
    )
    if option_set:
        option_set = f'<w:OptionSet xmlns:xs="http://www.w3.org/2001/XMLSchema">{option_set}</w:OptionSet>'
    return (
        f'<s:Envelope xmlns:s="{SOAP}" xmlns:a="{ADDRESSING}" xmlns:w="{WSMAN}" xmlns:p="{WSMAN_MICROSOFT}">'
        "<s:Header>"
        f"<a:To>{escape(to, 'endpoint')}</a:To>"
        f'<w:ResourceURI s:mustUnderstand="true">{escape(resource_uri, "resource URI")}</w:ResourceURI>'
        f'<a:ReplyTo><a:Address s:mustUnderstand="true">{ANONYMOUS}</a:Address></a:ReplyTo>'
        f'<a:Action s:mustUnderstand="true">{escape(action, "action")}</a:Action>'
        f'<w:MaxEnvelopeSize s:mustUnderstand="true">{max_envelope_size}</w:MaxEnvelopeSize>'
        f"<a:MessageID>{escape(message, 'message ID')}</a:MessageID>"
        # mustUnderstand must stay false: the service refuses a locale that it is told to understand.
        '<w:Locale xml:lang="en-US" s:mustUnderstand="false"/>'
        '<p:DataLocale xml:lang="en-US" s:mustUnderstand="false"/>'
        f"{selector_set}{option_set}"
        f"<w:OperationTimeout>PT{timeout:.3f}S</w:OperationTimeout>"
        f"</s:Header><s:Body>{body}</s:Body></s:Envelope>"
    ).encode()


def _selector_set(selectors: Mapping[str, Any]) -> str:
    if not selectors:
        return ""
    return f"<w:SelectorSet>{''.join(_selector(name, value) for name, value in selectors.items())}</w:SelectorSet>"


def _selector(name: str, value: Any) -> str:
    check_identifier(name, "selector")
    if isinstance(value, Reference):
        text = f"<a:EndpointReference>{_reference(value)}</a:EndpointReference>"
    else:
        text = escape(_plain_text(value, name), name)
    return f'<w:Selector Name="{name}">{text}</w:Selector>'


def _reference(reference: Reference) -> str:
    return (
        f"<a:Address>{ANONYMOUS}</a:Address><a:ReferenceParameters>"
        f"<w:ResourceURI>{escape(reference.resource_uri, 'resource URI')}</w:ResourceURI>"
        f"{_selector_set(reference.selectors)}</a:ReferenceParameters>"
    )


# --- values ---------------------------------------------------------------------------------------------------------


def _plain_text(value: Any, what: str) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (int, float)):
        return str(value)
    if isinstance(value, str):
        return str(value)
    raise ValueError(f"{what}: a {type(value).__name__} cannot be sent")


def _datetime_text(value: datetime) -> str:
    return value.astimezone(timezone.utc).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def _interval_text(value: timedelta) -> str:
    hours, rest = divmod(value.seconds, 3600)
    minutes, seconds = divmod(rest, 60)
    return f"P{value.days}DT{hours}H{minutes}M{seconds}.{value.microseconds:06d}S"


def _check_type(value: Any, cim_type: str, what: str) -> None:
    if cim_type == "boolean" and not isinstance(value, bool):
        raise ValueError(f"{what}: true or false is wanted, not a {type(value).__name__}")
    integer = _INTEGER.match(cim_type)
    if not integer:
        return
    if isinstance(value, bool) or not isinstance(value, int):
        raise ValueError(f"{what}: a whole number is wanted, not a {type(value).__name__}")
    bits = int(integer["bits"])
    low, high = (0, 2**bits - 1) if integer["sign"] == "u" else (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1)
    if not low <= value <= high:
        raise ValueError(f"{what}: {value} does not fit into {cim_type} ({low} to {high})")


def _content(value: Any, cim_type: str, what: str, lines: bool) -> str:
    _check_type(value, cim_type, what)
    if isinstance(value, Reference):
        return _reference(value)
    if isinstance(value, datetime):
        if value.tzinfo is None:
            raise ValueError(f"{what}: a time without time zone cannot be sent")
        return f'<c:Datetime xmlns:c="{CIM_COMMON}">{_datetime_text(value)}</c:Datetime>'
    if isinstance(value, timedelta):
        if value < timedelta(0):
            raise ValueError(f"{what}: a negative interval cannot be sent")
        return f'<c:Interval xmlns:c="{CIM_COMMON}">{_interval_text(value)}</c:Interval>'
    return escape(_plain_text(value, what), what, lines=lines or cim_type == TEXT)


def _elements(name: str, value: Value, cim_type: str, *, nil: str, lines: bool) -> str:
    check_identifier(name, "parameter")
    if value is None:
        return nil.format(name=name)
    if isinstance(value, (list, tuple)):
        if cim_type and not cim_type.endswith("[]"):
            raise ValueError(f"{name}: one value is wanted, not a list")
        # An empty array is written by leaving it out.
        return "".join(_element(name, item, cim_type[:-2], lines) for item in value)
    if cim_type.endswith("[]"):
        raise ValueError(f"{name}: a list is wanted, not a {type(value).__name__}")
    return _element(name, value, cim_type, lines)


def _element(name: str, value: Any, cim_type: str, lines: bool) -> str:
    return f"<p:{name}>{_content(value, cim_type, name, lines)}</p:{name}>"


def _typed_elements(
    values: Mapping[str, Value], types: Mapping[str, str], *, nil: str = "", lines: bool = False
) -> str:
    by_lower = {name.lower(): cim_type for name, cim_type in types.items()}
    return "".join(
        _elements(name, value, by_lower.get(name.lower(), ""), nil=nil, lines=lines) for name, value in values.items()
    )


# --- bodies ---------------------------------------------------------------------------------------------------------


def input_body(
    method: str, class_uri: str, parameters: Mapping[str, Value], types: Mapping[str, str] = NO_TYPES
) -> str:
    """Body of an Invoke.  A ``None`` parameter is left out; a method without parameters gets the empty element.

    Tabs and line breaks are refused, but in a parameter of type :data:`.schema.TEXT`, where they arrive as they are.
    """
    check_identifier(method, "method")
    inner = _typed_elements(parameters, types)
    return f'<p:{method}_INPUT xmlns:p="{escape(class_uri, "class")}">{inner}</p:{method}_INPUT>'


def instance_body(
    class_name: str,
    class_uri: str,
    properties: Mapping[str, Value],
    types: Mapping[str, str] = NO_TYPES,
    *,
    keys: Mapping[str, Value] = NO_TYPES,
    write_nil: bool = False,
) -> str:
    """Body of a Put or Create.

    ``None`` becomes ``xsi:nil`` (``write_nil``) or is left out.  ``keys`` come first, as they are.
    """
    check_identifier(class_name, "class")
    key_elements = _typed_elements(keys, NO_TYPES)
    nil = f'<p:{{name}} xmlns:xsi="{XSI}" xsi:nil="true"/>' if write_nil else ""
    # Values read from a host may have line breaks and must be able to go back.
    inner = _typed_elements(properties, types, nil=nil, lines=True)
    return f'<p:{class_name} xmlns:p="{escape(class_uri, "class")}">{key_elements}{inner}</p:{class_name}>'


def enumerate_body(query: str = "", *, with_references: bool = False, limit: int | None = None) -> str:
    """Body of an Enumerate that brings the first items along, ``limit`` at most; ``query`` is WQL."""
    mode = "<w:EnumerationMode>EnumerateObjectAndEPR</w:EnumerationMode>" if with_references else ""
    wql_filter = f'<w:Filter Dialect="{WQL_DIALECT}">{escape(query, "query")}</w:Filter>' if query else ""
    return (
        f'<n:Enumerate xmlns:n="{ENUMERATION}"><w:OptimizeEnumeration/>'
        f"<w:MaxElements>{_elements_at_most(limit)}</w:MaxElements>{mode}{wql_filter}</n:Enumerate>"
    )


def pull_body(context: str, *, limit: int | None = None) -> str:
    """Body of a Pull with the newest context, for ``limit`` items at most."""
    return (
        f'<n:Pull xmlns:n="{ENUMERATION}"><n:EnumerationContext>{escape(context, "context")}</n:EnumerationContext>'
        f"<n:MaxElements>{_elements_at_most(limit)}</n:MaxElements></n:Pull>"
    )


def _elements_at_most(limit: int | None) -> int:
    return _MAX_ELEMENTS if limit is None else max(1, min(limit, _MAX_ELEMENTS))


def release_body(context: str) -> str:
    """Body of a Release, which gives an enumeration back before its end."""
    inner = f"<n:EnumerationContext>{escape(context, 'context')}</n:EnumerationContext>"
    return f'<n:Release xmlns:n="{ENUMERATION}">{inner}</n:Release>'


# --- WQL ------------------------------------------------------------------------------------------------------------


def wql_quote(value: str) -> str:
    """Return ``value`` as a WQL string literal, quotes included."""
    escape(value, "query")
    escaped = str(value).replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"


def wql(class_name: str, properties: Sequence[str] | None = None, where: str = "") -> str:
    """Return a WQL data query; ``properties`` ``None`` means all, ``where`` is the condition as WQL."""
    if properties is not None and not properties:
        raise ValueError("properties: at least one is needed; None means all")
    columns = ",".join(check_identifier(name, "property") for name in properties) if properties else "*"
    return f"SELECT {columns} FROM {class_name}" + (f" WHERE {where}" if where else "")
