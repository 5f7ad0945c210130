# Copyright (c) 2026, the winops.kms authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""WQL: what a condition selects, and which queries are refused in the shape of a failed query."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from labsupport.fake import DMTF, NS, SERVICES, WMI, Client, FakeEstate, RunningLab, machine

from kmslab.wsman import wql


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    view, _ignored = machine()
    with RunningLab(FakeEstate({view.name: view}), Path(tmp_path_factory.mktemp("lab"))) as lab:
        yield lab.client()


# sppsvc: Running, ProcessId 700, started, acceptStop false, InstallDate set; W32Time: Stopped, 0, not started,
# acceptStop NULL, InstallDate set; Odd: State, ProcessId, Dependencies and InstallDate NULL, started.
@pytest.mark.parametrize(
    ("where", "names"),
    [
        ("Name = 'SPPSVC'", ["sppsvc"]),
        ('name="sppsvc"', ["sppsvc"]),
        ("'sppsvc' = Name", ["sppsvc"]),
        ("ProcessId = 700", ["sppsvc"]),
        ("ProcessId = '700'", ["sppsvc"]),
        ("ProcessId = 0x2BC", ["sppsvc"]),
        ("ProcessId <> 700", ["W32Time"]),
        ("ProcessId != 700", ["W32Time"]),
        ("ProcessId < 700", ["W32Time"]),
        ("700 > ProcessId", ["W32Time"]),
        ("ProcessId >= 0 AND ProcessId <= 700", ["sppsvc", "W32Time"]),
        ("Delay = -1", ["sppsvc", "W32Time", "Odd"]),
        ("Size = 18446744073709551615", ["sppsvc", "W32Time", "Odd"]),
        ("State IS NULL", ["Odd"]),
        ("State = NULL", ["Odd"]),
        ("State IS NOT NULL", ["sppsvc", "W32Time"]),
        ("State <> null", ["sppsvc", "W32Time"]),
        ("NULL <> State", ["sppsvc", "W32Time"]),
        ("Dependencies IS NULL", ["Odd"]),
        ("Started = TRUE", ["sppsvc", "Odd"]),
        ("Started = 0", ["W32Time"]),
        ("Started = 'False'", ["W32Time"]),
        ("acceptStop = false", ["sppsvc"]),
        ("NOT Started = TRUE", ["W32Time"]),
        ("NOT (State = 'Running' OR State = 'Stopped')", ["Odd"]),
        ("State='Running' AND ProcessId=0 OR Name='Odd'", ["Odd"]),
        ("State='Running' AND (ProcessId=0 OR ProcessId=700)", ["sppsvc"]),
        ("Name LIKE 'S%'", ["sppsvc"]),
        ("Name LIKE '%t_me'", ["W32Time"]),
        ("Name LIKE '[n-p]dd'", ["Odd"]),
        ("Name LIKE '[^n-p]%'", ["sppsvc", "W32Time"]),
        ("Name LIKE 'od'", []),
        ("NOT Name LIKE 'od%'", ["sppsvc", "W32Time"]),
        ("DisplayName LIKE '%\"7\"%'", ["Odd"]),
        ("DisplayName = 'The \\'sppsvc\\' service'", []),
        ("InstallDate >= '20240309025732.000000+000'", ["sppsvc", "W32Time"]),
        ("InstallDate > '20240309025732.488171+000'", ["W32Time"]),
        ("InstallDate = '20240309035732.488171+060'", ["sppsvc"]),
    ],
)
def test_condition(client: Client, where: str, names: list[str]) -> None:
    assert client.names(where) == names


def test_layout_and_case_do_not_matter(client: Client) -> None:
    items = client.query("\n  select  NAME , state\tfrom   WIN32_SERVICE\n where(name='odd')\n")
    assert [[child.tag for child in item] for item in items] == [["Name", "State"]]


