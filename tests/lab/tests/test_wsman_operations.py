# Copyright (c) 2026, the winops.kms authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Enumerate, Pull, Release, Get, Put, Create, Delete and Invoke in the shapes of real Windows."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from labsupport.fake import (
    ALL,
    DMTF,
    NS,
    SERVICES,
    WMI,
    Answer,
    Client,
    FakeEstate,
    Rows,
    RunningLab,
    machine,
    service,
)

XSI = f"{{{NS['xsi']}}}"
P = f"{{{SERVICES}}}"


@pytest.fixture
def parts() -> tuple[FakeEstate, dict[str, Rows]]:
    view, providers = machine()
    old, _ignored = machine("old01", version="6.1.7601", locale="de-DE")
    middle, _ignored = machine("mid01", version="6.3.9600", subclassed={"Win32_Service": "Win32_TerminalService"})
    many, _ignored = machine("many01", services=[service(f"svc{number:03d}") for number in range(121)])
    return FakeEstate({view.name: view, "old01": old, "mid01": middle, "many01": many}), providers


@pytest.fixture
def lab(parts: tuple[FakeEstate, dict[str, Rows]], tmp_path: Path) -> Iterator[RunningLab]:
    with RunningLab(parts[0], tmp_path) as running:
        yield running


@pytest.fixture
def client(lab: RunningLab) -> Client:
    return lab.client()


# -- Enumerate and Pull ---------------------------------------------------------------------------------------------


def test_selected_columns_are_a_fragment_in_alphabetical_order(client: Client) -> None:
    answer = client.enumerate("SELECT State,Name,acceptStop,InstallDate FROM Win32_Service WHERE Name='sppsvc'")
    assert answer.status == 200
    assert answer.value(".//a:Action") == NS["n"] + "/EnumerateResponse"
    fragment = answer.find(".//n:EnumerateResponse/w:Items/w:XmlFragment")
    assert [child.tag for child in fragment] == ["acceptStop", "InstallDate", "Name", "State"]
    assert fragment.findtext("acceptStop") == "false"
    assert fragment.findtext("InstallDate/Datetime") == "2024-03-09T02:57:32.488171Z"
    assert answer.value(".//n:EnumerationContext") == ""
    assert answer.has(".//w:EndOfSequence")


def test_star_gives_the_class_form(client: Client) -> None:
    answer = client.enumerate("SELECT * FROM win32_service WHERE name = 'W32TIME'")
    item = answer.find(".//w:Items")[0]
    assert item.tag == P + "Win32_Service"
    assert item.get(XSI + "type") == "p:Win32_Service_Type"
    assert 'xmlns:p="' + SERVICES + '"' in answer.text
    tags = [child.tag.removeprefix(P) for child in item]
    assert tags == sorted(tags, key=str.lower)
    assert "Dependencies" not in tags  # an empty array leaves no trace
    assert item.findtext(f"{P}InstallDate/{{{NS['cim']}}}Datetime") == "2024-03-09T02:57:32-05:30"
    assert item.find(P + "acceptStop").get(XSI + "nil") == "true"  # type: ignore[union-attr]
    assert item.findtext(P + "Size") == "18446744073709551615"
    assert item.findtext(P + "Delay") == "-1"


def test_arrays_repeat_and_null_arrays_are_one_nil(client: Client) -> None:
    [filled] = client.query("SELECT Dependencies FROM Win32_Service WHERE Name='sppsvc'")
    assert [child.text for child in filled] == ["RpcSs", "Tcpip"]
    [null] = client.query("SELECT Dependencies FROM Win32_Service WHERE Name='Odd'")
    assert [child.get(XSI + "nil") for child in null] == ["true"]


def test_strings_are_escaped_and_lose_control_characters(client: Client) -> None:
    [item] = client.query("SELECT DisplayName FROM Win32_Service WHERE Name='Odd'")
    assert item.findtext("DisplayName") == '5 < 6 & "7" ?\n'


def test_without_optimization_only_a_context_comes(client: Client) -> None:
    answer = client.enumerate("SELECT Name FROM Win32_Service", optimize=False)
    response = answer.find(".//n:EnumerateResponse")
    assert [child.tag for child in response] == [f"{{{NS['n']}}}EnumerationContext"]
    assert response[0].text
    assert len(list(client.pull(response[0].text).find(".//n:Items"))) == 3


