# Copyright (c) 2026, the winops.kms authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Figures of a fleet, the conditions on them, and what has changed since an earlier run."""

from __future__ import annotations

from pathlib import Path

import pytest

from ansible_collections.winops.kms.plugins.plugin_utils._fleet.answers import answer_of
from ansible_collections.winops.kms.plugins.plugin_utils._fleet.comparison import (
    CHANGES,
    changes,
    conditions_of,
    read_earlier,
)
from ansible_collections.winops.kms.plugins.plugin_utils._fleet.conditions import Condition
from ansible_collections.winops.kms.plugins.plugin_utils._fleet.errors import FleetError
from ansible_collections.winops.kms.plugins.plugin_utils._fleet.figures import METRICS, Fleet
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
    licensed("pc2", days_remaining=29),
    licensed("pc3", days_remaining=0, kms_server="gone.corp.example"),
    licensed("twin1", machine="SAME"),
    licensed("twin2", machine="same", kms_server="kms01"),
    unlicensed("late", kms_server=None),
    answer_of("keyless", answer(machine="k"), at=AT),
    a_kms_host("kms1", 50),
    a_kms_host("kms2", 24, status="notification"),
    a_kms_host("kms3", None),
    unreachable("off"),
    denied("denied"),
]
PUBLISHED = {"kms01.corp.example", "kms01", "10.9.0.1"}


def fleet(**options: object) -> Fleet:
    return Fleet(ANSWERS, **{"expiring_days": 30, "published": PUBLISHED, **options})  # type: ignore[arg-type]


def test_every_figure_of_the_fleet() -> None:
    counts = fleet().counts()
    assert counts == {
        "hosts": 12,
        "answered": 10,
        "unanswered": 2,
        "unreachable": 1,
        "failed": 1,
        "activated": 7,
        "unactivated": 3,
        "expiring": 2,
        # The three KMS hosts of this test have one ID, too.
        "sharing_id": 5,
        "not_in_dns": 1,
        "kms_hosts": 3,
        "kms_hosts_low": 2,
    }
    assert counts.keys() == METRICS.keys()
    assert counts["activated"] + counts["unactivated"] + counts["unreachable"] + counts["failed"] == counts["hosts"]


def test_licences_are_counted_by_what_they_are() -> None:
    assert fleet().kinds(2) == {
        "status": {"licensed": 7, "notification": 2},
        "edition": {"Enterprise": 9},
        "channel": {"Volume:GVLK": 6, "Volume:CSVLK": 3},
        "kms_server": {"kms01.corp.example": 3, "gone.corp.example": 1},
        "error_code": {"0x80041003": 1, "0xC004F074": 1},
    }
    assert set(map(str, fleet().kinds(0).values())) == {"{}"}


def test_figures_of_some_hosts() -> None:
    counts = fleet().counts({"pc1", "late", "off", "not in this run"})
    assert {name: count for name, count in counts.items() if count} == {
        "hosts": 3,
        "answered": 2,
        "unanswered": 1,
        "unreachable": 1,
        "activated": 1,
        "unactivated": 1,
    }
    assert set(fleet().counts(set()).values()) == {0}


def test_without_dns_nothing_is_said_of_it() -> None:
    without = fleet(published=None)
    assert "not_in_dns" not in without.counts()
    assert "not_in_dns" not in without.problems(5)
    # A domain without any record is no reason to be silent.
    assert fleet(published=set()).counts()["not_in_dns"] == 5


@pytest.mark.parametrize(("days", "count"), [(1, 1), (29, 1), (30, 2), (180, 2)])
def test_what_ends_in_fewer_days_is_expiring(days: int, count: int) -> None:
    assert fleet(expiring_days=days).counts()["expiring"] == count


