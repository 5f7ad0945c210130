# Copyright (c) 2026, the winops.kms authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Turns a SOAP fault into the exception that says what kind of refusal it is.

One rule finds the number, for every module: the codes of ``MSFT_WmiError`` (or ``OMI_Error``), then those of
``WSManFault`` and of the provider fault nested in it, then a number behind the word HRESULT in their texts; of these
the first that is the provider's own wins over those of the WS-Management service (facility 0x033).  Texts are in the
language of the host: apart from that number nothing is ever read out of them.
"""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from collections.abc import Iterator

from .errors import (
    CimAccessDenied,
    CimFault,
    CimInvalidClass,
    CimNotFound,
    CimQuotaError,
    CimTimedOut,
)
from .namespaces import SOAP
from .parse import find_local, local_name, text_of

__all__ = ["CODE_INVALID_CONTEXT", "fault_from", "normalise_code"]

CODE_INVALID_CONTEXT = 0x8033801B

# WSMAN and WMI codes by what they mean to a caller (names as in the SDK's wsmerror.h and wbemcli.h).
_BY_CODE: dict[int, type[CimFault]] = {
    5: CimAccessDenied,  # ERROR_ACCESS_DENIED
    0x80070005: CimAccessDenied,  # E_ACCESSDENIED
    0x80041003: CimAccessDenied,  # WBEM_E_ACCESS_DENIED
    0x80338000: CimNotFound,  # resource not found, on Get
    0x80041002: CimNotFound,  # WBEM_E_NOT_FOUND
    0x8033801A: CimInvalidClass,  # the filter cannot be processed: no such namespace, class or property
    0x8033803B: CimInvalidClass,  # invalid resource URI
    0x80041010: CimInvalidClass,  # WBEM_E_INVALID_CLASS
    0x8004100E: CimInvalidClass,  # WBEM_E_INVALID_NAMESPACE
    0x80041017: CimInvalidClass,  # WBEM_E_INVALID_QUERY
    0x80338029: CimTimedOut,
    0x8033803F: CimQuotaError,  # quota limit
    0x803381A5: CimQuotaError,  # shells
    0x803381A6: CimQuotaError,  # concurrent operations of a user
    0x803381A7: CimQuotaError,  # quota of the user
    0x803381A8: CimQuotaError,  # quota of the system
    0x803381E7: CimQuotaError,  # plug-in, per user
    0x803381E8: CimQuotaError,  # plug-in, operations
}
_BY_SUBCODE: dict[str, type[CimFault]] = {
    "TimedOut": CimTimedOut,
    "AccessDenied": CimAccessDenied,
    "QuotaLimit": CimQuotaError,
    "CannotProcessFilter": CimInvalidClass,
    "DestinationUnreachable": CimNotFound,
}
# DMTF status codes, for a host whose other codes say nothing (OMI).
_BY_CIM_STATUS: dict[int, type[CimFault]] = {
    2: CimAccessDenied,
    3: CimInvalidClass,
    5: CimInvalidClass,
    6: CimNotFound,
    12: CimInvalidClass,
    15: CimInvalidClass,
}
# These hold whatever number stands next to them; the other subcodes are too general for that.
_SUBCODE_FIRST = frozenset({"TimedOut", "AccessDenied"})

_HRESULT = re.compile(r"HRESULT\W{0,4}0x([0-9a-f]{8})(?![0-9a-f])", re.IGNORECASE)
_HEX = re.compile(r"(?<![0-9a-z])0x([89c][0-9a-f]{7})(?![0-9a-f])", re.IGNORECASE)
_PRODUCT_KEY = re.compile(r"\b(?:[0-9A-Z]{5}-){4}([0-9A-Z]{5})\b", re.IGNORECASE)
_MAX_REASON = 1000


def normalise_code(text: str | int | None) -> int | None:
    """Return a code as unsigned 32 bit; ``None`` when ``text`` is no number.  Takes decimal of either sign, and hex."""
    if text is None:
        return None
    try:
        number = int(text) if isinstance(text, int) else int(text.strip(), 0 if "x" in text.lower() else 10)
    except ValueError:
        return None
    return number & 0xFFFFFFFF


def fault_from(fault: ET.Element, *, http_status: int | None = None) -> CimFault:
    """Return the exception for the ``s:Fault`` element."""
    code_element = fault.find(f"{{{SOAP}}}Code")
    subcode = _subcode(code_element)
    detail = fault.find(f"{{{SOAP}}}Detail")
    cim_error = _cim_error(detail)
    codes = list(dict.fromkeys(_codes(fault, detail, cim_error)))
    from_provider = next((code for code in codes if not _is_wsman(code)), None)
    # MI results and DMTF status codes are small numbers of their own; they must not be taken for Windows error 5 or 6.
    status = normalise_code(text_of(find_local(cim_error, "CIMStatusCode"))) if cim_error is not None else None
    kind = _kind(subcode, codes, from_provider, status)
    return kind(
        _reason(fault, detail, cim_error) or "The host refused the request and gave no reason.",
        code=from_provider if from_provider is not None else (codes[0] if codes else None),
        subcode=subcode,
        provider_code=from_provider,
        http_status=http_status,
    )


def _kind(subcode: str, codes: list[int], from_provider: int | None, status: int | None) -> type[CimFault]:
    if subcode in _SUBCODE_FIRST:
        return _BY_SUBCODE[subcode]
    # The provider's chosen code, then the service's; not a second number that happens to stand in a text.
    for code in sorted(codes, key=_is_wsman):
        if code in _BY_CODE and (code == from_provider or _is_wsman(code)):
            return _BY_CODE[code]
    if from_provider is not None:
        return CimFault
    if status is not None and status in _BY_CIM_STATUS:
        return _BY_CIM_STATUS[status]
    return _BY_SUBCODE.get(subcode, CimFault)


def _is_wsman(code: int) -> bool:
    return code >> 16 == 0x8033


def _subcode(code: ET.Element | None) -> str:
    if code is None:
        return ""
    for path in (f"{{{SOAP}}}Subcode/{{{SOAP}}}Value", f"{{{SOAP}}}Value"):
        name = text_of(code.find(path)).rpartition(":")[2]
        if name not in ("", "Sender", "Receiver"):
            return name
    return ""


def _cim_error(detail: ET.Element | None) -> ET.Element | None:
    """The CIM error instance of newer services; told by its content, its class name differs between services."""
    if detail is None:
        return None
    return next((child for child in detail if find_local(child, "CIMStatusCode") is not None), None)


def _codes(fault: ET.Element, detail: ET.Element | None, cim_error: ET.Element | None) -> Iterator[int]:
    if cim_error is not None:
        # An error of type MI has a small number of its own that is no Windows code.
        if text_of(find_local(cim_error, "error_Type")).upper() != "MI":
            yield from _found(normalise_code(text_of(find_local(cim_error, "error_Code")) or None))
        yield from _scan(_HRESULT, text_of(find_local(cim_error, "MessageID")))
    for element in [] if detail is None else detail.iter():
        if local_name(element) == "WSManFault":
            code = normalise_code(element.get("Code"))
            # Old services send the low word alone (MS-WSMV 4.1.10 has an example).
            yield from _found(0x80330000 | code if code is not None and 0x8000 <= code <= 0x8FFF else code)
        elif local_name(element) == "StatusCode":
            yield from _found(normalise_code(text_of(element) or None))
    texts = list(_texts(fault))
    for pattern in (_HRESULT, _HEX):
        for text in texts:
            yield from _scan(pattern, text)


def _found(code: int | None) -> Iterator[int]:
    # 0 is "no error"; a service that says so in a fault means "no number".
    if code:
        yield code


def _scan(pattern: re.Pattern[str], text: str) -> Iterator[int]:
    for digits in pattern.findall(text):
        yield int(digits, 16)


_TEXT_ELEMENTS = frozenset(
    {"Message", "ProviderFault", "Description", "error_WindowsErrorMessage", "OMI_ErrorMessage", "MessageID", "Text"}
)


def _texts(fault: ET.Element) -> Iterator[str]:
    # Not ParameterInfo: it repeats what the caller sent.
    for element in fault.iter():
        if local_name(element) in _TEXT_ELEMENTS and text_of(element):
            yield text_of(element)


def _reason(fault: ET.Element, detail: ET.Element | None, cim_error: ET.Element | None) -> str:
    """The most particular text: of the CIM error, of the innermost fault, of SOAP itself."""
    candidates: list[str] = []
    if cim_error is not None:
        candidates.append(text_of(find_local(cim_error, "Message")))
    if detail is not None:
        inner = [text_of(e) for e in detail.iter() if local_name(e) in ("Message", "ProviderFault") and text_of(e)]
        candidates += inner[-1:]
    candidates += [text_of(text) for text in fault.iterfind(f"{{{SOAP}}}Reason/{{{SOAP}}}Text")]
    text = " ".join(next((candidate for candidate in candidates if candidate), "").split())[:_MAX_REASON]
    # A provider may repeat its parameters; a product key is a secret but for its last part.
    return _PRODUCT_KEY.sub(r"*****-*****-*****-*****-\1", text)