def test_nothing_found_is_an_empty_complete_answer(client: Client) -> None:
    answer = client.enumerate("SELECT Name FROM Win32_Service WHERE Name='none'")
    assert list(answer.find(".//w:Items")) == []
    assert answer.has(".//w:EndOfSequence")
    assert answer.value(".//n:EnumerationContext") == ""


def test_first_answer_has_one_item_then_pages(lab: RunningLab) -> None:
    client = lab.client("many01")
    first = client.enumerate("SELECT Name FROM Win32_Service", elements=32000)
    assert len(list(first.find(".//w:Items"))) == 1
    assert not first.has(".//w:EndOfSequence")
    contexts, sizes = [first.value(".//n:EnumerationContext")], []
    while True:
        page = client.pull(contexts[-1])
        sizes.append(len(list(page.find(".//n:Items"))))
        if page.has(".//n:EndOfSequence"):
            assert not page.has(".//n:EnumerationContext")
            break
        contexts.append(page.value(".//n:EnumerationContext"))
    assert sizes == [50, 50, 20]
    assert len(set(contexts)) == len(contexts)


def test_older_windows_end_with_an_empty_context(lab: RunningLab) -> None:
    client = lab.client("mid01")
    first = client.enumerate("SELECT Name FROM Win32_Service")
    last = client.pull(first.value(".//n:EnumerationContext"))
    assert last.value(".//n:EnumerationContext") == ""
    assert last.has(".//n:EndOfSequence")


def test_pages_keep_within_the_clients_envelope_size(lab: RunningLab) -> None:
    client = lab.client("many01")
    first = client.enumerate("SELECT * FROM Win32_Service", max_envelope=8192)
    page = client.pull(first.value(".//n:EnumerationContext"), max_envelope=8192)
    assert len(page.text.encode()) <= 8192
    assert 1 < len(list(page.find(".//n:Items"))) < 50


def test_one_item_larger_than_the_envelope_is_a_fault(tmp_path: Path) -> None:
    view, _ignored = machine(services=[service("big", DisplayName="x" * 9000), service("small")])
    with RunningLab(FakeEstate({view.name: view}), tmp_path) as lab:
        answer = lab.client().enumerate("SELECT * FROM Win32_Service WHERE Name='big'", max_envelope=8192)
        assert (answer.status, answer.subcode, answer.code) == (500, "w:EncodingLimit", 2150858824)
        answer = lab.client().get(SERVICES, {"Name": "big"}, max_envelope=8192)
        assert (answer.status, answer.code) == (500, 2150858824)


def test_pull_gives_one_item_unless_asked_for_more(client: Client) -> None:
    first = client.enumerate("SELECT Name FROM Win32_Service", optimize=False)
    page = client.pull(first.value(".//n:EnumerationContext"), elements=None)
    assert len(list(page.find(".//n:Items"))) == 1
    page = client.pull(page.value(".//n:EnumerationContext"), elements=2)
    assert len(list(page.find(".//n:Items"))) == 2
    assert page.has(".//n:EndOfSequence")


def test_a_used_context_is_stale(client: Client) -> None:
    context = client.enumerate("SELECT Name FROM Win32_Service").value(".//n:EnumerationContext")
    newer = client.pull(context, elements=1).value(".//n:EnumerationContext")
    stale = client.pull(context)
    assert (stale.status, stale.subcode, stale.code) == (500, "n:InvalidEnumerationContext", 2150858779)
    assert client.release(newer).status == 200
    assert client.pull(newer).code == 2150858779


def test_a_context_belongs_to_its_machine_and_user(lab: RunningLab) -> None:
    context = lab.client().enumerate("SELECT Name FROM Win32_Service").value(".//n:EnumerationContext")
    assert lab.client("mid01").pull(context).code == 2150858779
    assert lab.client(user="reader").pull(context).code == 2150858779
    assert lab.client().pull(context).status == 200


def test_unfinished_enumerations_use_up_a_quota(lab: RunningLab) -> None:
    client = lab.client("old01")
    begun = [client.enumerate("SELECT Name FROM Win32_Service") for _ignored in range(15)]
    contexts = [answer.value(".//n:EnumerationContext") for answer in begun]
    refused = client.enumerate("SELECT Name FROM Win32_Service")
    assert (refused.status, refused.subcode, refused.code) == (500, "w:InternalError", 2150859174)
    assert "15" in refused.value(".//f:Message")
    assert lab.client("old01", user="reader").enumerate("SELECT Name FROM Win32_Service").status == 200
    client.release(contexts[0])
    assert client.enumerate("SELECT Name FROM Win32_Service").status == 200


