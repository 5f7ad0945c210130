# Copyright (c) 2026, the winops.kms authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The event logs: what clients and hosts write into them, how Win32_NTLogEvent shows it, and made-up events."""

from __future__ import annotations

import datetime
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from labsupport.desk import OLD_HOST_KEY, Desk, client, estate_data, host, srv

from kmslab.cim import Instance
from kmslab.model import Estate
from kmslab.wsman import wql

Build = Callable[..., Desk]
KMS_LOG = "Key Management Service"
CMID = "11111111-2222-4333-8444-555555555555"


@pytest.fixture
def build() -> Iterator[Build]:
    started: list[Estate] = []

    def make(*machines: dict[str, Any], records: tuple[str, ...] = (srv(),), **zone: Any) -> Desk:
        zones = [{"name": "corp.example", "records": list(records), **zone}]
        estate = Estate.from_data(estate_data(*machines, zones=zones))
        estate.start()
        started.append(estate)
        return Desk(estate)

    yield make
    for estate in started:
        estate.stop()


def logged(desk: Desk, machine: str, where: str = "") -> list[Instance]:
    provider = desk.provider(machine, "Win32_NTLogEvent")
    query = wql.parse(f"SELECT * FROM Win32_NTLogEvent WHERE {where or 'RecordNumber > 0'}")
    assert query.where is not None
    test = wql.compile_condition(query.where, provider.cim_class)
    return [row for row in provider.instances() if test(row)]


def strings(row: Instance) -> list[str]:
    found = row["InsertionStrings"]
    assert isinstance(found, list)
    return found


def test_a_request_that_succeeds_is_in_three_events(build: Build) -> None:
    desk = build(host(seed_cmids=30), client(cmid=CMID))
    assert desk.activate("pc") == "ok"
    product = desk.keyed("pc")["ID"]

    (row,) = logged(desk, "kms1", f"Logfile = '{KMS_LOG}'")
    assert (row["EventCode"], row["EventIdentifier"], row["Type"]) == (12290, 0x40003002, "Information")
    assert row["SourceName"] == "Microsoft-Windows-Security-SPP"
    assert row["ComputerName"] == "kms1.corp.example"
    time = "2026/3/2 08:00"
    assert strings(row) == ["", "0x0", "25", "pc.corp.example", CMID, time, "0", "2", "43200", product]

    answer, request = logged(desk, "pc", "Logfile = 'Application'")
    assert (request["EventCode"], request["RecordNumber"]) == (12288, 1)
    assert (answer["EventCode"], answer["RecordNumber"]) == (12289, 2)
    sent = f"0x00000000, 0x00000000, kms1.corp.example:1688, {CMID}, 2026/03/02 08:00, 0, 2, 43200, {product}, 25"
    assert strings(request) == [sent]
    assert strings(answer) == ["0x00000000, 0x00000000, 1, 0, 31, 120, 10080, 2026/03/02 08:00"]


def test_what_fails_says_why(build: Build) -> None:
    machines = [
        host(),
        client("late", clock_offset_minutes=-300),
        client("lonely"),
        client("lost", domain=None),
        client("strange", edition="EnterpriseS", build=26100, kms_server="kms2"),
        host("kms2", key=OLD_HOST_KEY),
    ]
    desk = build(*machines)
    for name in ("late", "lonely", "lost", "strange"):
        desk.activate(name)
    results = [strings(row)[1] for row in logged(desk, "kms1", "EventCode = 12290")]
    assert results == ["0x0", "0xC004F06C"], "the newest first"
    assert strings(logged(desk, "kms2", "EventCode = 12290")[0])[1] == "0xC004F042"
    assert strings(logged(desk, "strange")[0])[0].startswith("0xC004F042, 0x00000000, kms2:1688, ")

    (request,) = logged(desk, "late")
    assert strings(request)[0].startswith("0xC004F06C, 0x00000000, kms1.corp.example:1688, ")
    assert ", 2026/03/02 03:00, " in strings(request)[0], "by its own clock"
    assert request["TimeGenerated"] == desk.estate.now() - datetime.timedelta(hours=5)
    assert strings(logged(desk, "lonely")[0]) == ["0xC004F038, 0x04000000, 0, 0, 1, 120, 10080, 2026/03/02 08:00"]


