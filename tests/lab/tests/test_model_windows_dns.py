# Copyright (c) 2026, the winops.kms authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A Windows DNS server's WMI provider: one store with the DNS server that clients ask; by hand, pywinrm and pypsrp."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from collections.abc import Callable, Iterator, Mapping
from datetime import date
from functools import partial
from pathlib import Path
from typing import Any
from uuid import uuid4
from xml.sax.saxutils import escape

import dns.message
import dns.query
import pytest
from labsupport.desk import Desk, client, estate_data, host
from pypsrp.exceptions import WSManFaultError as PsrpFault
from pypsrp.wsman import SelectorSet, WSMan
from winrm.exceptions import WSManFaultError as WinrmFault
from winrm.protocol import Protocol

from kmslab.cim import Field, Instance, Reference, Value, WmiError
from kmslab.control import Lab
from kmslab.model import Estate, EstateError
from kmslab.model.codes import KMS_PORT
from kmslab.providers.base import methods
from kmslab.wsman.values import Style, ValueProblem, parse_fields, render_output

SPACE = "root/MicrosoftDNS"
SRV = "MicrosoftDNS_SRVType"
NAME = "_vlmcs._tcp.corp.example"
KEYS = ("ContainerName", "DnsServerName", "DomainName", "OwnerName", "RecordClass", "RecordData")


def dc(name: str = "dc1", **zones: Mapping[str, Any]) -> dict[str, Any]:
    """A domain controller with the zone corp.example, or those that are given (underscores stand for dots)."""
    served = {zone.replace("_", "."): options for zone, options in zones.items()} or {"corp.example": {}}
    return {
        "name": name,
        "edition": "ServerStandard",
        "build": 20348,
        "domain_controller": True,
        "dns_server": {"zones": served},
    }


class DnsDesk(Desk):
    """Short ways to the DNS server's classes."""

    def srv(self, machine: str = "dc1") -> list[Instance]:
        return self.rows(machine, SRV, SPACE)

    def invoke(self, method: str, keys: Instance | None, arguments: Instance, machine: str = "dc1") -> Instance:
        return self.provider(machine, SRV, SPACE).invoke(keys, method, arguments)

    def create(self, target: str = "kms1.corp.example", **arguments: Value) -> Reference:
        values: dict[str, Value] = {
            "DnsServerName": "dc1.corp.example",
            "ContainerName": "corp.example",
            "OwnerName": NAME,
            "Priority": 0,
            "Weight": 0,
            "Port": KMS_PORT,
            "SRVDomainName": target,
        }
        result = self.invoke("CreateInstanceFromPropertyData", None, {**values, **arguments})
        assert set(result) == {"RR"}, "a void method has no return value"
        assert isinstance(result["RR"], Reference)
        return result["RR"]

    def modify(self, keys: Instance, **arguments: Value) -> Reference:
        reference = self.invoke("Modify", keys, arguments)["RR"]
        assert isinstance(reference, Reference)
        return reference

    def delete(self, keys: Instance, machine: str = "dc1") -> None:
        self.provider(machine, SRV, SPACE).delete(keys)

    def record(self, keys: Instance, machine: str = "dc1") -> Instance:
        (found,) = [row for row in self.srv(machine) if all(row[name] == value for name, value in keys.items())]
        return found

    def answer(self, name: str = NAME) -> dict[str, int]:
        """What the DNS server answers: data of the SRV records and their TTL as a resolver sees it."""
        query = dns.message.make_query(name, "SRV")
        response = dns.query.tcp(query, "127.0.0.1", port=self.estate.dns_port, timeout=5)
        return {rdata.to_text(): rrset.ttl for rrset in response.answer for rdata in rrset}


def keys_of(row: Instance) -> dict[str, Value]:
    return {name: row[name] for name in KEYS}


def code(call: Callable[[], object]) -> str:
    with pytest.raises(WmiError) as caught:
        call()
    return f"0x{caught.value.hresult:08X}"


Maker = Callable[..., DnsDesk]


