# Copyright (c) 2026, the winops.kms authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Results of a fleet -> rows and figures."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.winops.kms.plugins.plugin_utils._report.document import build_report
from ansible_collections.winops.kms.plugins.plugin_utils._report.render import render
from ansible_collections.winops.kms.plugins.plugin_utils._report.rows import MAX_TEXT, Row, clean, kms_host_of, rows_of
from ansible_collections.winops.kms.plugins.plugin_utils._report.words import DAY_BINS, SEVERITIES, STATUSES, day_bin
from ansible_collections.winops.kms.tests.unit.plugins.plugin_utils._report.fleet import (
    DENIED,
    TIME,
    UNREACHABLE,
    a_license,
    answer,
    kms_host,
)


def only_row(result: dict[str, Any], host: str = "pc1") -> Row:
    (row,) = rows_of(host, result)
    return row


def report(results: dict[str, Any], **options: Any) -> dict[str, Any]:
    return build_report(results, **{"title": "Fleet", "time": TIME, **options})


def test_a_licensed_client_is_a_row_in_order() -> None:
    row = only_row(answer(a_license()))
    assert (row.host, row.outcome, row.status, row.severity) == ("pc1", "ok", "licensed", "ok")
    assert (row.days_left, row.permanent) == (180, False)
    assert (row.kms_server, row.kms_port) == ("kms01.corp.example", 1688), "one name, however it is spelt"
    assert row.client_machine_id == "5c3a1dd9-0001"
    assert row.error_code is None, "0x4004F040 is a piece of information"
    assert row.remedy is None


def state(status: str, reason: str | None, days: int | None) -> dict[str, Any]:
    return {"status": status, "status_reason": reason, "days_remaining": days}


@pytest.mark.parametrize(
    ("changes", "status", "severity", "code", "words"),
    [
        (state("notification", "0xC004F074", 0), "notification", "bad", "0xC004F074", "TCP 1688"),
        (state("oot_grace", "0xC004F038", 3), "oot_grace", "warn", "0xC004F038", "more machines"),
        (state("oot_grace", "odd", 3), "oot_grace", "warn", None, "180 days"),
        (state("oob_grace", "0x4004F00C", 30), "oob_grace", "warn", None, "point_clients"),
        (state("unlicensed", None, 0), "unlicensed", "bad", None, "point_clients"),
        (state("unknown (9)", None, None), "other", "warn", None, "license_info"),
        ({"days_remaining": 149}, "licensed", "warn", None, "not renewed its activation for 31 days"),
        ({"days_remaining": 150}, "licensed", "ok", None, None),
        ({"days_remaining": 20, "channel": "Retail"}, "licensed", "warn", None, "ends in 20 days"),
        ({"days_remaining": 30, "channel": "Retail"}, "licensed", "ok", None, None),
    ],
)
def test_a_state_has_a_severity_a_code_and_a_remedy(
    changes: dict[str, Any], status: str, severity: str, code: str | None, words: str | None
) -> None:
    row = only_row(answer(a_license(**changes)))
    assert (row.status, row.severity, row.error_code) == (status, severity, code)
    assert (row.remedy is None) if words is None else (words in (row.remedy or "")), row.remedy


def test_a_licence_without_end_is_no_licence_of_which_no_time_is_known() -> None:
    mak = only_row(answer(a_license(channel="Volume:MAK", days_remaining=None)))
    assert (mak.permanent, day_bin(mak.days_left, permanent=mak.permanent).key) == (True, "permanent")
    odd = only_row(answer(a_license(status="oob_grace", days_remaining=None)))
    assert (odd.permanent, day_bin(odd.days_left, permanent=odd.permanent).key) == (False, "not_known")


@pytest.mark.parametrize(
    ("days", "key"),
    [(0, "expired"), (1, "under_7"), (6, "under_7"), (7, "under_30"), (29, "under_30"), (30, "under_90")]
    + [(89, "under_90"), (90, "up_to_180"), (180, "up_to_180"), (181, "over_180")],
)
def test_days_are_grouped_by_whole_days(days: int, key: str) -> None:
    assert day_bin(days, permanent=False).key == key
    assert sum(column.first <= days <= column.last for column in DAY_BINS) == 1


def test_hosts_that_tell_nothing_are_rows_with_their_reason() -> None:
    off = only_row(UNREACHABLE, "off")
    assert (off.outcome, off.status, off.severity) == ("unreachable", "not_reached", "unknown")
    assert off.error_message == "the connection was refused"
    assert "WinRM" in (off.remedy or "")
    denied = only_row(DENIED, "denied")
    assert (denied.outcome, denied.error_code, denied.remedy) == ("failed", "0x80041003", "Use an administrator")
    assert denied.error_message == "Access to WMI is denied"
    lost = only_row({}, "lost")
    assert (lost.outcome, lost.error_message) == ("failed", "No result, and no reason was told")
    assert only_row(answer()).status == "no_key"


@pytest.mark.parametrize("odd", [None, 5, "x", ["x"]])
def test_a_result_of_another_shape_is_a_failure_and_no_crash(odd: Any) -> None:
    assert only_row({"licenses": odd if odd != ["x"] else {"a": 1}}).outcome == "failed"
    assert only_row({**answer(), "licenses": ["not a licence"]}).status == "unlicensed"
    assert kms_host_of("k", {"licenses": [], "kms_host": odd}) is None
    assert only_row({"msg": odd, "error": odd}).outcome == "failed"


