# Copyright (c) 2026, the winops.kms authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is deleted and added, for every kind of difference. Pure: no server."""

from __future__ import annotations

from typing import Any

import dns.name
import dns.rdata
import dns.rdataclass
import dns.rdatatype
import pytest

from ansible_collections.winops.kms.plugins.module_utils._dns.records import (
    RecordSet,
    SrvRecord,
    record_set,
    same_set,
    text,
)
from ansible_collections.winops.kms.plugins.module_utils._dns.update import (
    Change,
    Goal,
    Host,
    plan,
    probe_message,
    update_message,
)

OWNER = "_vlmcs._tcp.lab.test"


def srv(line: str) -> SrvRecord:
    """From "TTL priority weight port target."."""
    ttl, priority, weight, port, target = line.split()
    return SrvRecord(dns.name.from_text(target), int(port), int(priority), int(weight), int(ttl))


def srv_set(*lines: str) -> RecordSet:
    return record_set(srv(line) for line in lines)


def lines(records: RecordSet) -> list[str]:
    return [f"{r.ttl} {r.priority} {r.weight} {r.port} {r.target.to_text()}" for r in records]


KMS1 = "3600 0 0 1688 kms01.lab.test."
KMS2 = "3600 0 0 1688 kms02.lab.test."
KMS3 = "3600 5 10 1688 kms03.lab.test."


@pytest.mark.parametrize(
    ("current", "goal", "delete", "add"),
    [
        pytest.param([], {}, [], [KMS1], id="first record of a set"),
        pytest.param([KMS1], {}, [], [], id="converged"),
        pytest.param([KMS1, KMS2], {}, [], [], id="converged among others"),
        pytest.param(["3600 0 0 1688 KMS01.Lab.Test."], {}, [], [], id="case does not count"),
        pytest.param([KMS2, KMS3], {}, [], [KMS1], id="others stay"),
        pytest.param([KMS1, KMS2], {"port": 1700}, [KMS1], ["3600 0 0 1700 kms01.lab.test."], id="another port"),
        pytest.param(
            [KMS1, KMS2], {"priority": 3, "weight": 7}, [KMS1], ["3600 3 7 1688 kms01.lab.test."], id="priority, weight"
        ),
        pytest.param(
            ["3600 0 0 1688 KMS01.Lab.Test.", KMS2],
            {"weight": 1},
            ["3600 0 0 1688 KMS01.Lab.Test."],
            ["3600 0 1 1688 kms01.lab.test."],
            id="deleted as it was read",
        ),
        pytest.param(
            [KMS1, "3600 0 0 1700 kms01.lab.test.", "3600 9 0 1688 kms01.lab.test.", KMS2],
            {},
            ["3600 9 0 1688 kms01.lab.test.", "3600 0 0 1700 kms01.lab.test."],
            [],
            id="a host has one record",
        ),
        pytest.param(["60 0 0 1688 kms01.lab.test."], {}, [], [], id="own TTL is kept"),
        pytest.param(
            ["60 0 0 1688 kms01.lab.test."],
            {"weight": 1},
            ["60 0 0 1688 kms01.lab.test."],
            ["60 0 1 1688 kms01.lab.test."],
            id="own TTL is kept in a change",
        ),
        pytest.param(["60 0 0 1688 kms02.lab.test."], {}, [], ["60 0 0 1688 kms01.lab.test."], id="TTL of the set"),
        pytest.param([], {"ttl": 0}, [], ["0 0 0 1688 kms01.lab.test."], id="TTL 0 is a TTL"),
        pytest.param(
            [KMS1, KMS2],
            {"ttl": 60},
            [KMS1, KMS2],
            ["60 0 0 1688 kms01.lab.test.", "60 0 0 1688 kms02.lab.test."],
            id="one TTL for the set",
        ),
        pytest.param(
            ["3600 5 10 1700 KMS02.Lab.Test.", "60 0 0 1688 kms01.lab.test."],
            {"ttl": 60},
            ["3600 5 10 1700 KMS02.Lab.Test."],
            ["60 5 10 1700 KMS02.Lab.Test."],
            id="a neighbour's data stays to the letter",
        ),
        pytest.param(["60 0 0 1688 kms02.lab.test.", KMS3], {}, [], ["60 0 0 1688 kms01.lab.test."], id="mixed TTLs"),
        pytest.param([], {"present": False}, [], [], id="absent: empty"),
        pytest.param([KMS2], {"present": False}, [], [], id="absent: converged"),
        pytest.param([KMS1, KMS2], {"present": False}, [KMS1], [], id="absent"),
        pytest.param(
            ["3600 7 7 1700 KMS01.LAB.TEST.", KMS2],
            {"present": False},
            ["3600 7 7 1700 KMS01.LAB.TEST."],
            [],
            id="absent: whatever the values",
        ),
        pytest.param(
            [KMS1, "3600 0 0 1700 kms01.lab.test."],
            {"present": False, "port": 1700},
            ["3600 0 0 1700 kms01.lab.test."],
            [],
            id="absent: one port",
        ),
        pytest.param([KMS1, KMS2], {"present": False, "ttl": 60}, [KMS1], [], id="absent: the TTL of others stays"),
    ],
)
def test_plan(current: list[str], goal: dict[str, int], delete: list[str], add: list[str]) -> None:
    values = {name: value for name, value in goal.items() if name in ("port", "priority", "weight")}
    others: dict[str, Any] = {name: value for name, value in goal.items() if name not in values}
    wanted = Goal("lab.test", (Host("kms01.lab.test", **values),), **others)
    check_plan(current, wanted, delete, add)