def test_each_problem_names_hosts_and_what_to_do() -> None:
    problems = {
        name: {entry["host"]: entry["why"] for entry in entries} for name, entries in fleet().problems(20).items()
    }
    assert {name: set(hosts) for name, hosts in problems.items()} == {
        "unanswered": {"off", "denied"},
        "unactivated": {"late", "keyless", "kms2"},
        "expiring": {"pc2", "pc3"},
        "sharing_id": {"twin1", "twin2", "kms1", "kms2", "kms3"},
        "not_in_dns": {"pc3"},
        "kms_hosts_low": {"kms2", "kms3"},
    }
    assert problems["unanswered"]["denied"] == "Access to WMI is denied. Use an administrator"
    assert problems["unanswered"]["off"].startswith("off: the connection was refused".removeprefix("off: "))
    assert problems["unactivated"]["late"].startswith("Windows(R), Enterprise edition: notification. No KMS could be")
    assert "Install a product key" in problems["unactivated"]["keyless"]
    assert "29 days left" in problems["expiring"]["pc2"]
    assert "gone.corp.example (discovered)" in problems["not_in_dns"]["pc3"]
    assert "Client machine ID same:" in problems["sharing_id"]["twin1"]
    assert problems["kms_hosts_low"]["kms3"].startswith("It has counted 0 machines; servers need 5, clients 25")
    for entries in problems.values():
        for text in entries.values():
            assert ".." not in text and "None" not in text and "  " not in text, text


@pytest.mark.parametrize("most", [0, 1, 3])
def test_no_more_hosts_are_listed_than_wished(most: int) -> None:
    lists = fleet().problems(most)
    assert {len(entries) for entries in lists.values()} <= set(range(most + 1))
    assert len(lists["sharing_id"]) == most
    assert [one.host for one in fleet().kms_hosts(most)] == ["kms1", "kms2", "kms3"][:most]


def test_a_machine_is_activated_when_all_that_has_a_key_is() -> None:
    both = answer_of(
        "pc", answer(a_license(), a_license(application="office", status="oob_grace", name="Office")), at=AT
    )
    found = Fleet([both], expiring_days=30)
    assert found.counts()["unactivated"] == 1
    assert found.problems(1)["unactivated"][0]["why"].startswith("Office: oob_grace")


# -- conditions --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("unactivated > 0", ("unactivated", None, ">", 0, False)),
        ("unactivated>0", ("unactivated", None, ">", 0, False)),
        ("  hosts  in  kms_clients  >=  10 % ", ("hosts", "kms_clients", ">=", 10, True)),
        ("unanswered in site-a.b < 2.5%", ("unanswered", "site-a.b", "<", 2.5, True)),
        ("failed in all == 3", ("failed", "all", "==", 3, False)),
        ("kms_hosts != 2", ("kms_hosts", None, "!=", 2, False)),
        ("expiring in in <= 1", ("expiring", "in", "<=", 1, False)),
    ],
)
def test_what_a_condition_is_made_of(text: str, parts: tuple[object, ...]) -> None:
    one = Condition.parse(text, with_dns=True)
    assert (one.metric, one.group, one.sign, one.number, one.percent) == parts


@pytest.mark.parametrize("metric", METRICS)
def test_every_figure_can_be_in_a_condition(metric: str) -> None:
    count = fleet().counts()[metric]
    assert Condition.parse(f"{metric} == {count}", with_dns=True).met(fleet().counts())
    assert not Condition.parse(f"{metric} > {count}", with_dns=True).met(fleet().counts())


@pytest.mark.parametrize(
    "text",
    ["", "unactivated", "> 0", "unactivated > x", "unactivated > -1", "unactivated >", "unactivated = 0", "a > 1 > 2",
     "unactivated > 1 and failed > 1", "unactivated in > 0", "unactivated in a b > 0", "unactivated => 1", "true"],
)  # fmt: skip
def test_what_is_no_condition_is_told_with_the_way_to_write_it(text: str) -> None:
    with pytest.raises(FleetError, match=r"fail_when: '.*' is no condition\. Write it as METRIC > NUMBER or METRIC in"):
        Condition.parse(text, with_dns=True)


def test_a_figure_that_there_is_not_is_told_with_those_that_there_are() -> None:
    with pytest.raises(FleetError, match=r"fail_when: 'broken' in 'broken > 0' is not counted\. Use one of hosts, "):
        Condition.parse("broken > 0", with_dns=True)
    with pytest.raises(FleetError, match="not_in_dns is known only when domains names"):
        Condition.parse("not_in_dns > 0", with_dns=False)


