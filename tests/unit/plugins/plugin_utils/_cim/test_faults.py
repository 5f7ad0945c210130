# Copyright (c) 2026, the winops.kms authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest

from ansible_collections.winops.kms.plugins.plugin_utils._cim.errors import (
    CimAccessDenied,
    CimFault,
    CimInvalidClass,
    CimNotFound,
    CimQuotaError,
    CimTimedOut,
)
from ansible_collections.winops.kms.plugins.plugin_utils._cim.faults import fault_from, normalise_code
from ansible_collections.winops.kms.plugins.plugin_utils._cim.parse import parse_answer
from ansible_collections.winops.kms.tests.unit.plugins.plugin_utils._cim.scripted import fault


def read(data: bytes) -> CimFault:
    element = parse_answer(data).fault
    assert element is not None
    return fault_from(element, http_status=500)


def wmi_error(
    *, code: str = "", error_type: str = "HRESULT", message_id: str = "", message: str = "Fehler.", status: str = "1"
) -> str:
    return (
        '<e:MSFT_WmiError xsi:type="e:MSFT_WmiError_Type">'
        f"<e:CIMStatusCode>{status}</e:CIMStatusCode><e:Message>{message}</e:Message>"
        f"<e:MessageID>{message_id}</e:MessageID><e:error_Code>{code}</e:error_Code>"
        f"<e:error_Type>{error_type}</e:error_Type></e:MSFT_WmiError>"
    )


def extended(content: str) -> str:
    return f"<f:ExtendedError><p:__ExtendedStatus xmlns:p='u'>{content}</p:__ExtendedStatus></f:ExtendedError>"


def provider_fault(content: str) -> str:
    return f'<f:ProviderFault provider="WMI Provider" path="C:\\x.dll">{content}</f:ProviderFault>'


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("3221549136", 0xC004F050),
        ("-1073418160", 0xC004F050),
        ("0xC004F050", 0xC004F050),
        (" 0x803381a5 ", 0x803381A5),
        (-1073418160, 0xC004F050),
        ("0", 0),
        ("", None),
        ("HRESULT", None),
        ("007", 7),
        (None, None),
    ],
)
def test_normalise_code(text: str | int | None, code: int | None) -> None:
    assert normalise_code(text) == code


@pytest.mark.parametrize(
    ("data", "kind", "code", "provider_code"),
    [
        # plain WSManFault codes
        (fault(5, subcode="w:AccessDenied"), CimAccessDenied, 5, 5),
        (fault(5), CimAccessDenied, 5, 5),
        (fault(2147942405), CimAccessDenied, 0x80070005, 0x80070005),
        (fault(2147749891), CimAccessDenied, 0x80041003, 0x80041003),
        (fault(2150858752, subcode="a:DestinationUnreachable"), CimNotFound, 0x80338000, None),
        (fault(32768, subcode="a:DestinationUnreachable"), CimNotFound, 0x80338000, None),
        (fault(2147749890), CimNotFound, 0x80041002, 0x80041002),
        (fault(2150858778, subcode="n:CannotProcessFilter"), CimInvalidClass, 0x8033801A, None),
        (fault(2150858811), CimInvalidClass, 0x8033803B, None),
        (fault(2147749904), CimInvalidClass, 0x80041010, 0x80041010),
        (fault(2147749902), CimInvalidClass, 0x8004100E, 0x8004100E),
        (fault(2147749911), CimInvalidClass, 0x80041017, 0x80041017),
        (fault(2150858793, subcode="w:TimedOut"), CimTimedOut, 0x80338029, None),
        (fault(2150858815), CimQuotaError, 0x8033803F, None),
        (fault(2150859173, subcode="w:QuotaLimit"), CimQuotaError, 0x803381A5, None),
        (fault(2150859174), CimQuotaError, 0x803381A6, None),
        (fault(2150859175), CimQuotaError, 0x803381A7, None),
        (fault(2150859176), CimQuotaError, 0x803381A8, None),
        (fault(2150859239), CimQuotaError, 0x803381E7, None),
        (fault(2150859240), CimQuotaError, 0x803381E8, None),
        (fault(2150858817, subcode="w:SchemaValidationError"), CimFault, 0x80338041, None),
        (fault(3221549136), CimFault, 0xC004F050, 0xC004F050),
        # subcode alone
        (fault(subcode="w:TimedOut"), CimTimedOut, None, None),
        (fault(subcode="anything:AccessDenied"), CimAccessDenied, None, None),
        (fault(subcode="w:QuotaLimit"), CimQuotaError, None, None),
        (fault(subcode="w:InternalError"), CimFault, None, None),
        # MSFT_WmiError
        (fault(detail=wmi_error(code="3221549136")), CimFault, 0xC004F050, 0xC004F050),
        (fault(detail=wmi_error(message_id="HRESULT 0xc004f069")), CimFault, 0xC004F069, 0xC004F069),
        (fault(detail=wmi_error(code="2150859174")), CimQuotaError, 0x803381A6, None),
        (
            fault(detail=wmi_error(code="2147749904", message_id="HRESULT 0x80041010")),
            CimInvalidClass,
            0x80041010,
            0x80041010,
        ),
        (
            fault(detail=wmi_error(code="87", error_type="Windows System Error", message_id="Windows System Error 87")),
            CimFault,
            87,
            87,
        ),
        # a result of the management infrastructure is no Windows error: 2 and 5 mean other things there
        (
            fault(detail=wmi_error(code="5", error_type="MI", message_id="MI RESULT 5", status="5")),
            CimInvalidClass,
            None,
            None,
        ),
        (
            fault(detail=wmi_error(code="6", error_type="MI", message_id="MI RESULT 6", status="6")),
            CimNotFound,
            None,
            None,
        ),
        (fault(detail=wmi_error(error_type="MI", status="2")), CimAccessDenied, None, None),
        # the provider's own number behind a general one
        (
            fault(2150858755, detail=provider_fault("Unbekannter Fehler: HRESULT 0xc004f074")),
            CimFault,
            0xC004F074,
            0xC004F074,
        ),
        (
            fault(
                2150858755,
                detail=provider_fault('<f:WSManFault Code="2147750931"><f:Message>x</f:Message></f:WSManFault>'),
            ),
            CimFault,
            2147750931,
            2147750931,
        ),
        (
            fault(2150858755, detail=provider_fault(extended("<p:StatusCode>2147749891</p:StatusCode>"))),
            CimAccessDenied,
            0x80041003,
            0x80041003,
        ),
        (
            fault(2150858778, detail=provider_fault("Abfrage 0x80041017 nicht möglich")),
            CimInvalidClass,
            0x80041017,
            0x80041017,
        ),
        (fault(2150858778, detail=provider_fault("HRESULT=0x80041058")), CimInvalidClass, 0x80041058, 0x80041058),
        (fault(detail=wmi_error(code="2150858755", message="HRESULT 0xC004F074")), CimFault, 0xC004F074, 0xC004F074),
        # the code of the WMI error wins over whatever the texts say
        (
            fault(detail=wmi_error(code="3221549136", message="siehe HRESULT 0x80070005")),
            CimFault,
            0xC004F050,
            0xC004F050,
        ),
        # the provider's meaning wins over the general one
        (
            fault(2150858752, subcode="a:DestinationUnreachable", detail=provider_fault("HRESULT 0x80041003")),
            CimAccessDenied,
            0x80041003,
            0x80041003,
        ),
        # a general number without a meaning here leaves it to the subcode
        (fault(2150858999, subcode="w:QuotaLimit"), CimQuotaError, 0x803380F7, None),
        # w:TimedOut stays a time-out whatever number stands beside it
        (fault(2147749891, subcode="w:TimedOut"), CimTimedOut, 0x80041003, 0x80041003),
    ],
)
def test_kind_and_code(data: bytes, kind: type[CimFault], code: int | None, provider_code: int | None) -> None:
    found = read(data)
    assert (type(found), found.code, found.provider_code) == (kind, code, provider_code)
    assert found.http_status == 500