@pytest.fixture
def make() -> Iterator[Maker]:
    running: list[Estate] = []

    def started(*machines: dict[str, Any], **more: Any) -> DnsDesk:
        estate = Estate.from_data(estate_data(*machines, **more))
        running.append(estate)
        estate.start()
        return DnsDesk(estate)

    yield started
    for estate in running:
        estate.stop()


@pytest.fixture
def desk(make: Maker) -> DnsDesk:
    return make(dc())


# -- reading ---------------------------------------------------------------------------------------------------------


def test_only_dns_servers_have_the_namespace(make: Maker) -> None:
    desk = make(dc(), client())
    for name, expected in (("dc1", True), ("pc", False)):
        view = desk.estate.view(name)
        assert view is not None
        assert any(space == SPACE.lower() for space, _class in view.providers) is expected
        services = {row["Name"] for row in desk.rows(name, "Win32_Service")}
        assert ("DNS" in services) is expected


def test_server_and_zones(make: Maker) -> None:
    zones = [
        {"name": "corp.example", "host_updates": "owner"},
        {"name": "file.example", "host_updates": "any"},
        {"name": "copy.example"},
        {"name": "other.example"},
    ]
    options = {"ds_integrated": False}
    desk = make(
        dc(corp_example={"aging": True}, file_example=options, copy_example={"type": "secondary", **options}),
        zones=zones,
    )
    (server,) = desk.rows("dc1", "MicrosoftDNS_Server", SPACE)
    assert server["Name"] == "dc1.corp.example" and server["DsAvailable"] is True
    rows = {row["Name"]: row for row in desk.rows("dc1", "MicrosoftDNS_Zone", SPACE)}
    wanted = ("ContainerName", "DnsServerName", "ZoneType", "DsIntegrated", "AllowUpdate", "Aging", "DataFile")
    assert {name: [row[column] for column in wanted] for name, row in rows.items()} == {
        "copy.example": ["copy.example", "dc1.corp.example", 2, False, 0, False, "copy.example.dns"],
        "corp.example": ["corp.example", "dc1.corp.example", 1, True, 2, True, None],
        "file.example": ["file.example", "dc1.corp.example", 1, False, 1, False, "file.example.dns"],
    }


def test_a_record_of_the_zone_file(make: Maker) -> None:
    records = ["_vlmcs._tcp 600 SRV 5 7 1699 KMS9", "@ SRV 0 0 1 kms9.other.example.", "kms9 A 198.18.0.99"]
    desk = make(dc(), zones=[{"name": "corp.example", "records": records}])
    rows = {row["OwnerName"]: row for row in desk.srv()}
    assert rows["corp.example"]["DomainName"] == "corp.example"
    filled = {name: value for name, value in rows[NAME].items() if value is not None}
    assert filled == {
        "ContainerName": "corp.example",
        "DnsServerName": "dc1.corp.example",
        "DomainName": "_tcp.corp.example",
        "OwnerName": NAME,
        "RecordClass": 1,
        "RecordData": "5 7 1699 KMS9.corp.example.",
        "TextRepresentation": f"{NAME} IN SRV 5 7 1699 KMS9.corp.example.",
        "TTL": 600,
        "TimeStamp": 0,
        "Priority": 5,
        "Weight": 7,
        "Port": 1699,
        "SRVDomainName": "KMS9.corp.example.",
    }


# -- writing ---------------------------------------------------------------------------------------------------------


def test_create_modify_delete_are_seen_in_dns(desk: DnsDesk) -> None:
    assert desk.answer() == {}
    made = desk.create(TTL=600)
    assert (made.namespace, made.class_name, set(made.keys)) == (SPACE, SRV, set(KEYS))
    assert desk.record(made.keys)["TTL"] == 600
    assert desk.answer() == {"0 0 1688 kms1.corp.example.": 600}
    changed = desk.modify(made.keys, Priority=10, Port=1699)
    assert desk.answer() == {"10 0 1699 kms1.corp.example.": 600}
    assert code(lambda: desk.modify(made.keys, Port=1)) == "0x80041002", "the old path leads nowhere"
    changed = desk.modify(changed.keys, TTL=60, SRVDomainName="kms2.corp.example.", Weight=3)
    assert desk.answer() == {"10 3 1699 kms2.corp.example.": 60}
    again = desk.modify(changed.keys, TTL=120)
    assert (again, desk.answer()) == (changed, {"10 3 1699 kms2.corp.example.": 120})
    desk.delete(again.keys)
    assert (desk.answer(), desk.srv()) == ({}, [])
    assert code(lambda: desk.delete(again.keys)) == "0x80041002"


