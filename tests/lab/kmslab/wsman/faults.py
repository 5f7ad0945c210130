# Copyright (c) 2026, the winops.kms authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Faults: what goes wrong, as data, and the two shapes in which Windows reports it.

`wsman` is the classic f:WSManFault, with a nested provider fault where WMI itself complained; `wmi` is the
MSFT_WmiError instance that Windows 8 / Server 2012 and later send for errors of providers and quotas.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from ..cim import WmiError
from . import names
from .texts import sentence
from .values import text

Shape = Literal["wsman", "wmi"]

WBEM_NOT_FOUND = 0x80041002
WBEM_ACCESS_DENIED = 0x80041003
WBEM_INVALID_METHOD_PARAMETERS = 0x8004102F
E_ACCESS_DENIED = 0x80070005


@dataclass(frozen=True)
class Kind:
    """One kind of fault: its code, who is to blame, the subcode, the URI of FaultDetail, the sentence."""

    code: int
    subcode: str
    text: str
    blame: str = "Sender"
    detail: str = ""


#: Codes and subcodes as in the Windows SDK's wsmerror.h and DSP0226.
KINDS: Mapping[str, Kind] = {
    "access_denied": Kind(5, "w:AccessDenied", "access_denied"),
    "not_found": Kind(2150858752, "a:DestinationUnreachable", "not_found", detail="InvalidResourceURI"),
    "bad_action": Kind(2150858771, "a:ActionNotSupported", "bad_action"),
    "bad_uri": Kind(2150858811, "a:DestinationUnreachable", "bad_uri", detail="InvalidResourceURI"),
    "bad_filter": Kind(2150858778, "n:CannotProcessFilter", "bad_filter"),
    "bad_dialect": Kind(2150858777, "n:FilterDialectRequestedUnavailable", "bad_dialect"),
    "bad_context": Kind(2150858779, "n:InvalidEnumerationContext", "bad_context", blame="Receiver"),
    "timed_out": Kind(2150858793, "w:TimedOut", "timed_out", blame="Receiver"),
    "bad_selectors": Kind(2150858843, "w:InvalidSelectors", "bad_selectors", detail="UnexpectedSelectors"),
    "twice": Kind(2150858847, "w:InvalidSelectors", "bad_selectors", detail="DuplicateSelectors"),
    "few_selectors": Kind(2150858842, "w:InvalidSelectors", "few_selectors", detail="InsufficientSelectors"),
    "bad_selector_value": Kind(2150858844, "w:InvalidSelectors", "bad_selector_value", detail="TypeMismatch"),
    "no_selectors": Kind(2150859002, "w:InvalidSelectors", "no_selectors", detail="InsufficientSelectors"),
    "query_with_class": Kind(2150859003, "a:DestinationUnreachable", "query_with_class", detail="InvalidResourceURI"),
    "schema": Kind(2150858817, "w:SchemaValidationError", "schema"),
    "small_envelope": Kind(2150858878, "w:EncodingLimit", "small_envelope", detail="MinimumEnvelopeLimit"),
    "big_answer": Kind(2150858824, "w:EncodingLimit", "big_answer", detail="MaxEnvelopeSize"),
    "no_header": Kind(2150858769, "a:MessageInformationHeaderRequired", "no_header"),
    "no_feature": Kind(2150858818, "w:UnsupportedFeature", "no_feature"),
    "locale": Kind(2150858887, "w:UnsupportedFeature", "no_feature", detail="Locale"),
    "addressing_mode": Kind(2150858870, "w:UnsupportedFeature", "no_feature", detail="AddressingMode"),
    "enumeration_mode": Kind(2150858886, "w:UnsupportedFeature", "no_feature", detail="EnumerationMode"),
    "other_namespace": Kind(2150859067, "w:InvalidSelectors", "bad_selectors", detail="UnexpectedSelectors"),
    "bad_timeout": Kind(2150858881, "w:SchemaValidationError", "schema"),
    "bad_xml": Kind(2150858819, "w:SchemaValidationError", "bad_xml"),
    "bad_body": Kind(2150858791, "w:SchemaValidationError", "schema"),
    "not_understood": Kind(0, "", "not_understood", blame="MustUnderstand"),
    "version": Kind(0, "", "version", blame="VersionMismatch"),
    "quota": Kind(2150859174, "w:InternalError", "quota", blame="Receiver"),
    "shell_quota": Kind(2150859173, "w:QuotaLimit", "shell_quota"),
    "not_capable": Kind(2150859010, "w:InternalError", "not_capable", blame="Receiver"),
    "internal": Kind(2150858755, "w:InternalError", "internal", blame="Receiver"),
}