def test_omi_error() -> None:
    detail = (
        "<p:OMI_Error xmlns:p='http://schemas.dmtf.org/wbem/wscim/1/cim-schema/2/OMI_Error'>"
        "<p:MessageID>OMI:MI_Result:6</p:MessageID><p:Message>Not there.</p:Message>"
        "<p:CIMStatusCode>6</p:CIMStatusCode><p:OMI_Code>6</p:OMI_Code></p:OMI_Error>"
    )
    found = read(fault(subcode="a:DestinationUnreachable", detail=detail))
    assert (type(found), found.code, found.reason) == (CimNotFound, None, "Not there.")


@pytest.mark.parametrize("text", ["0x8004", "number 0x800410170 is longer", "0x12345678", "abc0x80041017x", "HRESULT"])
def test_what_is_no_hresult_is_not_taken_for_one(text: str) -> None:
    assert read(fault(2150858755, detail=text)).code == 0x80338003


def test_parameters_repeated_by_the_provider_are_not_read() -> None:
    extended = (
        "<f:ExtendedError><p:X xmlns:p='u'><p:ParameterInfo>0x80041003 KEY</p:ParameterInfo></p:X></f:ExtendedError>"
    )
    found = read(fault(2150858755, detail=provider_fault(extended)))
    assert found.code == 0x80338003
    assert "KEY" not in str(found)


def test_innermost_text_is_shown() -> None:
    inner = provider_fault('<f:WSManFault Code="5"><f:Message>\n  Das  Innere. \n</f:Message></f:WSManFault>')
    assert read(fault(5, detail=inner, reason="Allgemeines.")).reason == "Das Innere."
    assert read(fault(5, detail=provider_fault("Klartext."), reason="Allgemeines.")).reason == "Klartext."
    assert read(fault(detail=wmi_error(message="Vom WMI."))).reason == "Vom WMI."
    assert read(fault(reason="Allgemeines.")).reason == "Allgemeines."


def test_product_key_in_a_text_is_masked() -> None:
    found = read(fault(5, detail=provider_fault("Bad key BBBBB-CCCCC-DDDDD-FFFFF-GGGGG!")))
    assert found.reason == "Bad key *****-*****-*****-*****-GGGGG!"


def test_bare_fault_still_says_something() -> None:
    data = fault().split(b"<s:Reason>")[0] + b"</s:Fault></s:Body></s:Envelope>"
    found = read(data)
    assert (found.subcode, found.code) == ("InternalError", None)
    assert "gave no reason" in str(found)


def test_must_understand_is_the_subcode() -> None:
    data = fault().replace(b"s:Sender", b"s:MustUnderstand").replace(b"w:InternalError", b"")
    assert read(data).subcode == "MustUnderstand"


def test_text_of_the_exception() -> None:
    assert str(read(fault(2150858793, subcode="w:TimedOut", reason="Zu spät."))) == "Zu spät. (0x80338029, TimedOut)"