def test_without_ttl_a_record_gets_the_zones(make: Maker) -> None:
    desk = make(dc(), zones=[{"name": "corp.example", "ttl": 900}])
    desk.create()
    assert desk.answer() == {"0 0 1688 kms1.corp.example.": 900}


def test_records_of_a_name_keep_their_own_ttl(desk: DnsDesk) -> None:
    made = [desk.create(f"kms{number}.corp.example", TTL=ttl) for number, ttl in ((1, 60), (2, 3600))]
    assert [desk.record(one.keys)["TTL"] for one in made] == [60, 3600]
    desk.modify(made[0].keys, TTL=61)
    assert desk.record(made[1].keys)["TTL"] == 3600
    assert desk.answer() == {"0 0 1688 kms1.corp.example.": 61, "0 0 1688 kms2.corp.example.": 61}
    records = desk.estate.zone_records("corp.example")
    assert sorted(one["ttl"] for one in records if one["type"] == "SRV") == [61, 3600]


@pytest.mark.parametrize("server", ["DC1.corp.example", "dc1", "dc1.corp.example.", ".", "198.18.0.10"])
@pytest.mark.parametrize("zone", ["CORP.example", "corp.example."])
def test_names_of_one_server_and_zone(desk: DnsDesk, server: str, zone: str) -> None:
    made = desk.create(DnsServerName=server, ContainerName=zone, OwnerName=f"{NAME}.")
    assert (made.keys["DnsServerName"], made.keys["ContainerName"]) == ("dc1.corp.example", "corp.example")
    assert made.keys["OwnerName"] == NAME


def test_two_servers_share_a_zone(make: Maker) -> None:
    desk = make(dc(), dc("dc2"))
    made = desk.create()
    (there,) = desk.srv("dc2")
    assert there["RecordData"] == made.keys["RecordData"] and there["DnsServerName"] == "dc2.corp.example"
    desk.delete(keys_of(there), "dc2")
    assert desk.srv() == []


# -- errors ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ({}, "0x800725EF"),
        ({"TTL": 5}, "0x800725EF"),
        ({"SRVDomainName": "KMS1.Corp.Example."}, "0x800725EF"),
        ({"ContainerName": "no.example"}, "0x80072581"),
        ({"ContainerName": "other.example", "OwnerName": "_vlmcs._tcp.other.example"}, "0x80072581"),
        ({"ContainerName": "copy.example", "OwnerName": "_vlmcs._tcp.copy.example"}, "0x80072583"),
        ({"OwnerName": "_vlmcs._tcp"}, "0x800725EA"),
        ({"OwnerName": "_vlmcs._tcp.copy.example"}, "0x800725EA"),
        ({"OwnerName": "alias.corp.example"}, "0x800725EC"),
        ({"OwnerName": "a..corp.example"}, "0x8007007B"),
        ({"RecordClass": 3}, "0x800725E6"),
        ({"DnsServerName": "dc9.corp.example"}, "0x800706BA"),
        ({"Port": None}, "0x8004102F"),
        ({"DnsServerName": None}, "0x8004102F"),
    ],
)
def test_what_cannot_be_created(make: Maker, arguments: dict[str, Value], expected: str) -> None:
    zones = [
        {"name": "corp.example", "records": ["alias CNAME kms1"]},
        {"name": "copy.example"},
        {"name": "other.example"},
    ]
    desk = make(dc(corp_example={}, copy_example={"type": "secondary"}), zones=zones)
    desk.create(TTL=600)
    before = desk.estate.zone_records("corp.example")
    assert code(partial(desk.create, **{"TTL": 600, **arguments})) == expected  # type: ignore[arg-type]
    assert desk.estate.zone_records("corp.example") == before


