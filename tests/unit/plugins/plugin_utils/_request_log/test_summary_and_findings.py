# Copyright (c) 2026, the winops.kms authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is made of the events, and what is found to be wrong."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from ansible_collections.winops.kms.plugins import doc_fragments
from ansible_collections.winops.kms.plugins.plugin_utils._licensing.reading import parse_guid
from ansible_collections.winops.kms.plugins.plugin_utils._request_log import findings, summary
from ansible_collections.winops.kms.plugins.plugin_utils._request_log.events import Event, understand
from ansible_collections.winops.kms.plugins.plugin_utils._request_log.products import known_names
from ansible_collections.winops.kms.plugins.plugin_utils._request_log.reading import Extract
from ansible_collections.winops.kms.tests.unit.plugins.plugin_utils._request_log.fake_log import (
    PRODUCT,
    UTC_NOW,
    cmid,
    request,
)

CLOCK, MISMATCH, DENIED = 0xC004F06C, 0xC004F042, 0x80070005
NONE_KNOWN = summary.known_products({})


def kms_host(count: int | None = 30, required: int | None = 25, *, is_host: bool = True) -> dict[str, Any]:
    return {"is_kms_host": is_host, "current_count": count, "required_count": required}


def judge(
    *events: Event, host: dict[str, Any] | None = None, service: tuple[Event, ...] = (), **extract: bool
) -> dict[str, dict[str, Any]]:
    """Finding by code."""
    clients = summary.clients_of(one for one in events if one.fields is not None)
    found = findings.of_host(
        clients,
        summary.duplicates_of(clients),
        Extract(events, **extract),
        service,
        host or kms_host(),
        since="then",
    )
    assert [findings.SEVERITIES.index(one["severity"]) for one in found] == sorted(
        findings.SEVERITIES.index(one["severity"]) for one in found
    )
    assert all(one["message"] and one["remedy"] and "{" not in one["message"] for one in found)
    return {one["code"]: one for one in found}


# --- clients and duplicates -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("PC1", "pc1", True),
        ("pc1", "pc1.corp.example", True),
        ("pc1.corp.example.", "PC1.corp.example", True),
        ("pc1.corp.example", "pc1.other.example", False),
        ("pc1", "pc2", False),
        ("pc1", "pc10", False),
    ],
)
def test_names_of_one_machine(one: str, other: str, same: bool) -> None:
    assert summary.same_name(one, other) is same
    left, right = other, one
    assert summary.same_name(left, right) is same


def test_clients_are_told_apart_by_their_ids() -> None:
    clients = summary.clients_of(
        [
            request("b", 2, CLOCK),
            request("a.corp.example", 1, minutes_ago=1),
            request("b", 2, minutes_ago=2),
            request("A", 1, CLOCK, minutes_ago=3),
            request(None, 3, minutes_ago=4),
        ]
    )
    results = [client.as_result(NONE_KNOWN) for client in clients]
    assert [one["client_machine_id"] for one in results] == [cmid(2), cmid(1), cmid(3)]
    assert [one["names"] for one in results] == [["b"], ["a.corp.example"], []]
    assert [(one["requests"], one["failed_requests"]) for one in results] == [(2, 1), (2, 1), (1, 0)]
    assert results[0]["last_result"]["name"] == "SL_E_VL_INVALID_TIMESTAMP"
    assert results[1]["last_result"]["code"] == "0x00000000"
    assert results[1]["last_time"] == "2026-03-02T07:59:00+00:00"
    assert results[1]["products"] == [PRODUCT]
    assert clients[0].as_result(summary.known_products({PRODUCT: "Windows"}))["products"] == ["Windows"]


def test_the_table_of_products() -> None:
    names = known_names()
    assert names[PRODUCT] == "Windows Server 2008 R2 Standard"
    assert all(parse_guid(activation_id) == activation_id for activation_id in names)
    assert all(name.strip() == name != "" for name in names.values())


def test_duplicates_of_both_kinds() -> None:
    events = [request("a", 1), request("b", 1), request("c", 2), request("C", 3), request("d", 4)]
    found = summary.duplicates_of(summary.clients_of(events))
    assert [(one["kind"], one["client_machine_ids"], one["names"]) for one in found] == [
        ("shared_id", [cmid(1)], ["a", "b"]),
        ("several_ids", [cmid(2), cmid(3)], ["c"]),
    ]
    assert "rearm" in found[0]["remedy"] and found[1]["remedy"]