def check_plan(current: list[str], goal: Goal, delete: list[str], add: list[str]) -> None:
    before = srv_set(*current)
    change = plan(before, goal)
    assert lines(change.delete) == delete
    assert lines(change.add) == add
    assert bool(change) == bool(delete or add)
    assert sorted(lines(change.after)) == sorted([line for line in lines(before) if line not in delete] + add)
    assert not plan(change.after, goal)


KMS4 = "3600 1 2 1700 kms04.lab.test."
SEVERAL = (Host("kms01.lab.test"), Host("KMS04.lab.test", 1700, 1, 2))


@pytest.mark.parametrize(
    ("current", "goal", "delete", "add"),
    [
        pytest.param([KMS2], {}, [], [KMS1, "3600 1 2 1700 KMS04.lab.test."], id="all are added"),
        pytest.param([KMS2, KMS4], {}, [], [KMS1], id="one is added"),
        pytest.param([KMS1, KMS2, KMS4], {}, [], [], id="converged"),
        pytest.param([KMS1, KMS2, KMS4], {"present": False}, [KMS1, KMS4], [], id="all go"),
        pytest.param(
            [KMS1, KMS2], {"ttl": 3600}, [], ["3600 1 2 1700 KMS04.lab.test."], id="a neighbour's TTL is right"
        ),
        pytest.param([KMS1, KMS2, KMS4], {"exclusive": True}, [KMS2], [], id="exclusive: others go"),
        pytest.param([KMS1, KMS4], {"exclusive": True}, [], [], id="exclusive: converged"),
        pytest.param(
            [KMS2, KMS3, "3600 9 2 1700 kms04.lab.test."],
            {"exclusive": True},
            [KMS2, KMS3, "3600 9 2 1700 kms04.lab.test."],
            [KMS1, "3600 1 2 1700 KMS04.lab.test."],
            id="exclusive: all of it at once",
        ),
        pytest.param(
            ["60 0 0 1688 kms02.lab.test."],
            {"exclusive": True, "ttl": 300},
            ["60 0 0 1688 kms02.lab.test."],
            ["300 0 0 1688 kms01.lab.test.", "300 1 2 1700 KMS04.lab.test."],
            id="exclusive: who goes gets no TTL",
        ),
    ],
)
def test_plan_for_several_hosts(current: list[str], goal: dict[str, Any], delete: list[str], add: list[str]) -> None:
    check_plan(current, Goal("lab.test", SEVERAL, **goal), delete, add)