def test_class_uri_without_filter_gives_every_instance(client: Client) -> None:
    items = client.query("", uri=WMI.upper().replace("HTTP://", "http://") + "ROOT/cimv2/win32_SERVICE")
    assert [item.findtext(P + "Name") for item in items] == ["sppsvc", "W32Time", "Odd"]


def test_selector_filter(client: Client) -> None:
    inner = (
        '<w:Filter Dialect="http://schemas.dmtf.org/wbem/wsman/1/wsman/SelectorFilter"><w:SelectorSet>'
        '<w:Selector Name="state">stopped</w:Selector></w:SelectorSet></w:Filter>'
    )
    body = f"<n:Enumerate><w:OptimizeEnumeration/>{inner}</n:Enumerate>"
    answer = client.send(NS["n"] + "/Enumerate", SERVICES, body)
    assert [item.findtext(P + "Name") for item in answer.find(".//w:Items")] == ["W32Time"]


def test_references_only(client: Client) -> None:
    [reference] = client.query("SELECT * FROM Win32_Service WHERE Name='sppsvc'", mode="EnumerateEPR")
    assert reference.tag == f"{{{NS['a']}}}EndpointReference"
    assert reference.findtext(".//w:ResourceURI", namespaces=NS) == SERVICES
    [selector] = reference.findall(".//w:Selector", NS)
    assert (selector.get("Name"), selector.text) == ("Name", "sppsvc")


def test_objects_with_references(client: Client) -> None:
    items = client.query("", uri=SERVICES, mode="EnumerateObjectAndEPR")
    assert [item.tag for item in items] == [f"{{{NS['w']}}}Item"] * 3
    assert [child.tag for child in items[0]] == [P + "Win32_Service", f"{{{NS['a']}}}EndpointReference"]


def test_unknown_enumeration_mode(client: Client) -> None:
    assert client.enumerate("SELECT Name FROM Win32_Service", mode="Other").subcode == "w:UnsupportedFeature"


def test_instances_may_come_as_a_subclass(lab: RunningLab) -> None:
    client = lab.client("mid01")
    uri = WMI + "root/cimv2/Win32_TerminalService"
    [item] = client.query("SELECT * FROM Win32_Service WHERE Name='sppsvc'")
    assert item.tag == f"{{{uri}}}Win32_TerminalService"
    assert client.get(uri, {"Name": "sppsvc"}).status == 200
    answer = client.invoke(SERVICES, "StopService", selectors={"Name": "sppsvc"})
    assert answer.value(f".//{P}StopService_OUTPUT/{P}ReturnValue") == "0"


def test_dmtf_form_is_typed_and_needs_the_namespace(client: Client) -> None:
    uri = DMTF + "Win32_Service"
    answer = client.get(uri, {"__cimnamespace": "root/cimv2", "Name": "sppsvc"})
    item = answer.find(f".//{{{uri}}}Win32_Service")
    assert item.find(f"{{{uri}}}ProcessId").get(XSI + "type") == "cim:cimUnsignedInt"  # type: ignore[union-attr]
    assert client.get(uri, {"Name": "sppsvc"}).code == 2150858752
    [found] = client.query(
        "SELECT * FROM Win32_Service WHERE Name='Odd'", uri=DMTF + "*", selectors={"__cimnamespace": "root\\cimv2"}
    )
    assert found.tag == f"{{{uri}}}Win32_Service"


# -- Get, Put, Create, Delete ---------------------------------------------------------------------------------------


def test_get_by_key_whatever_the_case(client: Client) -> None:
    answer = client.get(SERVICES, {"name": "SPPSVC", "__cimnamespace": "ROOT/CIMV2"})
    assert answer.value(".//a:Action") == NS["x"] + "/GetResponse"
    assert answer.value(f".//{P}Win32_Service/{P}Name") == "sppsvc"


def test_get_of_a_class_without_keys(client: Client) -> None:
    uri = WMI + "root/cimv2/Win32_OperatingSystem"
    assert client.get(uri).value(f".//{{{uri}}}Version") == "10.0.20348"


def test_get_of_one_property(client: Client) -> None:
    extra = '<w:FragmentTransfer s:mustUnderstand="true">State</w:FragmentTransfer>'
    answer = client.get(SERVICES, {"Name": "sppsvc"}, extra=extra)
    assert answer.value(f".//s:Body/w:XmlFragment/{P}State") == "Running"
    assert answer.value(".//s:Header/w:FragmentTransfer") == "State"
    wrong = client.get(SERVICES, {"Name": "sppsvc"}, extra=extra.replace("State", "state"))
    assert wrong.find(".//w:XmlFragment").get(XSI + "nil") == "true"


