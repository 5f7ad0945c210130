# Copyright (c) 2026, the winops.kms authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import xml.etree.ElementTree as ET
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest

from ansible_collections.winops.kms.plugins.plugin_utils._cim import parse
from ansible_collections.winops.kms.plugins.plugin_utils._cim.errors import CimProtocolError
from ansible_collections.winops.kms.plugins.plugin_utils._cim.schema import Instance, Reference
from ansible_collections.winops.kms.tests.unit.plugins.plugin_utils._cim.scripted import (
    SERVICE,
    envelope,
    fragment,
    page,
)

UTC = timezone.utc


def body_of(data: bytes) -> ET.Element:
    return parse.parse_answer(data).body


def instance_in(xml: str, selected: list[str] | None = None) -> Instance:
    element = body_of(envelope(xml))[0]
    return parse.parse_instance(element, SERVICE, selected)


def value_of(name: str, content: str, attributes: str = "") -> Any:
    return instance_in(f"<w:XmlFragment><{name}{attributes}>{content}</{name}></w:XmlFragment>").get(name)


# --- documents ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"", "empty"),
        (b"  \r\n ", "empty"),
        (b"<html><body>It works!</body></html>", "HTML"),
        (b"<HTML><body><p>unclosed</body></HTML>", "HTML"),
        (b"<!DOCTYPE html><html><body>IIS</body></html>", "HTML"),
        (b"plain text", "not complete"),
        (b"\xff\xfe\x00", "not complete"),
        (envelope("<x/>")[:-20], "not complete"),
        (b"<a/>", "<a>"),
        (b"<e:Envelope xmlns:e='http://schemas.xmlsoap.org/soap/envelope/'><e:Body/></e:Envelope>", "SOAP 1.2"),
        (b"<s:Envelope xmlns:s='http://www.w3.org/2003/05/soap-envelope'/>", "body"),
        (b'<?xml version="1.0" encoding="no-such"?><a/>', "not complete"),
        (envelope("<x>&undefined;</x>"), "not complete"),
    ],
)
def test_what_is_no_answer_is_refused(data: bytes, said: str) -> None:
    with pytest.raises(CimProtocolError, match=said):
        parse.parse_answer(data)
    assert not parse.is_envelope(data)


@pytest.mark.parametrize(
    "subset",
    [
        '<!DOCTYPE s SYSTEM "http://127.0.0.1/x.dtd">',
        '<!DOCTYPE s [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;">]>',
        '<?xml version="1.0"?>\n<!-- first -->\n<!DOCTYPE s [<!ENTITY f SYSTEM "file:///etc/hostname">]>',
    ],
)
def test_document_types_are_refused(subset: str) -> None:
    with pytest.raises(CimProtocolError, match="DOCTYPE"):
        parse.parse_answer(subset.encode() + envelope("<x/>"))


def test_document_type_in_text_is_only_text() -> None:
    assert value_of("Name", "&lt;!DOCTYPE x>") == "<!DOCTYPE x>"


def test_depth_and_size_are_bounded() -> None:
    with pytest.raises(CimProtocolError, match="nested"):
        parse.parse_answer(envelope("<x>" * 70 + "</x>" * 70))
    with pytest.raises(CimProtocolError, match="larger"):
        parse.parse_answer(b" " * (parse.MAX_ANSWER_SIZE + 1))


def test_declaration_byte_order_mark_and_comments_are_fine() -> None:
    data = envelope("<x/>")
    for prefix in (b'<?xml version="1.0" encoding="UTF-8"?>', b"\xef\xbb\xbf", b"<!-- c -->", b"\r\n"):
        assert parse.is_envelope(prefix + data)


def test_prefixes_mean_nothing() -> None:
    answer = parse.parse_answer(
        b"""<Envelope xmlns="http://www.w3.org/2003/05/soap-envelope">
          <Header xmlns:w="http://schemas.xmlsoap.org/ws/2004/08/addressing"><w:RelatesTo>
            uuid:1 </w:RelatesTo></Header>
          <Body xmlns:s="http://schemas.xmlsoap.org/ws/2004/09/enumeration"><s:PullResponse>
            <s:Items><f:XmlFragment xmlns:f="http://schemas.dmtf.org/wbem/wsman/1/wsman.xsd"
              xmlns:n="http://www.w3.org/2001/XMLSchema-instance"><Name n:nil="true"/></f:XmlFragment></s:Items>
          </s:PullResponse></Body></Envelope>"""
    )
    assert answer.relates_to == "uuid:1"
    item = parse.parse_page(answer.body).items[0]
    assert item.element is not None
    assert dict(parse.parse_instance(item.element, SERVICE)) == {"Name": None}