def test_results_are_counted() -> None:
    results = summary.results_of([request("a", 1), request("b", 2, CLOCK), request("c", 3)])
    assert [(one["code"], one["requests"]) for one in results] == [("0x00000000", 2), ("0xC004F06C", 1)]
    assert results[0]["remedy"] == "" and results[1]["remedy"]


def test_a_request_as_it_is_returned() -> None:
    (result,) = summary.host_requests([request("pc", 1, CLOCK, ahead=-300)], NONE_KNOWN)
    assert result == {
        "time": "2026-03-02T08:00:00+00:00",
        "client": "pc",
        "client_machine_id": cmid(1),
        "result": result["result"],
        "minimum_count": 25,
        "activation_id": PRODUCT,
        "product": None,
        "license_status": "oob_grace",
        "minutes_to_expiry": 43200,
        "virtual_machine": False,
        "client_time": "2026-03-02T03:00:00+00:00",
        "clock_difference": -300,
    }
    assert set(result["result"]) == {"code", "name", "message", "remedy"}


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (0, []),
        (None, []),
        (0x04000008, ["no_oem_marker", "count_too_low"]),
        (0x01000010, ["no_host_registered", "0x00000010"]),
    ],
)
def test_status_flags(flags: int | None, words: list[str]) -> None:
    assert summary.flags_of(flags) == words


# --- a client's side ------------------------------------------------------------------------------------------------


def sent(record: int, code: int = 0, server: str = "kms01:1690") -> Event:
    text = f"0x{code:08X}, 0x00000000, {server}, {cmid(1)}, 2026/03/02 08:00, 0, 2, 43200, {PRODUCT}, 25"
    return Event(12288, UTC_NOW, record, understand(12288, [text]))


def answered(record: int, code: int = 0, activated: int = 1) -> Event:
    text = f"0x{code:08X}, 0x00000000, {activated}, 0, 4, 120, 10080, 2026/03/02 08:00"
    return Event(12289, UTC_NOW, record, understand(12289, [text]))


def test_answers_belong_to_the_request_before_them() -> None:
    events = [answered(5), sent(4), sent(3, 0x800706BA, "kms00"), sent(2), answered(1)]
    newest, second, oldest = summary.client_requests(events, NONE_KNOWN)
    assert newest["answer"]["activated"] is True and newest["answer"]["current_count"] == 4
    assert (newest["server"], newest["port"]) == ("kms01", 1690)
    assert second["answer"] is None and (second["server"], second["port"]) == ("kms00", 1688)
    assert second["result"]["name"] == "RPC_S_SERVER_UNAVAILABLE"
    assert oldest["answer"] is None


@pytest.mark.parametrize(
    ("events", "code", "said"),
    [
        ([sent(1), answered(2)], None, ""),
        ([sent(1, CLOCK)], "not_activated", "kms01:1690 failed with 0xC004F06C"),
        ([sent(1, CLOCK), sent(2), answered(3)], None, ""),
        ([sent(1), answered(2), sent(3, 0x8007232B, "")], "not_activated", "a KMS host failed with 0x8007232B"),
        ([sent(1), answered(2, 0xC004F038, 0)], "count_too_low", "4 of the machines"),
        ([sent(1), answered(2, MISMATCH, 0)], "not_activated", "0xC004F042"),
        ([sent(1)], "no_answer", "was sent to kms01:1690"),
        ([], "no_attempts", "since then"),
        ([Event(12288, UTC_NOW, 1, None)], "unreadable", "left out: 1"),
    ],
)
def test_the_last_attempt_of_a_client_counts(events: list[Event], code: str | None, said: str) -> None:
    found = findings.of_client(Extract(tuple(events[::-1])), since="then")
    assert [one["code"] for one in found] == ([code] if code else [])
    if found:
        assert said in found[0]["message"] and found[0]["remedy"]


# --- findings on a host ---------------------------------------------------------------------------------------------


def test_nothing_is_wrong() -> None:
    assert judge(request("a", 1), request("b", 2)) == {}
    assert findings.sentence([]) == "0 errors, 0 warnings, 0 infos."
    assert findings.worst([]) == "none"


COPIES = (request("a", 1), request("b", 1), request("c", 2))