#: HRESULT -> (CIMStatusCode, error_Category) of MSFT_WmiError; anything else is a general failure.
_CIM_STATUS: Mapping[int, tuple[int, int]] = {
    WBEM_ACCESS_DENIED: (2, 18),
    E_ACCESS_DENIED: (2, 18),
    5: (2, 18),
    WBEM_NOT_FOUND: (6, 13),
    0x80041008: (4, 5),
    WBEM_INVALID_METHOD_PARAMETERS: (4, 5),
    0x8004100E: (3, 13),
    0x80041010: (5, 13),
    0x80041017: (15, 5),
    2150859173: (27, 30),
    2150859174: (27, 30),
}


@dataclass(frozen=True)
class Extended:
    """The __ExtendedStatus that WMI adds: which of its operations failed, on what, in which provider."""

    operation: str
    parameter: str
    provider: str


@dataclass(frozen=True)
class Details:
    """What a fault says beyond its kind.

    `inner` is a sentence's key for the nested provider fault; `provider` asks for that nesting; `hresult` and
    `message` replace the kind's code and sentence by a provider's own.
    """

    parameters: Mapping[str, object] = field(default_factory=dict)
    inner: str = ""
    provider: bool = False
    extended: Extended | None = None
    hresult: int | None = None
    message: str = ""
    shape: Shape | None = None
    by_generation: bool = False
    """Whether machines from Windows 8 / Server 2012 on report this one as MSFT_WmiError."""
    header: str = ""


class Fault(Exception):
    """The request failed; rendered by `render_fault`."""

    def __init__(self, kind: str, details: Details | None = None, **parameters: object) -> None:
        super().__init__(kind)
        self.kind = KINDS[kind]
        self.details = details or Details(parameters=parameters)

    @property
    def code(self) -> int:
        """The code that the client sees: a provider's HRESULT, or the kind's own."""
        return self.kind.code if self.details.hresult is None else self.details.hresult


def provider_fault(error: WmiError, *, shape: Shape | None = None) -> Fault:
    """A provider's failure; its HRESULT keeps its identity."""
    denied = error.hresult in (WBEM_ACCESS_DENIED, E_ACCESS_DENIED)
    details = Details(
        provider=True, hresult=error.hresult, message=error.message, shape=shape, by_generation=shape is None
    )
    return Fault("access_denied" if denied else "internal", details)


@dataclass(frozen=True)
class Scene:
    """Where a fault is reported: language, machine's name, the name by which the client addressed it, generation."""

    locale: str
    machine: str
    host: str
    modern: bool
    dmtf: bool = False


def _sentences(fault: Fault, scene: Scene) -> tuple[str, str]:
    """(Reason text, detailed text)."""
    details = fault.details
    if details.hresult is not None:
        told = sentence("provider", scene.locale, {"hresult": details.hresult})
        said = f"{details.message.rstrip()} (HRESULT 0x{details.hresult:08x}) " if details.message else told
        return (sentence("access_denied", scene.locale), said) if fault.kind.code == 5 else (said, said)
    reason = sentence(fault.kind.text, scene.locale, details.parameters)
    return reason, sentence(details.inner, scene.locale, details.parameters) if details.inner else reason


def _extended_xml(extended: Extended, *, dmtf: bool) -> str:
    base = names.DMTF_URI if dmtf else names.WMI_URI + "root/cimv2/"
    string = ' xsi:type="cim:cimString"' if dmtf else ""
    number = ' xsi:type="cim:cimUnsignedInt"' if dmtf else ""
    return (
        f'<f:ExtendedError><p:__ExtendedStatus xmlns:xsi="{names.XSI}" xmlns:p="{base}__ExtendedStatus" '
        f'xmlns:cim="{names.CIM}" xsi:type="p:__ExtendedStatus_Type">'
        f'<p:Description xsi:nil="true"{string}/><p:Operation{string}>{text(extended.operation)}</p:Operation>'
        f"<p:ParameterInfo{string}>{text(extended.parameter)}</p:ParameterInfo>"
        f"<p:ProviderName{string}>{text(extended.provider)}</p:ProviderName>"
        f'<p:StatusCode xsi:nil="true"{number}/></p:__ExtendedStatus></f:ExtendedError>'
    )