def test_a_record_cannot_become_another(desk: DnsDesk) -> None:
    first, second = desk.create(), desk.create("kms2.corp.example")
    assert code(lambda: desk.modify(second.keys, SRVDomainName="KMS1.corp.example")) == "0x800725EF"
    assert desk.record(second.keys)["SRVDomainName"] == "kms2.corp.example."
    assert desk.modify(first.keys, Port=KMS_PORT) == first


def test_a_secondary_zone_is_only_read(make: Maker) -> None:
    records = ["_vlmcs._tcp SRV 0 0 1688 kms1"]
    desk = make(dc(corp_example={"type": "secondary"}), zones=[{"name": "corp.example", "records": records}])
    (row,) = desk.srv()
    assert code(lambda: desk.modify(keys_of(row), Port=1)) == "0x80072583"
    assert code(lambda: desk.delete(keys_of(row))) == "0x80072583"
    assert desk.answer() == {"0 0 1688 kms1.corp.example.": 3600}


def test_nothing_works_while_the_service_is_stopped(desk: DnsDesk) -> None:
    made = desk.create()
    services = desk.provider("dc1", "Win32_Service")
    services.invoke({"Name": "DNS"}, "StopService", {})
    calls: list[Callable[[], object]] = [
        desk.srv,
        desk.create,
        lambda: desk.modify(made.keys, Port=1),
        lambda: desk.delete(made.keys),
        lambda: desk.rows("dc1", "MicrosoftDNS_Zone", SPACE),
        lambda: desk.rows("dc1", "MicrosoftDNS_Server", SPACE),
    ]
    assert {code(call) for call in calls} == {"0x800706BA"}
    while any(row["State"] == "Stop Pending" for row in desk.rows("dc1", "Win32_Service")):
        pass
    services.invoke({"Name": "DNS"}, "StartService", {})
    assert len(desk.srv()) == 1


def test_what_the_lab_does_not_simulate(desk: DnsDesk) -> None:
    arguments: Instance = {"DnsServerName": ".", "ContainerName": "corp.example", "TextRepresentation": "x"}
    for method in ("CreateInstanceFromTextRepresentation", "GetObjectByTextRepresentation"):
        assert code(partial(desk.invoke, method, None, arguments)) == "0x80041024"


# -- KMS hosts and clients -------------------------------------------------------------------------------------------


def test_a_client_finds_the_host_by_a_record_from_wmi(make: Maker) -> None:
    desk = make(dc(), host(dns_publishing=False, seed_cmids=30), client())
    assert desk.activate("pc") == "0x8007232B"
    made = desk.create()
    assert desk.activate("pc") == "ok"
    desk.delete(made.keys)
    desk.create("kms7.corp.example")
    desk.estate.patch("pc", {"host_caching": False, "licensed": False})
    assert desk.activate("pc") == "0xC004F074"


def test_a_host_publishes_a_dynamic_record_beside_a_static_one(make: Maker) -> None:
    desk = make(dc(), host(), zones=[{"name": "corp.example", "host_updates": "any"}])
    made = desk.create(Priority=10)
    (own,) = [row for row in desk.srv() if row["Priority"] == 0]
    assert own["SRVDomainName"] == desk.record(made.keys)["SRVDomainName"] == "kms1.corp.example."
    assert desk.record(made.keys)["TimeStamp"] == 0
    hours = own["TimeStamp"]
    assert isinstance(hours, int)
    assert hours == (date(2026, 3, 2) - date(1601, 1, 1)).days * 24 + 8
    assert code(desk.create) == "0x800725EF", "equal data are one record, whoever made it"
    static = desk.modify(keys_of(own), Weight=1)
    assert desk.record(static.keys)["TimeStamp"] == 0