@pytest.mark.parametrize(
    ("events", "host", "expected"),
    [
        (COPIES, kms_host(2, 5), {"duplicates_hold_count"}),
        (COPIES, kms_host(), {"shared_client_machine_id"}),
        (COPIES, kms_host(None, 5), {"shared_client_machine_id"}),
        (COPIES[1:], kms_host(2, 5), {"count_too_low"}),
        (COPIES[1:], kms_host(5, 5), set()),
        (COPIES[1:], kms_host(None, None, is_host=False), {"not_a_kms_host"}),
        ((request("a", 1), request("a", 2)), kms_host(), {"several_client_machine_ids"}),
        ((), kms_host(), {"no_requests"}),
    ],
)
def test_findings_about_the_count(events: tuple[Event, ...], host: dict[str, Any], expected: set[str]) -> None:
    found = judge(*events, host=host)
    assert set(found) == expected
    if "duplicates_hold_count" in found:
        assert "2 of 5" in found["duplicates_hold_count"]["message"]
        assert found["duplicates_hold_count"]["clients"] == ["a", "b"]


def test_failures_are_told_by_their_code_and_only_if_they_last() -> None:
    found = judge(
        request("a", 1),
        request("b", 2, CLOCK, ahead=-300),
        request("c", 3, MISMATCH),
        request("d", 4, DENIED),
        request("a", 1, MISMATCH, minutes_ago=5),
    )
    assert {code: one["clients"] for code, one in found.items()} == {
        "clock_wrong": ["b"],
        "product_not_covered": ["c"],
        "requests_refused": ["d"],
    }
    assert {one["severity"] for one in found.values()} == {"error"}
    assert found["requests_refused"]["result_code"] == "0x80070005"


@pytest.mark.parametrize(("ahead", "expected"), [(59, set()), (60, {"clock_differs"}), (-61, {"clock_differs"})])
def test_a_clock_that_begins_to_differ(ahead: int, expected: set[str]) -> None:
    assert set(judge(request("a", 1, ahead=ahead))) == expected


def test_many_clients_are_named_in_part() -> None:
    found = judge(*(request(f"pc-{number:03}", number, CLOCK) for number in range(200)))
    finding = found["clock_wrong"]
    assert finding["message"].endswith("pc-000, pc-001, pc-002, pc-003, pc-004 and 195 more.")
    assert len(finding["clients"]) == 50


def service(event: int, record: int, *strings: str) -> Event:
    return Event(event, UTC_NOW, record, understand(event, strings))


def test_findings_about_the_service() -> None:
    events = (
        service(12294, 5, "corp.example"),
        service(12293, 4, "0x80072338", "north.example"),
        service(12293, 3, "0x80072338", "corp.example"),
        service(12291, 2, "0x80070005"),
    )
    found = judge(request("a", 1), service=events)
    assert set(found) == {"service_failed", "publishing_failed"}
    assert found["publishing_failed"]["clients"] == ["north.example"], "the newest event of a domain counts"
    assert found["publishing_failed"]["result_code"] == "0x80072338"
    results = [summary.service_result(event) for event in events]
    assert [one["kind"] for one in results] == [
        "published",
        "publishing_failed",
        "publishing_failed",
        "service_failed",
    ]
    assert results[0]["result"] is None and results[1]["result"]["code"] == "0x80072338"


def test_findings_about_the_extract() -> None:
    assert set(judge(request("a", 1), truncated=True)) == {"truncated"}
    assert set(judge(request("a", 1), truncated=True, oldest_first=True)) == {"oldest_first"}
    found = judge(request("a", 1), Event(12290, UTC_NOW, 1, None))
    assert set(found) == {"unreadable"}
    told = findings.sentence([*judge(*COPIES, host=kms_host(2, 5)).values(), *found.values()])
    assert told.startswith("1 error, 0 warnings, 1 info. The host has counted 2 of 5")


def test_every_rule_is_documented_as_it_is() -> None:
    path = Path(doc_fragments.__path__[0]).parent / "modules" / "host_requests_info.yml"
    returned = yaml.safe_load(path.read_text(encoding="utf-8"))["RETURN"]
    described = returned["findings"]["contains"]["code"]["description"]
    documented = [re.fullmatch(r"V\((\w+)\), (\w+) - (.*)", line) for line in described]
    assert [match and match.groups() for match in documented] == [
        (code, rule.severity, rule.meaning) for code, rule in findings.RULES.items()
    ]
