# Copyright (c) 2026, the winops.kms authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""host_requests_info: who asked a KMS host, which machines share an ID, why a client is not activated."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.winops.kms.tests.system.harness import Play, kinds
from kmslab.control import Lab

pytestmark = pytest.mark.estate("requests")

SHARED = "11111111-2222-4333-8444-555555555555"
ASK: list[dict[str, Any]] = [{"name": "ask", "winops.kms.activation": {}, "ignore_errors": True}]


def look(**options: Any) -> list[dict[str, Any]]:
    return [{"name": "look", "winops.kms.host_requests_info": options}]


def codes(result: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {finding["code"]: finding for finding in result["findings"]}


def test_who_asked_and_why_the_count_stands_still(lab: Lab, play: Play, connection: str) -> None:
    order = "copy-1,copy-2,pc-01,pc-02,pc-03,late,new,lost"
    plays = [
        {"name": "ask", "hosts": order, "serial": 1, "tasks": ASK},
        {"name": "look", "hosts": "kms1", "tasks": look()},
        {"name": "look at clients", "hosts": "late,lost,pc-01", "tasks": look(side="client")},
    ]
    run = play(plays, connection=connection)
    result = run.result("kms1", "look")

    assert not result["changed"] and not result["truncated"] and result["unreadable"] == 0
    assert [one["client"] for one in result["requests"]] == [
        f"{name}.corp.example" for name in ("new", "late", "pc-03", "pc-02", "pc-01", "copy-2", "copy-1")
    ]
    newest = result["requests"][2]
    assert newest["time"] == "2026-03-02T08:00:00+00:00" and newest["clock_difference"] == 0
    assert newest["result"]["code"] == "0x00000000" and newest["minimum_count"] == 25
    assert (newest["license_status"], newest["minutes_to_expiry"]) == ("oob_grace", 43200)

    assert result["unique_client_machine_ids"] == 6 and result["kms_host"]["current_count"] == 4
    (shared,) = result["duplicates"]
    assert (shared["kind"], shared["client_machine_ids"]) == ("shared_id", [SHARED])
    assert shared["names"] == ["copy-2.corp.example", "copy-1.corp.example"] and "sysprep" in shared["remedy"]
    (client,) = [one for one in result["clients"] if one["client_machine_id"] == SHARED]
    assert (client["requests"], client["failed_requests"]) == (2, 0)
    assert client["last_result"]["code"] == "0x00000000"

    found = codes(result)
    assert set(found) == {"duplicates_hold_count", "clock_wrong", "product_not_covered", "publishing_failed"}
    assert found["publishing_failed"]["clients"] == ["corp.example"], "the zone lets nobody write"
    assert "4 of 25" in found["duplicates_hold_count"]["message"]
    assert found["clock_wrong"]["clients"] == ["late.corp.example"]
    assert found["product_not_covered"]["result_code"] == "0xC004F042"
    assert all(one["remedy"] for one in result["findings"]) and result["worst"] == "error"
    assert {one["code"]: one["requests"] for one in result["results"]} == {
        "0x00000000": 5,
        "0xC004F06C": 1,
        "0xC004F042": 1,
    }
    assert [one["kind"] for one in result["service_events"]] == ["publishing_failed"]

    late, lost, pc = (run.result(name, "look") for name in ("late", "lost", "pc-01"))
    assert late["requests"][0]["result"]["name"] == "SL_E_VL_INVALID_TIMESTAMP"
    assert late["requests"][0]["server"] == "kms1.corp.example" and late["requests"][0]["answer"] is None
    assert list(codes(late)) == ["not_activated"]
    assert lost["requests"][0]["server"] is None
    assert lost["requests"][0]["result"]["code"] == "0x8007232B"
    assert lost["requests"][0]["status_flags"] == ["no_host_registered"]
    (request,) = pc["requests"]
    assert request["product"] == "Windows(R), Enterprise edition"
    assert request["answer"]["result"]["code"] == "0xC004F038" and not request["answer"]["activated"]
    assert request["answer"]["status_flags"] == ["count_too_low"]
    assert list(codes(pc)) == ["count_too_low"] and pc["worst"] == "info"
    assert not [one for one in lab.requests("kms1") if one["kind"] != "read"], "reading alone"


def test_a_large_log_is_read_in_part(lab: Lab, play: Play) -> None:
    """20,000 events of a week; what is read does not depend on it."""
    many = {"event": 12290, "client": "pc-{n}.corp.example", "clients": 900, "minimum": 25, "hresult": "0x00000000"}
    lab.patch(
        "kms1",
        {
            "add_events": [
                {**many, "count": 20_000, "over_minutes": 10_080},
                {"event": 12290, "client": "odd", "joined": True, "minutes_ago": 3},
                {"event": 12290, "log": "Key Management Service", "strings": ["what", "is", "this"], "minutes_ago": 2},
                {
                    "event": 12293,
                    "log": "Application",
                    "source": "VSS",
                    "level": "Error",
                    "strings": ["0x80042302", ""],
                },
            ]
        },
    )
    tasks = [
        {"name": "limit", "winops.kms.host_requests_info": {"hours": 168, "limit": 500}},
        {"name": "window", "winops.kms.host_requests_info": {"since": "2026-03-02T07:55:00Z"}},
        {
            "name": "older",
            "winops.kms.host_requests_info": {"since": "2026-03-01T00:00:00", "until": "2026-03-01 00:10"},
        },
        {"name": "too much", "winops.kms.host_requests_info": {"limit": 10001}, "ignore_errors": True},
        {"name": "upside down", "winops.kms.host_requests_info": {"since": "2026-03-02", "until": "2026-03-01"},
         "ignore_errors": True},
    ]  # fmt: skip
    lab.clear_requests()
    run = play(tasks, hosts="kms1")
    limited, window, older = (run.result("kms1", name) for name in ("limit", "window", "older"))

    assert limited["truncated"] and "truncated" in codes(limited)
    assert len(limited["requests"]) + limited["unreadable"] == 500
    times = [one["time"] for one in limited["requests"]]
    assert times == sorted(times, reverse=True) and times[0] == "2026-03-02T08:00:00+00:00"
    published = [one["domain"] for one in limited["service_events"]]
    assert published == ["corp.example"], "another source's 12293 is none of KMS"

    assert not window["truncated"] and window["unreadable"] == 1
    assert min(one["time"] for one in window["requests"]) >= "2026-03-02T07:55:00"
    assert any(one["client"] == "odd" for one in window["requests"]), "both forms of 12290 are understood"
    assert older["requests"] and {one["time"][:15] for one in older["requests"]} == {"2026-03-01T00:0"}

    assert "between 1 and 10000" in run.result("kms1", "too much")["msg"]
    assert "not after since" in run.result("kms1", "upside down")["msg"]
    requests = lab.requests("kms1")
    # 501 of 20,000 events in pages of 50, and three such modules.
    assert kinds(requests) == {"read": len(requests)} and len(requests) <= 30
    assert lab.machine("kms1")["open_enumerations"] == 0