# --- pages ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("pull", [False, True])
@pytest.mark.parametrize(
    ("context", "end", "expected"),
    [
        ("uuid:C2", False, "uuid:C2"),
        ("\n uuid:C2 \n", False, "uuid:C2"),
        ("uuid:C2", True, ""),
        ("", False, ""),
        (None, False, ""),
        (None, True, ""),
        ("", True, ""),
    ],
)
def test_end_of_an_enumeration(pull: bool, context: str | None, end: bool, expected: str) -> None:
    found = parse.parse_page(body_of(page(fragment(Name="x"), context=context, end=end, pull=pull)))
    assert (len(found.items), found.context) == (1, expected)


def test_page_without_items_element() -> None:
    found = parse.parse_page(
        body_of(envelope("<n:EnumerateResponse><n:EnumerationContext>7</n:EnumerationContext></n:EnumerateResponse>"))
    )
    assert (found.items, found.context) == ([], "7")


def test_page_must_be_one() -> None:
    with pytest.raises(CimProtocolError, match="enumeration"):
        parse.parse_page(body_of(envelope("<x/>")))


EPR = (
    "<a:EndpointReference><a:Address>any</a:Address><a:ReferenceParameters><w:ResourceURI> http://x/Y </w:ResourceURI>"
    '<w:SelectorSet><w:Selector Name="B">2</w:Selector><w:Selector Name="A"> 1</w:Selector></w:SelectorSet>'
    "</a:ReferenceParameters></a:EndpointReference>"
)
INSTANCE = '<p:Demo_Service xmlns:p="urn:x"><p:Name>n</p:Name></p:Demo_Service>'


@pytest.mark.parametrize(
    ("xml", "has_instance", "has_reference"),
    [
        (INSTANCE, True, False),
        (fragment(Name="n"), True, False),
        (EPR, False, True),
        (f"<w:Item>{INSTANCE}{EPR}</w:Item>", True, True),
        (f"<w:Item>{EPR}{INSTANCE}</w:Item>", True, True),
        (f"<w:Item>{fragment(Name='n')}{EPR}</w:Item>", True, True),
        (f"<w:Item>{EPR}</w:Item>", False, True),
    ],
)
def test_item_shapes(xml: str, has_instance: bool, has_reference: bool) -> None:
    item = parse.parse_page(body_of(page(xml))).items[0]
    assert (item.element is not None, item.reference is not None) == (has_instance, has_reference)
    if item.element is not None:
        assert dict(parse.parse_instance(item.element, SERVICE)) == {"Name": "n"}
    if item.reference is not None:
        assert item.reference.resource_uri == "http://x/Y"
        assert list(item.reference.selectors.items()) == [("B", "2"), ("A", " 1")]


def test_class_named_item_is_a_class() -> None:
    item = parse.parse_page(body_of(page('<p:Item xmlns:p="urn:x"><p:Name>n</p:Name></p:Item>'))).items[0]
    assert item.element is not None
    assert dict(parse.parse_instance(item.element, None)) == {"Name": "n"}


def test_nested_reference_selector() -> None:
    xml = (
        "<a:EndpointReference><a:ReferenceParameters><w:ResourceURI>u</w:ResourceURI><w:SelectorSet>"
        f'<w:Selector Name="Outer">{EPR}</w:Selector></w:SelectorSet></a:ReferenceParameters></a:EndpointReference>'
    )
    reference = parse.parse_page(body_of(page(xml))).items[0].reference
    assert reference is not None
    assert reference.selectors["Outer"] == Reference("http://x/Y", {"B": "2", "A": " 1"})


# --- instances ------------------------------------------------------------------------------------------------------


