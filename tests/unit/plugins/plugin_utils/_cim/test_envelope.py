# Copyright (c) 2026, the winops.kms authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest

from ansible_collections.winops.kms.plugins.plugin_utils._cim import envelope
from ansible_collections.winops.kms.plugins.plugin_utils._cim.schema import TEXT, Reference
from ansible_collections.winops.kms.tests.unit.plugins.plugin_utils._cim.scripted import NAMESPACES as NS

URI = "http://schemas.microsoft.com/wbem/wsman/1/wmi/root/cimv2/Demo"
MUST = f"{{{NS['s']}}}mustUnderstand"
LANG = "{http://www.w3.org/XML/1998/namespace}lang"


def built(body: str = "", **options: Any) -> ET.Element:
    return ET.fromstring(envelope.build(f"{URI}/Do", URI, body, to="http://h:5985/wsman", message="uuid:M", **options))


def parameters(**values: Any) -> ET.Element:
    return built(envelope.input_body("Do", URI, values))[1][0]


def test_header_has_what_the_service_wants_and_nothing_else() -> None:
    header = built()[0]
    assert {child.tag.rpartition("}")[2]: (child.text or "", child.get(MUST)) for child in header} == {
        "To": ("http://h:5985/wsman", None),
        "ResourceURI": (URI, "true"),
        "ReplyTo": ("", None),
        "Action": (f"{URI}/Do", "true"),
        "MaxEnvelopeSize": ("512000", "true"),
        "MessageID": ("uuid:M", None),
        "Locale": ("", "false"),
        "DataLocale": ("", "false"),
        "OperationTimeout": ("PT60.000S", None),
    }
    address = header.find("a:ReplyTo/a:Address", NS)
    assert address is not None
    assert address.text == "http://schemas.xmlsoap.org/ws/2004/08/addressing/role/anonymous"
    assert address.get(MUST) == "true"
    locale = header.find("w:Locale", NS)
    assert locale is not None
    assert locale.get(LANG) == "en-US"


def test_request_is_small() -> None:
    assert len(envelope.build(f"{URI}/Do", URI, to="http://h:5985/wsman", message=envelope.message_id())) < 1400


def test_message_ids_are_upper_case_and_new() -> None:
    first, second = envelope.message_id(), envelope.message_id()
    assert first != second
    assert re.fullmatch(r"uuid:[0-9A-F]{8}(-[0-9A-F]{4}){3}-[0-9A-F]{12}", first)


@pytest.mark.parametrize(("seconds", "text"), [(60, "PT60.000S"), (1.5, "PT1.500S"), (600, "PT600.000S")])
def test_operation_timeout(seconds: float, text: str) -> None:
    assert built(timeout=seconds).findtext("s:Header/w:OperationTimeout", None, NS) == text


def test_selectors_keep_order_and_are_escaped() -> None:
    selectors = built(selectors={"B": 'a<b>&"c"', "A": True, "C": 7}).findall("s:Header/w:SelectorSet/w:Selector", NS)
    assert [(s.get("Name"), s.text) for s in selectors] == [("B", 'a<b>&"c"'), ("A", "true"), ("C", "7")]


def test_selector_can_be_a_reference() -> None:
    inner = Reference(URI, {"Name": "x"})
    found = built(selectors={"Antecedent": inner}).find(
        "s:Header/w:SelectorSet/w:Selector/a:EndpointReference/a:ReferenceParameters/w:SelectorSet/w:Selector", NS
    )
    assert found is not None
    assert found.text == "x"


def test_no_selectors_no_selector_set() -> None:
    assert built(selectors={}).find("s:Header/w:SelectorSet", NS) is None


def test_options_are_text() -> None:
    option = built(options=[("wmiarray:X", "Last")]).find("s:Header/w:OptionSet/w:Option", NS)
    assert option is not None
    assert (option.attrib, option.text) == ({"Name": "wmiarray:X", "Type": "xs:string"}, "Last")


def test_method_without_parameters_sends_the_empty_element() -> None:
    element = parameters()
    assert (element.tag, list(element), element.text) == (f"{{{URI}}}Do_INPUT", [], None)


@pytest.mark.parametrize(
    ("value", "texts"),
    [
        (True, ["true"]),
        (False, ["false"]),
        (2147483650, ["2147483650"]),
        ("", [None]),
        ("Grüße & <Küsse>", ["Grüße & <Küsse>"]),
        (["a", "b"], ["a", "b"]),
        ([], []),
        (None, []),
    ],
)
def test_parameter_forms(value: Any, texts: list[str | None]) -> None:
    element = parameters(P=value)
    assert [(child.tag, child.text) for child in element] == [(f"{{{URI}}}P", text) for text in texts]


def test_parameters_keep_their_order() -> None:
    assert [child.tag.rpartition("}")[2] for child in parameters(Zeta="1", Alpha="2")] == ["Zeta", "Alpha"]


def test_reference_parameter_has_no_wrapper() -> None:
    element = parameters(Target=Reference("http://x/Y", {"K1": "v1", "K2": "v2"}))[0]
    assert [child.tag for child in element] == [f"{{{NS['a']}}}Address", f"{{{NS['a']}}}ReferenceParameters"]
    assert element.findtext("a:ReferenceParameters/w:ResourceURI", None, NS) == "http://x/Y"


def test_times() -> None:
    moment = datetime(2026, 3, 4, 5, 6, 7, 89, timezone(timedelta(hours=2)))
    element = parameters(At=moment, For=timedelta(days=1, hours=2, seconds=3, microseconds=4))
    assert element[0].findtext("cim:Datetime", None, NS) == "2026-03-04T03:06:07.000089Z"
    assert element[1].findtext("cim:Interval", None, NS) == "P1DT2H0M3.000004S"