def test_precise_arrays(client: Client) -> None:
    option = [("msftwinrm:UsePreciseArrays", "true")]
    null = client.get(SERVICES, {"Name": "Odd"}, options=option).find(f".//{P}Dependencies")
    assert null.get(f"{{{NS['m']}}}IsNullArray") == "true"
    empty = client.get(SERVICES, {"Name": "W32Time"}, options=option).find(f".//{P}Dependencies")
    assert empty.get(f"{{{NS['m']}}}IsEmptyArray") == "true"


@pytest.mark.parametrize(
    ("selectors", "code"),
    [
        ({}, 2150859002),
        ({"Name": "none"}, 2150858752),
        ({"Title": "sppsvc"}, 2150858843),
        ({"Name": "sppsvc", "State": "Running"}, 2150858843),
        ({"Name": "sppsvc", "__cimnamespace": "root/default"}, 2150859067),
    ],
)
def test_selectors_that_do_not_fit(client: Client, selectors: dict[str, str], code: int) -> None:
    answer = client.get(SERVICES, selectors)
    assert (answer.status, answer.code) == (500, code)
    assert answer.subcode in ("w:InvalidSelectors", "a:DestinationUnreachable")


def put_body(properties: str) -> str:
    return f'<p:Win32_Service xmlns:p="{SERVICES}" xmlns:xsi="{NS["xsi"]}">{properties}</p:Win32_Service>'


def test_put_changes_what_it_names(client: Client, parts: tuple[FakeEstate, dict[str, Rows]]) -> None:
    body = put_body("<p:Name>sppsvc</p:Name><p:State>Paused</p:State><p:ProcessId>9</p:ProcessId>")
    answer = client.send(NS["x"] + "/Put", SERVICES, body, selectors={"Name": "SPPSVC"})
    assert answer.value(f".//{P}State") == "Paused"
    assert answer.value(f".//{P}DisplayName") == "The sppsvc service"
    assert parts[1]["Win32_Service"].calls == [("put", {"Name": "sppsvc"}, {"State": "Paused", "ProcessId": 9})]


def test_put_with_a_list_of_modified_properties(client: Client, parts: tuple[FakeEstate, dict[str, Rows]]) -> None:
    body = put_body('<p:DisplayName xsi:nil="true"/><p:State>Paused</p:State>')
    options = [("wmiarray:__MIInstanceModifiedPropertiesList", "State")]
    client.send(NS["x"] + "/Put", SERVICES, body, selectors={"Name": "sppsvc"}, options=options)
    assert parts[1]["Win32_Service"].calls == [("put", {"Name": "sppsvc"}, {"State": "Paused"})]


@pytest.mark.parametrize(
    "wrong", ["<p:state>Paused</p:state>", "<p:ProcessId>-1</p:ProcessId>", "<p:Started>True</p:Started>"]
)
def test_put_of_what_does_not_fit(client: Client, wrong: str) -> None:
    answer = client.send(NS["x"] + "/Put", SERVICES, put_body(wrong), selectors={"Name": "sppsvc"})
    assert (answer.subcode, answer.code) == ("w:SchemaValidationError", 2150858817)


def test_create_and_delete(client: Client, lab: RunningLab) -> None:
    answer = client.send(NS["x"] + "/Create", SERVICES, put_body("<p:Name>new</p:Name>"))
    assert answer.value(".//a:Action") == NS["x"] + "/CreateResponse"
    assert answer.value(".//x:ResourceCreated/a:ReferenceParameters/w:SelectorSet/w:Selector") == "new"
    gone = client.send(NS["x"] + "/Delete", SERVICES, selectors={"Name": "new"})
    assert gone.status == 200
    assert list(gone.find(".//s:Body")) == []
    assert client.send(NS["x"] + "/Delete", SERVICES, selectors={"Name": "new"}).code == 2150858752
    refused = lab.client("old01").send(NS["x"] + "/Create", SERVICES, put_body("<p:Name>new</p:Name>"))
    assert refused.subcode == "a:ActionNotSupported"


# -- Invoke ---------------------------------------------------------------------------------------------------------