def test_names_are_matched_without_case_and_spelt_as_in_the_table() -> None:
    instance = instance_in("<w:XmlFragment><COUNT>5</COUNT><nAmE>x</nAmE><Other>y</Other></w:XmlFragment>")
    assert dict(instance) == {"Count": 5, "Name": "x", "Other": "y"}
    assert instance.class_name == "Demo_Service"


def test_subclass_wrapper_in_a_namespace_of_its_own() -> None:
    instance = instance_in('<q:Demo_Sub xmlns:q="urn:sub" xsi:type="q:Demo_Sub_Type"><q:Count>5</q:Count></q:Demo_Sub>')
    assert (dict(instance), instance.class_name) == ({"Count": 5}, "Demo_Sub")


def test_location_is_no_property() -> None:
    assert dict(instance_in(f"<p:D xmlns:p='u'><p:Name>n</p:Name><cim:Location>{EPR}</cim:Location></p:D>")) == {
        "Name": "n"
    }


@pytest.mark.parametrize(
    ("elements", "expected"),
    [
        ("<Roles>a</Roles>", ["a"]),
        ("<Roles>a</Roles><Roles>b</Roles>", ["a", "b"]),
        ("<Roles/>", [""]),
        ('<Roles xsi:nil="true"/>', None),
        ('<Roles>a</Roles><Roles xsi:nil="true"/>', ["a", None]),
        ("<Ports>1</Ports><Name>x</Name><Ports>2</Ports>", None),
    ],
)
def test_arrays_follow_the_table(elements: str, expected: list[str] | None) -> None:
    instance = instance_in(f"<w:XmlFragment>{elements}</w:XmlFragment>")
    assert instance.get("Roles") == expected
    if "Ports" in elements:
        assert instance["Ports"] == [1, 2]


def test_missing_array_is_empty_only_when_it_was_asked_for() -> None:
    xml = fragment(Name="n")
    assert dict(instance_in(xml, ["name", "roles"])) == {"Name": "n", "Roles": []}
    assert dict(instance_in(xml)) == {"Name": "n"}
    assert dict(instance_in(xml, ["Name", "Count"])) == {"Name": "n"}


def test_unknown_property_that_repeats_is_a_list() -> None:
    assert instance_in("<w:XmlFragment><New>1</New><New>2</New></w:XmlFragment>")["New"] == ["1", "2"]


@pytest.mark.parametrize("text", ["true", "TRUE", "True", "1", " true "])
def test_true(text: str) -> None:
    assert value_of("Started", text) is True


@pytest.mark.parametrize("text", ["false", "FALSE", "0"])
def test_false(text: str) -> None:
    assert value_of("Started", text) is False


@pytest.mark.parametrize(
    ("name", "text", "expected"),
    [
        ("Count", "4294967295", 4294967295),
        ("Count", "-1", 4294967295),
        ("Count", "-1073418160", 0xC004F050),
        ("Count", " 7 ", 7),
        ("Offset", "-1", -1),
        ("Size", "18446744073709551615", 2**64 - 1),
        ("Name", " spaces stay ", " spaces stay "),
        ("Name", "", ""),
        ("Count", "", None),
        ("Started", "", None),
        ("Changed", "", None),
        ("Unknown", "0042", "0042"),
    ],
)
def test_scalars(name: str, text: str, expected: Any) -> None:
    assert value_of(name, text) == expected


@pytest.mark.parametrize("name", ["Name", "Count", "Started", "Changed", "Owner", "Unknown"])
@pytest.mark.parametrize("nil", ["true", "1"])
def test_nil(name: str, nil: str) -> None:
    assert value_of(name, "", f' xsi:nil="{nil}"') is None