def test_what_is_kept_is_known() -> None:
    assert lines(plan(srv_set(KMS1, KMS2, KMS4), Goal("lab.test", SEVERAL)).keep) == [KMS1, KMS4]
    assert lines(plan(srv_set(KMS2, KMS4), Goal("lab.test", SEVERAL)).keep) == [KMS4]


def test_a_probe_asks_for_the_same_change_under_a_prerequisite_that_nobody_can_meet() -> None:
    change = Change(srv_set(KMS1, KMS2), delete=srv_set(KMS1), add=srv_set(KMS3))
    apex, owner = dns.name.from_text("lab.test."), dns.name.from_text(OWNER + ".")
    first, second = probe_message(apex, owner, change), probe_message(apex, owner, change)
    for message in (first, second):
        ((nobody,),) = message.prerequisite
        assert ".invalid." in nobody.to_text() or b"invalid" in (nobody.to_wire() or b"")
        assert [list(rrset) for rrset in message.update] == [[srv(KMS1).rdata()], [srv(KMS3).rdata()]]
    assert list(first.prerequisite[0]) != list(second.prerequisite[0])
    removal = probe_message(apex, owner, Change(srv_set(KMS1), delete=srv_set(KMS1)))
    # Deleting what is not there is allowed to anybody by some servers, so a removal is asked for as an add.
    assert [(rrset.deleting, list(rrset)) for rrset in removal.update] == [(None, [srv(KMS1).rdata()])]


def test_an_update_requires_exactly_what_was_read_and_changes_only_the_difference() -> None:
    change = Change(srv_set(KMS1, KMS2), delete=srv_set(KMS1), add=srv_set(KMS3))
    message = update_message(dns.name.from_text("lab.test."), dns.name.from_text(OWNER + "."), change)
    prerequisites = [(rrset.ttl, rdata) for rrset in message.prerequisite for rdata in rrset]
    assert [ttl for ttl, _rdata in prerequisites] == [0, 0]
    assert [rdata for _ttl, rdata in prerequisites] == [record.rdata() for record in change.before]
    deleting, adding = message.update
    assert (deleting.deleting, list(deleting)) == (dns.rdataclass.NONE, [srv(KMS1).rdata()])
    assert (adding.deleting, adding.ttl, list(adding)) == (None, 3600, [srv(KMS3).rdata()])


def test_rdata_is_what_dnspython_makes_of_it_and_keeps_its_case_beside_the_zone_name() -> None:
    record = srv("3600 1 2 1688 KMS01.LAB.TEST.")
    usual = dns.rdata.from_text(dns.rdataclass.IN, dns.rdatatype.SRV, "1 2 1688 KMS01.LAB.TEST.")
    assert record.rdata().to_wire() == usual.to_wire()
    # A message that names lab.test first invites compression of the target, which loses the case of its end.
    change = Change((record,), delete=(record,))
    wire = update_message(dns.name.from_text("lab.test."), dns.name.from_text(OWNER + "."), change).to_wire()
    assert wire.count(b"\x05KMS01\x03LAB\x04TEST\x00") == 2


def test_sets_compare_without_regard_to_order_and_case() -> None:
    one = (srv(KMS1), srv(KMS2))
    assert same_set(one, (srv(KMS2.upper()), srv(KMS1)))
    assert not same_set(one, (srv(KMS1),))
    assert not same_set(one, (srv(KMS1), srv("60 0 0 1688 kms02.lab.test.")))
    assert not same_set(one, (srv(KMS1), srv("3600 0 1 1688 kms02.lab.test.")))


def test_a_set_reads_as_sorted_lines_of_a_zone_file() -> None:
    records = (srv("60 0 0 1688 b.lab.test."), srv("60 0 0 1688 A.lab.test."), srv("60 0 0 999 b.lab.test."))
    assert text(records, OWNER) == (
        "_vlmcs._tcp.lab.test. 60 IN SRV 0 0 1688 A.lab.test.\n"
        "_vlmcs._tcp.lab.test. 60 IN SRV 0 0 999 b.lab.test.\n"
        "_vlmcs._tcp.lab.test. 60 IN SRV 0 0 1688 b.lab.test.\n"
    )
    assert text((), OWNER) == ""