def test_texts_are_one_line_bounded_and_without_product_keys() -> None:
    assert clean("a\r\n\tb\x00c\u2028d") == "a b c d"
    assert len(clean("x" * 5000) or "") == MAX_TEXT
    text = clean("the key N2222-22222-22222-22222-HK222 and n2222-22222-22222-22222-hk777 are refused")
    assert text == "the key *****-*****-*****-*****-HK222 and *****-*****-*****-*****-hk777 are refused"
    identity = "5c3a1dd9-b3b4-4d37-9d9c-7d0b2ef4a2fd"
    assert clean(identity) == identity


def test_the_figures_of_a_fleet() -> None:
    found = report(
        {
            "pc1": answer(a_license(), a_license(application="office", name="Office 21"), machine="one"),
            "pc2": answer(
                a_license(status="notification", status_reason="0xC004F074", days_remaining=0), machine="ONE"
            ),
            "pc3": answer(a_license(status="oot_grace", status_reason="0xC004F074", days_remaining=9), machine="three"),
            "srv": answer(a_license(channel="Volume:MAK", days_remaining=None, kms_server=None), machine="four"),
            "off": UNREACHABLE,
            "denied": DENIED,
            "kms1": kms_host(27),
        }
    )
    summary = found["summary"]
    assert summary["totals"] == {
        "hosts": 7,
        "hosts_read": 5,
        "hosts_not_reached": 1,
        "hosts_failed": 1,
        "hosts_need_attention": 2,
        "licenses": 6,
        "licensed": 4,
        "ending_soon": 0,
        "kms_hosts": 1,
        "duplicate_client_machine_ids": 1,
    }
    assert {entry["status"]: entry["count"] for entry in summary["status"] if entry["count"]} == {
        "licensed": 4,
        "notification": 1,
        "oot_grace": 1,
        "not_reached": 1,
        "failed": 1,
    }
    assert {entry["range"]: entry["count"] for entry in summary["days_left"] if entry["count"]} == {
        "expired": 1,
        "under_30": 1,
        "up_to_180": 2,
        "permanent": 2,
        "not_known": 2,
    }
    assert summary["channels"][0] == {"channel": "Volume:GVLK", "count": 4, "licensed": 2}
    assert summary["kms_servers"] == [{"server": "kms01.corp.example", "port": 1688, "count": 4, "licensed": 2}]
    assert summary["products"][-1] == {"application": "office", "product": "Office 21", "count": 1, "licensed": 1}
    assert summary["duplicates"] == [{"client_machine_id": "one", "hosts": ["pc1", "pc2"]}]
    worst, *others = summary["errors"]
    assert (worst["code"], worst["severity"], worst["count"], worst["hosts"]) == (
        "0xC004F074",
        "bad",
        2,
        ["pc2", "pc3"],
    )
    assert {entry["code"] for entry in others} == {"0x80041003", None}
    (host,) = summary["kms_hosts"]
    assert (host["current_count"], host["enough_for_servers"], host["enough_for_clients"]) == (27, True, True)


@pytest.mark.parametrize(
    ("count", "servers", "clients"), [(None, False, False), (4, False, False), (5, True, False), (25, True, True)]
)
def test_a_kms_host_is_measured_by_both_thresholds(count: int | None, servers: bool, clients: bool) -> None:
    (host,) = report({"kms1": kms_host(count)})["summary"]["kms_hosts"]
    assert (host["enough_for_servers"], host["enough_for_clients"]) == (servers, clients)


def test_a_report_does_not_depend_on_the_order_of_the_hosts() -> None:
    results = {"b": answer(a_license(), machine="b"), "A": UNREACHABLE, "kms1": kms_host(3), "c": DENIED}
    assert report(results) == report(dict(reversed(results.items())))


def test_the_same_state_keeps_its_time_and_another_gets_a_new_one() -> None:
    first = report({"pc1": answer(a_license())})
    again = report(
        {"pc1": answer(a_license(grace_minutes_remaining=258900))}, time="later", previous=render(first, "json")
    )
    assert again == first, "minutes are not in the report"
    other = report({"pc1": answer(a_license(days_remaining=179))}, time="later", previous=render(first, "json"))
    assert other["time"] == "later"
    renamed = report({"pc1": answer(a_license())}, title="Other", time="later", previous=render(first, "json"))
    assert renamed["time"] == "later"


@pytest.mark.parametrize("previous", [None, "", "no JSON", "[]", "{}", '{"digest": 5}', "\x00"])
def test_a_file_that_is_no_report_is_no_trouble(previous: str | None) -> None:
    assert report({"pc1": answer(a_license())}, previous=previous)["time"] == TIME


def test_an_empty_fleet_is_a_report() -> None:
    empty = report({})
    assert empty["summary"]["totals"]["hosts"] == 0
    assert all(render(empty, form) for form in ("html", "csv", "json"))


def test_the_words_are_complete() -> None:
    assert {status.severity for status in STATUSES.values()} == set(SEVERITIES)
    assert all(status.advice for key, status in STATUSES.items() if key != "licensed")