def test_nil_false_is_not_null() -> None:
    assert value_of("Name", "x", ' xsi:nil="false"') == "x"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2026-03-04T05:06:07Z", datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC)),
        ("2026-03-04T05:06:07.5Z", datetime(2026, 3, 4, 5, 6, 7, 500000, tzinfo=UTC)),
        ("2026-03-04T05:06:07.488171Z", datetime(2026, 3, 4, 5, 6, 7, 488171, tzinfo=UTC)),
        ("2026-03-04T05:06:07.4881719Z", datetime(2026, 3, 4, 5, 6, 7, 488171, tzinfo=UTC)),
        ("2026-03-04T05:06:07+02:00", datetime(2026, 3, 4, 3, 6, 7, tzinfo=UTC)),
        ("2026-03-04T05:06:07.25-05:30", datetime(2026, 3, 4, 10, 36, 7, 250000, tzinfo=UTC)),
        ("2026-03-04T05:06:07", datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC)),
        ("2026-03-04", datetime(2026, 3, 4, tzinfo=UTC)),
        ("1601-01-01T00:00:00Z", datetime(1601, 1, 1, tzinfo=UTC)),
        ("20260304050607.488171+060", datetime(2026, 3, 4, 4, 6, 7, 488171, tzinfo=UTC)),
        ("20260304050607.488***-300", datetime(2026, 3, 4, 10, 6, 7, 488000, tzinfo=UTC)),
        ("********000000.000000+***", None),
        ("00000003120501.250000:000", timedelta(days=3, hours=12, minutes=5, seconds=1, milliseconds=250)),
        ("P1DT2H3M4.5S", timedelta(days=1, hours=2, minutes=3, seconds=4.5)),
        ("PT0S", timedelta(0)),
        ("P30D", timedelta(days=30)),
    ],
)
@pytest.mark.parametrize("inner", ["cim:Datetime", "Datetime", ""])
def test_times(text: str, expected: Any, inner: str) -> None:
    content = f"<{inner}>{text}</{inner}>" if inner else text
    for name in ("Changed", "Age"):
        found = value_of(name, content)
        assert found == expected
        assert not isinstance(found, datetime) or found.tzinfo is not None


def test_time_of_an_unknown_property_is_its_text() -> None:
    assert value_of("Unknown", "\n <cim:Datetime>2026-03-04T05:06:07Z</cim:Datetime>\n") == "2026-03-04T05:06:07Z"


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("Count", "many"),
        ("Count", "4294967296"),
        ("Started", "yes"),
        ("Changed", "yesterday"),
        ("Changed", "2026-13-01T00:00:00Z"),
        ("Changed", "P"),
        ("Owner", "text"),
    ],
)
def test_impossible_values_name_the_property_and_not_the_value(name: str, text: str) -> None:
    with pytest.raises(CimProtocolError, match=name) as caught:
        value_of(name, text)
    assert text not in str(caught.value).replace(name, "")


@pytest.mark.parametrize("wrapped", [True, False])
def test_reference_property(wrapped: bool) -> None:
    content = EPR if wrapped else EPR.replace("<a:EndpointReference>", "").replace("</a:EndpointReference>", "")
    assert value_of("Owner", content) == Reference("http://x/Y", {"B": "2", "A": " 1"})


def test_embedded_instance_stays_text() -> None:
    assert value_of("Name", '&lt;INSTANCE CLASSNAME="X"/&gt;') == '<INSTANCE CLASSNAME="X"/>'


# --- methods --------------------------------------------------------------------------------------------------------


def test_output_is_typed_by_the_method() -> None:
    body = body_of(
        envelope("<p:List_OUTPUT xmlns:p='u'><p:Names>a</p:Names><p:returnvalue>0</p:returnvalue></p:List_OUTPUT>")
    )
    assert dict(parse.parse_output(body, {"Names": "string[]"})) == {"Names": ["a"], "ReturnValue": 0}


def test_output_root_may_have_the_name_of_the_class() -> None:
    body = body_of(envelope("<p:Demo_Service_OUTPUT xmlns:p='u'/>"))
    assert dict(parse.parse_output(body, {})) == {}


@pytest.mark.parametrize("xml", ["", "<x/>", "<i:InteractiveEvent xmlns:i='urn:i'/>"])
def test_output_must_be_one(xml: str) -> None:
    with pytest.raises(CimProtocolError, match="output"):
        parse.parse_output(body_of(envelope(xml)), {})


def test_created() -> None:
    inner = EPR.replace("<a:EndpointReference>", "").replace("</a:EndpointReference>", "")
    body = body_of(envelope(f"<x:ResourceCreated>{inner}</x:ResourceCreated>"))
    assert parse.parse_created(body) == Reference("http://x/Y", {"B": "2", "A": " 1"})
    assert parse.parse_created(body_of(envelope(""))) is None