@pytest.mark.parametrize("character", ["\0", "\x01", "\x1f", "\n", "\r", "\t", "\x7f", "\x85", "\ud800", "\ufffe"])
def test_control_characters_are_refused_by_name(character: str) -> None:
    with pytest.raises(ValueError, match="MachineName"):
        parameters(MachineName=f"kms{character}.example.org")
    with pytest.raises(ValueError, match="Version"):
        built(selectors={"Version": character})
    with pytest.raises(ValueError, match="query"):
        envelope.wql_quote(character)


def test_refusal_does_not_quote_the_value() -> None:
    with pytest.raises(ValueError, match="ProductKey") as caught:
        parameters(ProductKey="SECRET\0")
    assert "SECRET" not in str(caught.value)


def test_properties_may_have_line_breaks_and_keep_them() -> None:
    body = envelope.instance_body("Demo", URI, {"Text": "a\r\nb\tc"})
    assert built(body)[1][0][0].text == "a\r\nb\tc"


LINES = '<a>\r\n\t"b" & c\rd\ne</a>'


def test_a_parameter_that_is_a_text_keeps_its_tabs_and_line_breaks() -> None:
    sent = envelope.input_body("Install", URI, {"License": LINES}, {"License": TEXT})
    # A carriage return that is not written as a reference becomes a line feed on the way.
    assert "\r" not in sent
    assert sent.count("&#13;") == 2
    assert built(sent)[1][0][0].text == LINES


def test_only_a_text_may_have_lines_and_no_other_control_character() -> None:
    with pytest.raises(ValueError, match="License"):
        envelope.input_body("Install", URI, {"License": LINES})
    with pytest.raises(ValueError, match="License"):
        envelope.input_body("Install", URI, {"License": LINES}, {"License": "string"})
    for character in "\0\x0b\x1f\x7f":
        with pytest.raises(ValueError, match="License"):
            envelope.input_body("Install", URI, {"License": f"a{character}"}, {"license": TEXT})


@pytest.mark.parametrize(
    ("cim_type", "value"),
    [
        ("uint32", -1),
        ("uint32", 2**32),
        ("uint16", 65536),
        ("sint8", 128),
        ("uint32", "1688"),
        ("uint32", True),
        ("boolean", "true"),
        ("boolean", 1),
        ("string[]", "one"),
        ("string", ["one"]),
    ],
)
def test_values_that_do_not_fit_the_type_are_refused_by_name(cim_type: str, value: Any) -> None:
    with pytest.raises(ValueError, match="PortNumber"):
        envelope.input_body("Do", URI, {"PortNumber": value}, {"portnumber": cim_type})


@pytest.mark.parametrize(("cim_type", "value"), [("uint32", 2**32 - 1), ("sint8", -128), ("uint64", 0)])
def test_limits_of_types_fit(cim_type: str, value: int) -> None:
    assert f">{value}<" in envelope.input_body("Do", URI, {"N": value}, {"N": cim_type})


def test_unknown_kinds_of_value_are_refused() -> None:
    with pytest.raises(ValueError, match="P: a dict"):
        parameters(P={})
    with pytest.raises(ValueError, match="time zone"):
        parameters(P=datetime(2026, 1, 1))


@pytest.mark.parametrize("name", ["a b", "a>b", "", "1a", "a:b"])
def test_names_are_checked(name: str) -> None:
    with pytest.raises(ValueError, match="parameter"):
        parameters(**{name: "x"})
    with pytest.raises(ValueError, match="selector"):
        built(selectors={name: "x"})
    with pytest.raises(ValueError, match="property"):
        envelope.wql("Demo", [name])


def test_put_body_names_null() -> None:
    nil = built(envelope.instance_body("Demo", URI, {"A": None, "B": "x"}, write_nil=True))[1][0]
    assert nil[0].get(f"{{{NS['xsi']}}}nil") == "true"
    assert [child.tag.rpartition("}")[2] for child in nil] == ["A", "B"]
    left_out = built(envelope.instance_body("Demo", URI, {"A": None, "B": "x"}))[1][0]
    assert [child.tag.rpartition("}")[2] for child in left_out] == ["B"]


def test_enumeration_bodies() -> None:
    element = built(envelope.enumerate_body("SELECT A FROM B WHERE C<'&'"))[1][0]
    assert [child.tag for child in element] == [
        f"{{{NS['w']}}}{name}" for name in ("OptimizeEnumeration", "MaxElements", "Filter")
    ]
    assert element[2].text == "SELECT A FROM B WHERE C<'&'"
    assert element[2].get("Dialect") == "http://schemas.microsoft.com/wbem/wsman/1/WQL"
    with_references = built(envelope.enumerate_body(with_references=True))[1][0]
    assert with_references.findtext("w:EnumerationMode", None, NS) == "EnumerateObjectAndEPR"
    assert with_references.find("w:Filter", NS) is None
    # Left out, the service would send one item per round trip.
    assert built(envelope.pull_body("uuid:C"))[1][0].findtext("n:MaxElements", None, NS) == "32000"


@pytest.mark.parametrize(
    ("value", "literal"), [("x", "'x'"), ("O'Neil", "'O\\'Neil'"), ("C:\\x", "'C:\\\\x'"), ("\\'", "'\\\\\\''")]
)
def test_wql_quote(value: str, literal: str) -> None:
    assert envelope.wql_quote(value) == literal


def test_wql() -> None:
    assert envelope.wql("X", ["A", "B"], "C = 1") == "SELECT A,B FROM X WHERE C = 1"
    assert envelope.wql("X") == "SELECT * FROM X"
    with pytest.raises(ValueError, match="properties"):
        envelope.wql("X", [])