def test_static_method_with_array_result(client: Client, parts: tuple[FakeEstate, dict[str, Rows]]) -> None:
    uri = WMI + "root/default/StdRegProv"
    answer = client.invoke(uri, "EnumKey", "<p:hDefKey>2147483650</p:hDefKey><p:sSubKeyName>A\\B</p:sSubKeyName>")
    assert answer.value(".//a:Action") == uri + "/EnumKeyResponse"
    output = answer.find(f".//{{{uri}}}EnumKey_OUTPUT")
    assert [(child.tag.rpartition("}")[2], child.text) for child in output] == [
        ("sNames", "One"),
        ("sNames", "Two"),
        ("ReturnValue", "0"),
    ]
    assert parts[1]["StdRegProv"].calls == [("EnumKey", None, {"hDefKey": 2147483650, "sSubKeyName": "A\\B"})]


def test_instance_method_gets_the_instances_own_keys(client: Client, parts: tuple[FakeEstate, dict[str, Rows]]) -> None:
    parameters = "<p:StartMode>255</p:StartMode><p:Dependencies>A</p:Dependencies><p:Dependencies>B</p:Dependencies>"
    answer = client.invoke(SERVICES, "Change", parameters, {"Name": "SPPSVC"})
    assert answer.value(f".//{P}ReturnValue") == "0"
    arguments = {"StartMode": 255, "Dependencies": ["A", "B"]}
    assert parts[1]["Win32_Service"].calls == [("Change", {"Name": "sppsvc"}, arguments)]


@pytest.mark.parametrize(
    "parameters",
    [
        "<p:StartMode>256</p:StartMode>",
        "<p:StartMode>automatic</p:StartMode>",
        "<p:startmode>1</p:startmode>",
        "<p:StartMode>1</p:StartMode><p:StartMode>2</p:StartMode>",
    ],
)
def test_parameters_that_do_not_fit(client: Client, parts: tuple[FakeEstate, dict[str, Rows]], parameters: str) -> None:
    answer = client.invoke(SERVICES, "Change", parameters, {"Name": "sppsvc"})
    assert (answer.subcode, answer.code) == ("w:SchemaValidationError", 2150858817)
    assert parts[1]["Win32_Service"].calls == []


@pytest.mark.parametrize("method", ["stopservice", "Explode"])
def test_unknown_methods(client: Client, method: str) -> None:
    answer = client.invoke(SERVICES, method, selectors={"Name": "sppsvc"})
    assert (answer.subcode, answer.code) == ("a:ActionNotSupported", 2150858771)


def test_instance_method_without_or_with_wrong_selectors(client: Client) -> None:
    assert client.invoke(SERVICES, "StopService").code == 0x8004102F
    assert client.invoke(SERVICES, "StopService", selectors={"Name": "none"}).code == 2150858752


def error_message(answer: Answer) -> str:
    return (
        answer.value(".//wmi:Message") if answer.has(".//wmi:Message") else answer.value(".//f:WSManFault//f:Message")
    )


def test_provider_error_on_a_newer_machine(client: Client) -> None:
    answer = client.invoke(SERVICES, "StopService", selectors={"Name": "W32Time"})
    assert answer.status == 500
    assert answer.value(".//wmi:error_Code") == "3221549136"
    assert answer.value(".//wmi:MessageID") == "HRESULT 0xc004f050"
    assert answer.value(".//wmi:error_Type") == "HRESULT"
    assert not answer.has(".//f:WSManFault")


def test_provider_error_on_an_older_machine(lab: RunningLab) -> None:
    answer = lab.client("old01").invoke(SERVICES, "StopService", selectors={"Name": "W32Time"})
    assert answer.code == 3221549136
    provider = answer.find(".//s:Detail/f:WSManFault/f:Message/f:ProviderFault")
    assert provider.get("provider") == "WMI Provider"
    inner = provider.find("f:WSManFault", NS)
    assert inner is not None
    assert (inner.get("Code"), inner.get("Machine")) == ("3221549136", "old01")
    assert "HRESULT 0xc004f050" in (inner.findtext("f:Message", namespaces=NS) or "")


def test_method_on_the_dmtf_form(client: Client) -> None:
    uri = DMTF + "Win32_Service"
    answer = client.invoke(uri, "StopService", selectors={"__cimnamespace": "root/cimv2", "Name": "sppsvc"})
    assert answer.value(".//a:Action") == uri + "/StopServiceResponse"
    assert answer.value(f".//{{{uri}}}StopService_OUTPUT/{{{uri}}}ReturnValue") == "0"


def test_action_of_another_class(client: Client) -> None:
    body = f'<p:StopService_INPUT xmlns:p="{SERVICES}"/>'
    assert client.send(ALL + "/StopService", SERVICES, body).subcode == "a:ActionNotSupported"