def test_a_static_record_stays_static_when_its_host_publishes(make: Maker) -> None:
    desk = make(dc(), host(sppsvc="Stopped"), zones=[{"name": "corp.example", "host_updates": "any"}])
    made = desk.create()
    assert desk.estate.describe("kms1")["host"]["published"] == {}
    desk.estate.patch("kms1", {"sppsvc": {"state": "Running"}})
    assert desk.estate.describe("kms1")["host"]["published"] == {"corp.example": "0 0 1688 kms1.corp.example."}
    assert [row["TimeStamp"] for row in desk.srv()] == [desk.record(made.keys)["TimeStamp"]] == [0]


@pytest.mark.parametrize(("aging", "days"), [(False, 0), (True, 7)])
def test_a_hosts_own_record_is_refreshed_where_records_age(make: Maker, aging: bool, days: int) -> None:
    desk = make(dc(corp_example={"aging": aging}), host(), zones=[{"name": "corp.example", "host_updates": "any"}])
    (before,) = desk.srv()
    desk.estate.advance(8 * 1440)
    (after,) = desk.srv()
    assert isinstance(before["TimeStamp"], int) and isinstance(after["TimeStamp"], int)
    assert after["TimeStamp"] - before["TimeStamp"] == 24 * days


def test_a_name_that_an_administrator_made_is_not_the_hosts(make: Maker) -> None:
    desk = make(dc(), host(sppsvc="Stopped"), zones=[{"name": "corp.example", "host_updates": "owner"}])
    desk.create("kms2.corp.example")
    desk.estate.patch("kms1", {"sppsvc": {"state": "Running"}})
    events = [event for event in desk.estate.describe("kms1")["events"] if event["event"] == 12293]
    assert [event["hresult"] for event in events] == ["0x80072338"]
    assert [row["SRVDomainName"] for row in desk.srv()] == ["kms2.corp.example."]


# -- estate files and the control API --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("dns_server", "message"),
    [
        ({"zones": {"no.example": {}}}, "no.example is not among the estate's zones"),
        ({"zones": ["corp.example"]}, "machine dc1: dns_server: zones: a mapping"),
        (
            {"zones": {"corp.example": {"aged": True}}},
            "machine dc1: dns_server: zones: corp.example: unknown field aged",
        ),
        ({"zones": {"corp.example": {"type": "stub"}}}, "dns_server: type is one of primary, secondary, not stub"),
        ({}, "machine dc1: dns_server: zones missing"),
    ],
)
def test_what_an_estate_file_cannot_say(dns_server: dict[str, Any], message: str) -> None:
    with pytest.raises(EstateError, match=message):
        Estate.from_data(estate_data({**dc(), "dns_server": dns_server}))


def test_time_stamps_in_the_control_api(desk: DnsDesk) -> None:
    wanted = {"name": NAME, "type": "SRV", "ttl": 60, "data": "0 0 1688 old.corp.example.", "timestamp": 3700000}
    desk.estate.put_zone_records("corp.example", [wanted])
    (row,) = desk.srv()
    assert (row["TimeStamp"], row["TTL"]) == (3700000, 60)
    (record,) = [one for one in desk.estate.zone_records("corp.example") if one["type"] == "SRV"]
    assert record["timestamp"] == 3700000
    plain = Estate.from_data(estate_data(client()))
    assert all("timestamp" not in one for one in plain.zone_records("corp.example"))


# -- references in XML -----------------------------------------------------------------------------------------------

A, W = "http://schemas.xmlsoap.org/ws/2004/08/addressing", "http://schemas.dmtf.org/wbem/wsman/1/wsman.xsd"
XSI = "http://www.w3.org/2001/XMLSchema-instance"
WMI, DMTF = "http://schemas.microsoft.com/wbem/wsman/1/wmi/", "http://schemas.dmtf.org/wbem/wscim/1/cim-schema/2/"
TARGET = Reference("root/x", "X_Thing", {"b": "1 & 2", "A": 7, "c": True})


def rendered(value: Value, *, dmtf: bool = False) -> ET.Element:
    text = render_output("Make", [Field("RR", "reference")], {"RR": value}, uri="urn:c", style=Style(typed=dmtf))
    (child,) = ET.fromstring(text)
    assert child.tag == "{urn:c}RR"
    return child


