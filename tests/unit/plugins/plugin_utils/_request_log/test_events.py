# Copyright (c) 2026, the winops.kms authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Insertion strings of KMS events, in the forms that are known and in others."""

from __future__ import annotations

from datetime import datetime, timezone
from typing import Any

import pytest

from ansible_collections.winops.kms.plugins.plugin_utils._request_log.events import understand

CMID = "36f27b39-2fd5-440b-be67-a09996d27a38"
PRODUCT = "68531fb9-5511-4989-97be-d11a0f55633f"
PROCESSED = ["0xC004F06C", "5", "pc01.corp.example", CMID, "2010/9/29 21:46", "0", "2", "41520", PRODUCT]
SENT = ["0xC004F06C", "0x00000000", "kms01:1688", CMID, "2010/09/29 17:52", "0", "2", "41760", PRODUCT, "5"]
ANSWERED = ["0xC004F038", "0x04000008", "0", "0", "4", "120", "10080", "2026/03/02 08:00"]


def changed(strings: list[str], number: int, text: str) -> list[str]:
    return [*strings[:number], text, *strings[number + 1 :]]


@pytest.mark.parametrize(
    "strings",
    [
        PROCESSED,
        ["", *PROCESSED],
        ["0x0", *PROCESSED],
        ["12", "kms", *PROCESSED],
        [",".join(PROCESSED)],
        [", ".join(PROCESSED)],
        ["", ",".join(PROCESSED)],
        ["", *PROCESSED, "", ""],
        ["", *changed(PROCESSED, 3, f"{{{CMID.upper()}}}")],
    ],
    ids=["apart", "after an empty one", "after a number", "after two", "joined", "with spaces", "joined after one",
         "with more behind", "GUID in braces"],
)  # fmt: skip
def test_a_processed_request(strings: list[str]) -> None:
    assert understand(12290, strings) == {
        "code": 0xC004F06C,
        "minimum_count": 5,
        "client": "pc01.corp.example",
        "client_machine_id": CMID,
        "client_time": datetime(2010, 9, 29, 21, 46, tzinfo=timezone.utc),
        "virtual_machine": False,
        "status_code": 2,
        "minutes_to_expiry": 41520,
        "activation_id": PRODUCT,
    }


@pytest.mark.parametrize(
    ("number", "text", "field", "value"),
    [
        (0, "0x0", "code", 0),
        (0, "0XC004F042", "code", 0xC004F042),
        (2, "", "client", None),
        (4, "9/29/2010 21:46", "client_time", None),
        (4, "2010/29/9 21:46", "client_time", None),
        (4, "2010-09-29 1:05", "client_time", datetime(2010, 9, 29, 1, 5, tzinfo=timezone.utc)),
        (5, "1", "virtual_machine", True),
        (5, "maybe", "virtual_machine", None),
        (6, "5", "status_code", 5),
        (7, "4294967295", "minutes_to_expiry", None),
        (7, "-1", "minutes_to_expiry", None),
        (7, "many", "minutes_to_expiry", None),
        (8, "", "activation_id", None),
        (8, PRODUCT.upper(), "activation_id", PRODUCT),
    ],
)
def test_a_field_that_is_odd_does_not_spoil_the_others(number: int, text: str, field: str, value: Any) -> None:
    for strings in (["", *changed(PROCESSED, number, text)], [",".join(changed(PROCESSED, number, text))]):
        found = understand(12290, strings)
        assert found is not None and found[field] == value
        assert found["client_machine_id"] == CMID


@pytest.mark.parametrize(
    "strings",
    [
        None,
        [],
        [""],
        [None],
        ["one", "two"],
        PROCESSED[:-1],
        [",".join(PROCESSED[1:])],
        ["", *changed(PROCESSED, 0, "success")],
        ["", *changed(PROCESSED, 0, "0x1C004F06C")],
        ["", *changed(PROCESSED, 1, "a few")],
        ["", *changed(PROCESSED, 3, "pc01")],
        ["a", "b", "c", *PROCESSED],
        [",".join(PROCESSED)[:40]],
    ],
)
def test_what_is_no_request_is_unreadable(strings: Any) -> None:
    assert understand(12290, strings) is None


@pytest.mark.parametrize("strings", [[", ".join(SENT)], SENT, ["", *SENT], [",".join(SENT)]])
def test_a_sent_request(strings: list[str]) -> None:
    found = understand(12288, strings)
    assert found is not None
    assert (found["code"], found["flags"], found["server"]) == (0xC004F06C, 0, "kms01:1688")
    assert (found["client_machine_id"], found["activation_id"], found["minimum_count"]) == (CMID, PRODUCT, 5)
    assert found["client_time"] == datetime(2010, 9, 29, 17, 52, tzinfo=timezone.utc)


@pytest.mark.parametrize("last", ["", None], ids=["empty", "missing"])
def test_a_sent_request_without_a_count(last: str | None) -> None:
    strings = [", ".join(SENT[:-1] if last is None else changed(SENT, 9, last))]
    found = understand(12288, strings)
    assert found is not None and found["minimum_count"] is None and found["activation_id"] == PRODUCT


def test_a_request_that_could_not_be_sent() -> None:
    found = understand(12288, ["0x8007232B, 0x01000000, , , 2026/03/02 08:00, 0, 2, 43200, , 25"])
    assert found is not None
    assert (found["code"], found["flags"], found["server"]) == (0x8007232B, 0x01000000, None)
    assert (found["client_machine_id"], found["minimum_count"]) == (None, 25)


@pytest.mark.parametrize("strings", [[", ".join(ANSWERED)], ANSWERED, ["0x0", *ANSWERED]])
def test_an_answer(strings: list[str]) -> None:
    found = understand(12289, strings)
    assert found is not None
    assert (found["code"], found["flags"], found["activated"]) == (0xC004F038, 0x04000008, False)
    assert (found["current_count"], found["activation_interval"], found["renewal_interval"]) == (4, 120, 10080)


@pytest.mark.parametrize(
    ("event", "strings", "expected"),
    [
        (12291, ["0x80070005"], {"code": 0x80070005}),
        (12292, ["", "0x80070005"], {"code": 0x80070005}),
        (12293, ["0x80072338", "corp.example"], {"code": 0x80072338, "domain": "corp.example"}),
        (12293, ["0x80072338"], {"code": 0x80072338, "domain": None}),
        (12294, ["corp.example"], {"domain": "corp.example"}),
        (12294, [], None),
        (12291, ["broken"], None),
    ],
)
def test_the_events_of_the_service(event: int, strings: list[str], expected: dict[str, Any] | None) -> None:
    assert understand(event, strings) == expected
