# Copyright (c) 2026, the winops.kms authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Answers as lines of a file, and back."""

from __future__ import annotations

import json

import pytest

from ansible_collections.winops.kms.plugins.plugin_utils._fleet.answers import Answer, answer_of, not_asked, parse_line
from ansible_collections.winops.kms.tests.unit.plugins.plugin_utils._fleet.fleet_answers import (
    AT,
    a_kms_host,
    denied,
    licensed,
    unlicensed,
    unreachable,
)
from ansible_collections.winops.kms.tests.unit.plugins.plugin_utils._report.fleet import a_license, answer

ANSWERS = [
    licensed("pc1"),
    unlicensed("pc2"),
    unlicensed("none left", days_remaining=0, kms_port=0),
    licensed("for ever", days_remaining=None, is_addon=True),
    unreachable("off"),
    denied("denied"),
    a_kms_host("kms1", 50),
    a_kms_host("kms0", 0),
    a_kms_host("kms2", None),
    not_asked("late", "There was no time", remedy="Take more"),
    answer_of("bare", answer(), at=AT),
    answer_of("both", answer(a_license(), a_license(application="office", status="oob_grace")), at=AT),
    licensed("ü, ¥ and \u2028", name="Wíndows\nTM", kms_server="bücher.example"),
]


@pytest.mark.parametrize("given", ANSWERS, ids=lambda given: given.host)
def test_a_line_is_the_whole_answer(given: Answer) -> None:
    line = given.as_line()
    assert line.count(b"\n") == 1 and line.endswith(b"\n")
    assert parse_line(line) == given
    without_time = parse_line(given.as_line(timed=False))
    assert without_time is not None
    assert (without_time.rows, without_time.kms_host, without_time.at) == (given.rows, given.kms_host, 0)


def test_a_line_has_no_empty_fields_but_zeros() -> None:
    row = json.loads(unlicensed("pc", kms_server=None).as_line())["rows"][0]
    assert row["days_left"] == 0
    assert "kms_server" not in row and "permanent" not in row


def test_the_line_of_a_machine_does_not_change_with_the_time() -> None:
    one, other = (licensed("pc", at=at).as_line(timed=False) for at in (1.0, 2.0))
    assert one == other


def test_an_answer_cut_anywhere_is_none() -> None:
    line = ANSWERS[-1].as_line()
    assert [parse_line(line[:end]) for end in range(len(line))] == [None] * len(line)
    assert [parse_line(line[:end] + b"\n") for end in range(len(line) - 1)] == [None] * (len(line) - 1)


@pytest.mark.parametrize(
    "line",
    [
        b"\n",
        b"null\n",
        b"[]\n",
        b"5\n",
        b'{"host":"a"}\n',
        b'{"host":"a","rows":[]}\n',
        b'{"host":"a","rows":{}}\n',
        b'{"host":"a","rows":["x"]}\n',
        b'{"host":"a","rows":[{}]}\n',
        b'{"host":"a","rows":[{"host":"a","outcome":"ok","status":"licensed","severity":"ok"}],"at":null}\n',
        b'{"host":"a","rows":[{"host":"a","outcome":"ok","status":"licensed","severity":"ok"}],"kms_host":{"a":1}}\n',
        b'{"at":1' + b"0" * 400 + b',"host":"a","rows":[{"host":"a","outcome":"ok","status":"x","severity":"ok"}]}\n',
        b"\xff\xfe\n",
        b"[" * 100_000 + b"\n",
    ],
    ids=lambda line: repr(line[:60]),
)
def test_a_line_of_something_else_is_none(line: bytes) -> None:
    assert parse_line(line) is None


def test_columns_that_another_version_has_or_lacks_are_no_trouble() -> None:
    line = b'{"at":1,"host":"a","rows":[{"host":"a","outcome":"ok","status":"licensed","severity":"ok","new":"x"}]}\n'
    found = parse_line(line)
    assert found is not None and found.activated
    assert found.rows[0].product is None and found.rows[0].is_addon is False


def test_a_text_that_no_file_can_hold_does_not_end_the_run() -> None:
    found = parse_line(licensed("pc", name="half a \ud83d character").as_line())
    assert found is not None and found.rows[0].product == "half a ? character"


def test_equal_texts_are_in_memory_once() -> None:
    one, other = (parse_line(licensed(host).as_line()) for host in ("pc1", "pc2"))
    assert one is not None and other is not None
    assert one.rows[0].product is other.rows[0].product


@pytest.mark.parametrize(
    ("given", "answered", "activated"),
    [
        (licensed("a"), True, True),
        (unlicensed("a"), True, False),
        (answer_of("a", answer(), at=AT), True, False),
        (ANSWERS[-2], True, False),
        (unreachable("a"), False, False),
        (denied("a"), False, False),
    ],
)
def test_what_counts_as_answered_and_activated(given: Answer, answered: bool, activated: bool) -> None:
    assert (given.answered, given.activated) == (answered, activated)


def test_who_was_not_asked_has_the_reason_and_what_to_do() -> None:
    row = not_asked("late", "There was no time", remedy="Take more").rows[0]
    assert (row.outcome, row.error_message, row.remedy) == ("unreachable", "There was no time", "Take more")