@pytest.mark.parametrize(
    ("dmtf", "uri", "selectors"),
    [
        (False, WMI + "root/x/X_Thing", [("A", "7"), ("b", "1 & 2"), ("c", "true")]),
        (True, DMTF + "X_Thing", [("__cimnamespace", "root/x"), ("A", "7"), ("b", "1 & 2"), ("c", "true")]),
    ],
)
def test_a_reference_stands_directly_in_its_property(dmtf: bool, uri: str, selectors: list[tuple[str, str]]) -> None:
    element = rendered(TARGET, dmtf=dmtf)
    assert [child.tag for child in element] == [f"{{{A}}}Address", f"{{{A}}}ReferenceParameters"]
    assert element.findtext(f"{{{A}}}Address") == f"{A}/role/anonymous"
    assert element.findtext(f".//{{{W}}}ResourceURI") == uri
    assert [(one.get("Name"), one.text) for one in element.iter(f"{{{W}}}Selector")] == selectors


def test_a_null_reference() -> None:
    element = rendered(None)
    assert (element.get(f"{{{XSI}}}nil"), list(element)) == ("true", [])


def test_a_reference_is_nothing_to_be_sent() -> None:
    with pytest.raises(ValueProblem):
        parse_fields([Field("RR", "reference")], ET.fromstring("<x><RR>1</RR></x>"))


def test_a_void_method_has_no_return_value() -> None:
    void, other = methods("Make() -> (RR reference) static void\nRead() -> (RR reference) static read")
    assert [item.name for item in void.outputs] == ["RR"]
    assert [item.name for item in other.outputs] == ["RR", "ReturnValue"]


# -- clients that nobody here wrote ----------------------------------------------------------------------------------

ESTATE = Path(__file__).parents[1] / "estates" / "windows_dns.yml"
USER, PASSWORD = "Administrator", "Lab-only-1"
N, X = "http://schemas.xmlsoap.org/ws/2004/09/enumeration", "http://schemas.xmlsoap.org/ws/2004/09/transfer"
URI = f"{WMI}{SPACE}/{SRV}"
QUERY = f"SELECT * FROM {SRV} WHERE ContainerName='corp.example' AND OwnerName='{NAME}'"
CREATE = "CreateInstanceFromPropertyData"
Selectors = list[tuple[str, str]]


@pytest.fixture(scope="module")
def running() -> Iterator[Lab]:
    with Lab(ESTATE) as started:
        yield started


@pytest.fixture
def lab(running: Lab) -> Lab:
    running.reset()
    return running


def parameters(method: str, uri: str, **values: object) -> str:
    inside = "".join(f"<p:{name}>{escape(str(value))}</p:{name}>" for name, value in values.items())
    return f'<p:{method}_INPUT xmlns:p="{uri}">{inside}</p:{method}_INPUT>'


def create_parameters(uri: str, **more: object) -> str:
    values = {
        "DnsServerName": "dc1.corp.example",
        "ContainerName": "corp.example",
        "OwnerName": NAME,
        "TTL": 600,
        "Priority": 0,
        "Weight": 0,
        "Port": KMS_PORT,
        "SRVDomainName": "kms1.corp.example",
    }
    return parameters(CREATE, uri, **{**values, **more})


def selectors_in(element: ET.Element) -> Selectors:
    return [(one.get("Name", ""), one.text or "") for one in element.iter(f"{{{W}}}Selector")]


def lab_answer(lab: Lab) -> set[str]:
    response = dns.query.udp(dns.message.make_query(NAME, "SRV"), "127.0.0.1", port=lab.info["dns_port"], timeout=5)
    return {rdata.to_text() for rrset in response.answer for rdata in rrset}


OWN = "0 0 1688 kms3.corp.example."