@pytest.mark.parametrize(
    ("text", "met"),
    [
        ("unactivated > 2", True),
        ("unactivated > 3", False),
        ("unactivated >= 3", True),
        ("unactivated < 3", False),
        ("unactivated <= 3", True),
        ("unactivated != 3", False),
        ("unactivated == 3", True),
        ("unactivated >= 25%", True),
        ("unactivated > 25%", False),
        ("unactivated > 24.9%", True),
        ("activated < 100%", True),
    ],
)
def test_whether_a_condition_is_met(text: str, met: bool) -> None:
    assert (Condition.parse(text, with_dns=True).met(fleet().counts()) is not None) is met


def test_a_condition_that_is_met_is_told_with_the_figures() -> None:
    counts = fleet().counts()
    assert Condition.parse(" unactivated  > 5%", with_dns=True).met(counts) == (
        "unactivated  > 5% (3 of 12 hosts: are not activated)"
    )
    one = Condition.parse("unanswered in kms_hosts > 0", with_dns=True)
    assert one.met(counts) == "unanswered in kms_hosts > 0 (2 of 12 hosts of kms_hosts: did not answer)"


@pytest.mark.parametrize("sign", [">", ">=", "<", "<=", "==", "!="])
def test_a_part_of_no_hosts_is_neither_large_nor_small(sign: str) -> None:
    counts = fleet().counts(set())
    assert Condition.parse(f"activated in empty {sign} 50%", with_dns=True).met(counts) is None
    assert (Condition.parse(f"hosts in empty {sign} 1", with_dns=True).met(counts) is not None) is (sign in "<=!=")


# -- comparison --------------------------------------------------------------------------------------------------------


def test_every_way_from_one_state_to_another_has_one_name() -> None:
    states = {"a": licensed("h"), "n": unlicensed("h"), "u": unreachable("h"), "d": denied("h")}
    expected = {
        "an": "newly_unactivated", "na": "newly_activated", "au": "lost", "nu": "lost", "ad": "lost", "nd": "lost",
        "ua": "found_again", "un": "found_again", "da": "found_again", "dn": "found_again",
        "aa": None, "nn": None, "uu": None, "dd": None, "ud": None, "du": None,
    }  # fmt: skip
    for pair, name in expected.items():
        was, now = (conditions_of([states[one]]) for one in pair)
        found = {change for change, value in changes(was, now, most=5).items() if value["count"]}
        assert found == ({name} if name else set()), pair
    for answer_now in states.values():
        now = conditions_of([answer_now])
        assert {name for name, value in changes({}, now, most=5).items() if value["count"]} == {"new_hosts"}
        assert {name for name, value in changes(now, {}, most=5).items() if value["count"]} == {"gone_hosts"}


def test_the_first_hosts_are_named_and_all_are_counted() -> None:
    was = {f"pc{number}": "activated" for number in range(9)}
    found = changes(was, dict.fromkeys(was, "answered"), most=2)
    assert found["newly_unactivated"] == {"count": 9, "hosts": ["pc0", "pc1"]}
    assert found.keys() == CHANGES.keys()
    assert changes(was, was, most=0) == {name: {"count": 0, "hosts": []} for name in CHANGES}


def test_an_earlier_run_is_read_from_what_it_wrote(tmp_path: Path) -> None:
    path = tmp_path / "fleet.jsonl"
    path.write_bytes(b"".join(one.as_line(timed=False) for one in ANSWERS))
    assert read_earlier(path) == conditions_of(ANSWERS)
    path.write_bytes(b"")
    assert read_earlier(path) == {}


@pytest.mark.parametrize(
    "content", [b"host,status\n", b"\n", ANSWERS[0].as_line() + b"{}\n", ANSWERS[0].as_line()[:-1]]
)
def test_a_file_of_something_else_is_told_with_the_line(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "fleet.csv"
    path.write_bytes(content)
    line = content.count(b"\n", 0, -1) + 1
    with pytest.raises(FleetError, match=rf"compare_with: line {line} of .*fleet\.csv is no answer.*json_lines"):
        read_earlier(path)


def test_a_file_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(FleetError, match=r"compare_with: .*/none can't be read: No such file"):
        read_earlier(tmp_path / "none")