def test_backslashes_are_unescaped() -> None:
    query = wql.parse('SELECT * FROM A WHERE Path=\'C:\\\\Windows\\\\x\' OR Path="say \\"a\\""')
    assert isinstance(query.where, wql.Junction)
    assert [part.literal for part in query.where.parts if isinstance(part, wql.Comparison)] == [
        "C:\\Windows\\x",
        'say "a"',
    ]


@pytest.mark.parametrize(
    "query",
    [
        "SELECT",
        "SELECT * FROM",
        "SELECT Name State FROM Win32_Service",
        "SELECT *, Name FROM Win32_Service",
        "SELECT Name FROM Win32_Service WHERE",
        "SELECT Name FROM Win32_Service WHERE Name",
        "SELECT Name FROM Win32_Service WHERE Name = 'a",
        "SELECT Name FROM Win32_Service WHERE (Name = 'a'",
        "SELECT Name FROM Win32_Service WHERE Name = 'a' Name = 'b'",
        "SELECT Name FROM Win32_Service WHERE Name NOT LIKE 'a'",
        "SELECT Name FROM Win32_Service WHERE Name LIKE 5",
        "SELECT Name FROM Win32_Service WHERE Name > NULL",
        "SELECT Name FROM Win32_Service WHERE ProcessId = 'many'",
        "SELECT Name FROM Win32_Service WHERE Started = 'maybe'",
        "SELECT Name FROM Win32_Service WHERE Dependencies = 'RpcSs'",
        "SELECT Name FROM Win32_Service WHERE InstallDate > '2024-03-09'",
        "SELECT Name FROM Win32_Service WHERE Title = 'a'",
        "SELECT Title FROM Win32_Service",
        "SELECT Name FROM Win32_Nothing",
        "DELETE FROM Win32_Service",
        "ASSOCIATORS OF {Win32_Service.Name='sppsvc'}",
        "SELECT Name FROM Win32_Service; SELECT Name FROM Win32_Service",
    ],
)
def test_bad_queries(client: Client, query: str) -> None:
    answer = client.enumerate(query)
    assert (answer.status, answer.subcode, answer.code) == (500, "n:CannotProcessFilter", 2150858778)
    assert answer.value(".//a:Action") == NS["n"] + "/fault"
    provider = answer.find(".//s:Detail/f:WSManFault/f:Message/f:ProviderFault")
    inner = provider.find("f:WSManFault", NS)
    assert inner is not None
    assert inner.get("Code") == "2150858778"
    status = {item.tag.rpartition("}")[2]: item.text for item in provider.findall("f:ExtendedError/*/*", NS)}
    assert status == {
        "Description": None,
        "Operation": "ExecQuery",
        "ParameterInfo": query,
        "ProviderName": "WinMgmt",
        "StatusCode": None,
    }


def test_missing_class_and_missing_namespace_are_told_apart(client: Client) -> None:
    path = ".//f:ProviderFault/f:WSManFault/f:Message"
    missing = client.enumerate("SELECT * FROM Nothing").value(path)
    elsewhere = client.enumerate("SELECT * FROM Win32_Service", uri=WMI + "root/nowhere/*").value(path)
    invalid = client.enumerate("SELECT * FROM").value(path)
    assert len({missing, elsewhere, invalid}) == 3


def test_query_on_a_class_uri(client: Client) -> None:
    assert client.enumerate("SELECT Name FROM Win32_Service", uri=SERVICES).code == 2150859003


def test_query_with_keys(client: Client) -> None:
    answer = client.enumerate("SELECT Name FROM Win32_Service", selectors={"Name": "sppsvc"})
    assert answer.subcode == "w:InvalidSelectors"


def test_star_without_a_query(client: Client) -> None:
    assert client.enumerate("").subcode == "n:CannotProcessFilter"
    assert client.enumerate("", uri=DMTF + "*", selectors={"__cimnamespace": "root/cimv2"}).code == 2150858778


def test_unknown_dialect(client: Client) -> None:
    answer = client.enumerate("SELECT Name FROM Win32_Service", dialect="http://www.w3.org/TR/1999/REC-xpath-19991116")
    assert (answer.subcode, answer.code) == ("n:FilterDialectRequestedUnavailable", 2150858777)