class Pywinrm:
    """pywinrm's Protocol with envelopes by hand, in the WMI form of resource URIs."""

    def __init__(self, lab: Lab, user: str = USER, password: str = PASSWORD) -> None:
        options = {"transport": "basic", "username": user, "password": password, "ca_trust_path": lab.info["ca_file"]}
        self.protocol = Protocol(lab.endpoint("dc1"), **options)

    def send(self, action: str, uri: str, body: str = "", selectors: Selectors | None = None) -> ET.Element:
        chosen = "".join(f'<w:Selector Name="{name}">{escape(value)}</w:Selector>' for name, value in selectors or [])
        envelope = (
            f'<s:Envelope xmlns:s="http://www.w3.org/2003/05/soap-envelope" xmlns:a="{A}" xmlns:w="{W}" xmlns:n="{N}">'
            f"<s:Header><a:To>http://dc1:5985/wsman</a:To><w:ResourceURI>{uri}</w:ResourceURI><a:ReplyTo><a:Address>{A}"
            f"/role/anonymous</a:Address></a:ReplyTo><a:Action>{action}</a:Action><a:MessageID>uuid:{uuid4()}"
            f"</a:MessageID>{f'<w:SelectorSet>{chosen}</w:SelectorSet>' if chosen else ''}</s:Header>"
            f"<s:Body>{body}</s:Body></s:Envelope>"
        )
        return ET.fromstring(self.protocol.send_message(envelope))

    def query(self, wql: str) -> list[tuple[dict[str, str], Selectors]]:
        """(properties, selectors) of each item, by one Enumerate and as many Pulls as it needs."""
        uri = f"{WMI}{SPACE}/*"
        body = (
            "<n:Enumerate><w:OptimizeEnumeration/><w:MaxElements>32000</w:MaxElements>"
            "<w:EnumerationMode>EnumerateObjectAndEPR</w:EnumerationMode>"
            f'<w:Filter Dialect="http://schemas.microsoft.com/wbem/wsman/1/WQL">{escape(wql)}</w:Filter></n:Enumerate>'
        )
        root = self.send(f"{N}/Enumerate", uri, body)
        items = list(root.iter(f"{{{W}}}Item"))
        while context := root.findtext(f".//{{{N}}}EnumerationContext"):
            body = f"<n:EnumerationContext>{context}</n:EnumerationContext><n:MaxElements>9</n:MaxElements>"
            root = self.send(f"{N}/Pull", uri, f"<n:Pull>{body}</n:Pull>")
            items += root.iter(f"{{{W}}}Item")
        return [
            ({child.tag.rpartition("}")[2]: child.text or "" for child in item[0]}, selectors_in(item[1]))
            for item in items
        ]

    def invoke(self, method: str, body: str, selectors: Selectors | None = None) -> Selectors:
        """Call a method; the selectors in its out parameter RR, its only one."""
        root = self.send(f"{URI}/{method}", URI, body, selectors)
        (reference,) = root[1][0]
        assert (root[1][0].tag, reference.tag) == (f"{{{URI}}}{method}_OUTPUT", f"{{{URI}}}RR")
        assert reference.findtext(f".//{{{W}}}ResourceURI") == URI
        return selectors_in(reference)


def test_pywinrm_manages_a_record(lab: Lab) -> None:
    winrm = Pywinrm(lab)
    [(own, selectors)] = winrm.query(QUERY)
    assert (own["RecordData"], own["TimeStamp"] != "0") == (OWN, True)
    assert [name for name, _value in selectors] == sorted(KEYS)
    lab.clear_requests()
    made = winrm.invoke(CREATE, create_parameters(URI))
    assert lab_answer(lab) == {OWN, "0 0 1688 kms1.corp.example."}
    root = winrm.send(f"{X}/Get", URI, selectors=made)
    assert root.findtext(f".//{{{URI}}}TTL") == "600" and root.findtext(f".//{{{URI}}}TimeStamp") == "0"
    changed = winrm.invoke("Modify", parameters("Modify", URI, TTL=60, Port=1699), made)
    assert lab_answer(lab) == {OWN, "0 0 1699 kms1.corp.example."}
    found = {row["RecordData"]: (row["TTL"], path) for row, path in winrm.query(QUERY)}
    assert found["0 0 1699 kms1.corp.example."] == ("60", changed)
    winrm.send(f"{X}/Delete", URI, selectors=changed)
    assert lab_answer(lab) == {OWN}
    with pytest.raises(WinrmFault) as caught:
        winrm.send(f"{X}/Delete", URI, selectors=changed)
    assert caught.value.wsman_fault_code == 2150858752
    entries = [(one["method"] or str(one["action"]).rpartition("/")[2], one["kind"]) for one in lab.requests("dc1")]
    assert [name for name, kind in entries if kind == "write"] == [CREATE, "Modify", "Delete", "Delete"]
    assert {name for name, kind in entries if kind == "read"} == {"Get", "Enumerate", "Pull"}