def test_no_record_in_dns_is_an_event_too(build: Build) -> None:
    desk = build(client(), records=())
    assert desk.activate("pc") == "0x8007232B"
    (row,) = logged(desk, "pc")
    assert strings(row)[0].startswith("0x8007232B, 0x01000000, , ")


def test_publishing_is_in_the_log(build: Build) -> None:
    good = build(host(), records=(), host_updates="any")
    (row,) = logged(good, "kms1", "EventCode = 12294")
    assert strings(row) == ["corp.example"]
    bad = build(host(), records=(), host_updates="none")
    (row,) = logged(bad, "kms1", "EventCode = 12293")
    assert (strings(row), row["Type"], row["EventIdentifier"]) == (["0x8007232D", "corp.example"], "Error", 0xC0003005)


def test_made_up_events_are_selected_by_time_and_come_newest_first(build: Build) -> None:
    desk = build(host())
    asked = {"event": 12290, "client": "pc-{n}.corp.example", "clients": 3, "minimum": 25}
    desk.estate.patch("kms1", {"add_events": [{**asked, "count": 6, "over_minutes": 60, "minutes_ago": 30}]})
    rows = logged(desk, "kms1", f"Logfile = '{KMS_LOG}'")
    ages = [(desk.estate.now() - row["TimeGenerated"]).total_seconds() / 60 for row in rows]  # type: ignore[operator]
    assert ages == [30, 40, 50, 60, 70, 80]
    assert [row["RecordNumber"] for row in rows] == [6, 5, 4, 3, 2, 1]
    assert [strings(row)[3] for row in rows[:3]] == [f"pc-{n}.corp.example" for n in (2, 1, 0)]
    assert strings(rows[0])[4] == strings(rows[3])[4], "one machine, one ID"
    after = f"{desk.estate.now() - datetime.timedelta(minutes=45):%Y%m%d%H%M%S}.000000+000"
    assert len(logged(desk, "kms1", f"EventCode = 12290 AND TimeGenerated >= '{after}'")) == 2

    # A real event goes behind them, so to speak.
    desk.estate.patch("kms1", {"add_events": [{"event": 12290, "client": "old", "minutes_ago": 1000, "joined": True}]})
    assert strings(logged(desk, "kms1")[-1])[0].startswith("0x0,0,old,")


def test_events_of_others(build: Build) -> None:
    desk = build(client())
    entry = {"event": 12293, "log": "Application", "source": "VSS", "level": "Error", "strings": ["x", "y"]}
    desk.estate.patch("pc", {"add_events": [entry]})
    (row,) = logged(desk, "pc", "SourceName = 'vss'")
    assert (row["EventCode"], strings(row), row["EventType"]) == (12293, ["x", "y"], 1)


@pytest.mark.parametrize(
    ("entries", "said"),
    [
        ([{"event": 12290, "who": "pc"}], "unknown field who"),
        ([{"event": 4711}], "needs log, source and strings"),
        ([{"client": "pc"}], "its number"),
        ({"event": 12290}, "a list"),
    ],
)
def test_events_that_cannot_be_made(build: Build, entries: Any, said: str) -> None:
    desk = build(host())
    with pytest.raises(ValueError, match=said):
        desk.estate.patch("kms1", {"add_events": entries})


def test_a_client_forgets_its_oldest_events(build: Build) -> None:
    desk = build(client(), records=())
    for _ignored in range(205):
        desk.activate("pc")
    rows = logged(desk, "pc")
    assert (len(rows), rows[0]["RecordNumber"], rows[-1]["RecordNumber"]) == (200, 205, 6)


def test_a_full_log_forgets_its_oldest_events(build: Build) -> None:
    desk = build(host(dns_publishing=False))
    desk.estate.patch(
        "kms1", {"add_events": [{"event": 12290, "client": "pc", "count": 30_010, "over_minutes": 30_010}]}
    )
    rows = desk.rows("kms1", "Win32_NTLogEvent")
    assert (len(rows), rows[0]["RecordNumber"], rows[-1]["RecordNumber"]) == (30_000, 30_010, 11)
    files = {row["LogfileName"]: row["NumberOfRecords"] for row in desk.rows("kms1", "Win32_NTEventlogFile")}
    assert files == {"Application": 0, KMS_LOG: 30_000}