def _wsman_detail(fault: Fault, scene: Scene, said: str) -> str:
    head = f'<f:WSManFault xmlns:f="{names.WSMAN_FAULT}" Code="{fault.code}" Machine="{{machine}}"><f:Message>'
    tail = "</f:Message></f:WSManFault>"
    outer = head.replace("{machine}", text(scene.host))
    if not fault.details.provider:
        return f"{outer}{text(said)}{tail}"
    inner = head.replace("{machine}", text(scene.machine)) + text(said) + tail
    extended = fault.details.extended
    extra = _extended_xml(extended, dmtf=scene.dmtf) if extended is not None else ""
    path = r"C:\Windows\system32\WsmWmiPl.dll" if scene.modern else r"%systemroot%\system32\WsmWmiPl.dll"
    return f'{outer}<f:ProviderFault provider="WMI Provider" path="{path}">{inner}{extra}</f:ProviderFault>{tail}'


def _wmi_detail(fault: Fault, said: str) -> str:
    status, category = _CIM_STATUS.get(fault.code, (1, 0))
    string, number, short = "cim:cimString", "cim:cimUnsignedInt", "cim:cimUnsignedShort"
    # (name, xsi:type, value or None for a null), in the order in which Windows writes them.
    rows: tuple[tuple[str, str, object], ...] = (
        ("CIMStatusCode", number, status),
        ("CIMStatusCodeDescription", string, None),
        ("ErrorSource", string, None),
        ("ErrorSourceFormat", short, 0),
        ("ErrorType", short, 0),
        ("Message", string, said),
        ("MessageID", string, f"HRESULT 0x{fault.code:08x}"),
        ("OtherErrorSourceFormat", string, None),
        ("OtherErrorType", string, None),
        ("OwningEntity", string, None),
        ("PerceivedSeverity", short, 0),
        ("ProbableCause", short, 0),
        ("ProbableCauseDescription", string, None),
        ("error_Category", number, category),
        ("error_Code", number, fault.code),
        ("error_Type", string, "HRESULT"),
        ("error_WindowsErrorMessage", string, said),
    )
    body = "".join(
        f'<p:{name} xsi:nil="true" xsi:type="{kind}"/>'
        if value is None
        else f'<p:{name} xsi:type="{kind}">{text(str(value))}</p:{name}>'
        for name, kind, value in rows
    )
    return (
        f'<p:MSFT_WmiError b:IsCIM_Error="true" xmlns:b="{names.CIM_BINDING}" xmlns:cim="{names.CIM}" '
        f'xmlns:p="{names.DMTF_URI}MSFT_WmiError" xmlns:xsi="{names.XSI}" xsi:type="p:MSFT_WmiError_Type">'
        f"{body}</p:MSFT_WmiError>"
    )


_ACTIONS = {
    "a": names.FAULT_ADDRESSING,
    "n": names.FAULT_ENUMERATION,
    "w": names.FAULT_WSMAN,
    "": names.FAULT_ADDRESSING,
}


def render_fault(fault: Fault, scene: Scene) -> tuple[str, str, str]:
    """(action, extra header XML, body XML) of the fault's envelope."""
    kind, details = fault.kind, fault.details
    reason, said = _sentences(fault, scene)
    shape = details.shape or ("wmi" if details.by_generation and scene.modern else "wsman")
    subcode = f"<s:Subcode><s:Value>{kind.subcode}</s:Value></s:Subcode>" if kind.subcode else ""
    detail = ""
    if kind.code or details.hresult is not None:
        uri = f"<w:FaultDetail>{names.FAULT_DETAIL}{kind.detail}</w:FaultDetail>" if kind.detail else ""
        inner = _wmi_detail(fault, said) if shape == "wmi" else _wsman_detail(fault, scene, said)
        detail = f"<s:Detail>{uri}{inner}</s:Detail>"
    body = (
        f"<s:Fault><s:Code><s:Value>s:{kind.blame}</s:Value>{subcode}</s:Code><s:Reason>"
        f'<s:Text xml:lang="{text(scene.locale)}">{text(reason)}</s:Text></s:Reason>{detail}</s:Fault>'
    )
    return _ACTIONS[kind.subcode.partition(":")[0] if kind.subcode else ""], details.header, body