@pytest.mark.parametrize(
    ("more", "expected"),
    [
        ({"SRVDomainName": "kms3.corp.example"}, 0x800725EF),
        ({"ContainerName": "branch.example"}, 0x80072581),
        ({"OwnerName": "_vlmcs._tcp.branch.example"}, 0x800725EA),
    ],
)
def test_pywinrm_reads_the_errors(lab: Lab, more: dict[str, object], expected: int) -> None:
    with pytest.raises(WinrmFault) as caught:
        Pywinrm(lab).invoke(CREATE, create_parameters(URI, **more))
    assert caught.value.wmierror_code == expected
    assert lab_answer(lab) == {OWN}


def test_pywinrm_may_read_without_full_rights(lab: Lab) -> None:
    reader = Pywinrm(lab, "reader", "Lab-only-2")
    [(own, _path)] = reader.query(QUERY)
    assert own["SRVDomainName"] == "kms3.corp.example."
    with pytest.raises(WinrmFault) as caught:
        reader.invoke(CREATE, create_parameters(URI))
    assert caught.value.wsman_fault_code == 5
    with pytest.raises(WinrmFault) as caught:
        Pywinrm(lab).send(f"{X}/Get", URI, selectors=[("OwnerName", NAME)])
    assert caught.value.wsman_fault_code == 2150858842, "a part of the keys names no instance"


def test_pypsrp_manages_a_record_by_the_other_form_of_uris(lab: Lab) -> None:
    uri = DMTF + SRV
    port = lab.info["http_port"]
    options: dict[str, Any] = {"username": USER, "password": PASSWORD, "auth": "basic", "encryption": "never"}

    def chosen(selectors: Selectors) -> SelectorSet:
        made = SelectorSet()
        for name, value in selectors:
            made.add_option(name, value)
        return made

    def call(wsman: WSMan, method: str, body: str, selectors: Selectors) -> Selectors:
        root = wsman.invoke(f"{uri}/{method}", uri, ET.fromstring(body), selector_set=chosen(selectors))
        assert root.find(f".//{{{uri}}}ReturnValue") is None
        (reference,) = root.iter(f"{{{uri}}}RR")
        assert reference.get(f"{{{XSI}}}type") == "cim:cimReference"
        return selectors_in(reference)

    space = [("__cimnamespace", SPACE)]
    with WSMan("127.0.0.1", port=port, path="dc2/wsman", ssl=False, **options) as wsman:
        body = create_parameters(uri, DnsServerName="dc2.corp.example")
        made = call(wsman, CREATE, body, space)
        assert made[0] == space[0] and [name for name, _value in made[1:]] == sorted(KEYS)
        with pytest.raises(PsrpFault) as caught:
            call(wsman, CREATE, body, space)
        assert "0x800725ef" in str(caught.value)
        changed = call(wsman, "Modify", parameters("Modify", uri, Priority=5), made)
        root = wsman.get(uri, None, selector_set=chosen(changed))
        assert root.findtext(f".//{{{uri}}}RecordData") == "5 0 1688 kms1.corp.example."
        assert lab_answer(lab) == {OWN, "5 0 1688 kms1.corp.example."}
        wsman.delete(uri, selector_set=chosen(changed))
    assert lab_answer(lab) == {OWN}
