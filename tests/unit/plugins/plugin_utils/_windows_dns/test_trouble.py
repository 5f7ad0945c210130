# Copyright (c) 2026, the winops.kms authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Other writers, lost answers and refusals, at every place where they can come."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from ansible_collections.winops.kms.plugins.module_utils._dns.errors import ConvergenceError
from ansible_collections.winops.kms.plugins.module_utils._dns.update import Goal, Host
from ansible_collections.winops.kms.plugins.plugin_utils._cim.errors import (
    CimAccessDenied,
    CimConnectionError,
    CimError,
    CimQuotaError,
    CimTransportError,
)
from ansible_collections.winops.kms.plugins.plugin_utils._windows_dns.ensure import (
    MOST_LOST_ANSWERS,
    MOST_ROUNDS,
    MOST_UNHEEDED,
    PATIENCE,
    Outcome,
    ensure,
)
from ansible_collections.winops.kms.plugins.plugin_utils._windows_dns.errors import FaultError
from ansible_collections.winops.kms.tests.unit.plugins.plugin_utils._windows_dns.fake_dns_server import (
    FakeDnsServer,
    Srv,
    Trouble,
    dropped,
    no_answer,
    refused,
    timed_out,
)

KMS1 = "3600 0 0 1688 kms01.lab.test."
KMS2 = "3600 0 0 1688 kms02.lab.test."
CREATE = "CreateInstanceFromPropertyData"


def goal(*hosts: Host, **values: Any) -> Goal:
    return Goal(**{"domain": "lab.test", "hosts": hosts or (Host("kms01.lab.test"),), "zone": "lab.test", **values})


def reach(server: FakeDnsServer, wanted: Goal | None = None, pause: Callable[[float], None] | None = None) -> Outcome:
    return ensure(server, wanted or goal(), pause=pause or (lambda seconds: None), jitter=lambda: 0.5)


#: Each way to change a record: what is there, what is wanted, the call, what is there afterwards.
WAYS = [
    pytest.param([KMS2], goal(), CREATE, [KMS1, KMS2], id="create"),
    pytest.param(
        [KMS1, KMS2], goal(Host("kms01.lab.test", 1700)), "Modify", ["3600 0 0 1700 kms01.lab.test.", KMS2], id="modify"
    ),
    pytest.param([KMS1], goal(ttl=60), "Modify", ["60 0 0 1688 kms01.lab.test."], id="modify the TTL alone"),
    pytest.param([KMS1, KMS2], goal(present=False), "Delete", [KMS2], id="delete"),
]


# --- answers that are lost ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("error", [dropped, timed_out])
@pytest.mark.parametrize(("lines", "wanted", "method", "after"), WAYS)
def test_a_call_that_was_carried_out_is_not_made_again(
    lines: list[str], wanted: Goal, method: str, after: list[str], error: Callable[[], CimError]
) -> None:
    server = FakeDnsServer(*lines)
    server.troubles[method] = [Trouble(error, done=True)]
    outcome = reach(server, wanted)
    assert [call.method for call in server.calls] == [method]
    assert server.lines == sorted(after)
    assert (outcome.changed, outcome.attempts, outcome.error) == (True, 1, None)
    assert sorted(outcome.before.splitlines()) != sorted(outcome.after.splitlines())
    assert outcome.before.count("\n") == len(lines)


@pytest.mark.parametrize("error", [dropped, timed_out])
@pytest.mark.parametrize(("lines", "wanted", "method", "after"), WAYS)
def test_a_call_that_does_not_show_is_made_again_after_a_while(
    lines: list[str], wanted: Goal, method: str, after: list[str], error: Callable[[], CimError]
) -> None:
    server = FakeDnsServer(*lines)
    server.troubles[method] = [Trouble(error)]
    waited: list[float] = []
    outcome = reach(server, wanted, waited.append)
    assert waited == list(PATIENCE)
    assert [call.method for call in server.calls] == [method, method]
    assert server.lines == sorted(after)
    assert (outcome.changed, outcome.attempts) == (True, 2)


def test_a_call_that_is_carried_out_late_is_not_made_again() -> None:
    server = FakeDnsServer(KMS2)
    server.troubles[CREATE] = [Trouble(timed_out)]
    waited: list[float] = []

    def pause(seconds: float) -> None:
        waited.append(seconds)
        if len(waited) == 3:
            server.records.append(Srv.of(KMS1))

    outcome = reach(server, pause=pause)
    assert len(server.calls) == 1
    assert len(waited) == 3
    assert outcome.changed
    assert "kms01" not in outcome.before


def test_answers_that_are_lost_for_good_end_it() -> None:
    server = FakeDnsServer(KMS2)
    server.troubles[CREATE] = [Trouble(dropped, times=99)]
    with pytest.raises(CimConnectionError) as caught:
        reach(server)
    assert caught.value.outcome_unknown
    assert len(server.calls) == MOST_LOST_ANSWERS + 1


def test_time_outs_for_good_are_an_error_that_says_so() -> None:
    server = FakeDnsServer(KMS2)
    server.troubles[CREATE] = [Trouble(timed_out, times=99)]
    with pytest.raises(FaultError) as caught:
        reach(server)
    assert caught.value.name == "TIMED_OUT"
    assert "changing the records" in caught.value.message


def test_a_host_that_is_lost_while_looking_leaves_the_outcome_open() -> None:
    server = FakeDnsServer(KMS2)
    server.troubles[CREATE] = [Trouble(dropped, done=True)]

    def pause(seconds: float) -> None:
        server.troubles["query"] = [Trouble(no_answer, times=99)]

    with pytest.raises(CimTransportError) as caught:
        reach(server, pause=pause)
    assert caught.value.outcome_unknown
    assert len(server.calls) == 1


def test_one_look_that_fails_is_followed_by_another() -> None:
    server = FakeDnsServer(KMS2)
    server.troubles[CREATE] = [Trouble(dropped, done=True)]
    server.before[3] = lambda: server.troubles.update(query=[Trouble(no_answer, times=2)])
    outcome = reach(server)
    assert outcome.changed
    assert len(server.calls) == 1


def test_a_host_that_is_lost_after_a_change_was_made_leaves_the_outcome_open() -> None:
    server = FakeDnsServer(KMS2)
    server.before[3] = lambda: server.troubles.update(query=[Trouble(no_answer)])
    with pytest.raises(CimTransportError) as caught:
        reach(server)
    assert caught.value.outcome_unknown


def test_a_host_that_cannot_be_reached_is_no_open_outcome() -> None:
    server = FakeDnsServer(KMS2)
    server.troubles["query"] = [Trouble(no_answer)]
    with pytest.raises(CimTransportError) as caught:
        reach(server)
    assert not caught.value.outcome_unknown
    assert server.calls == []


# --- others who write -----------------------------------------------------------------------------------------------


def test_records_that_others_make_meanwhile_stay_and_are_no_part_of_the_difference() -> None:
    server = FakeDnsServer(KMS2)
    server.before[3] = lambda: server.records.append(Srv.of("3600 0 0 1688 kms03.lab.test."))
    outcome = reach(server)
    assert len(server.lines) == 3
    assert [str(record.as_result()["target"])[:5] for record in outcome.records] == ["kms01", "kms02", "kms03"]
    assert "kms03" in outcome.before and "kms03" in outcome.after
    assert "kms01" not in outcome.before and "kms01" in outcome.after


def test_a_record_that_another_run_has_made_meanwhile_is_no_error_and_no_change() -> None:
    server = FakeDnsServer(KMS2)
    server.before[3] = lambda: server.records.append(Srv.of(KMS1))
    outcome = reach(server)
    assert (outcome.changed, outcome.error) == (False, None)
    assert server.lines == sorted([KMS1, KMS2])


def test_a_record_that_is_gone_meanwhile_is_made_anew() -> None:
    server = FakeDnsServer(KMS1, KMS2)
    server.before[3] = lambda: server.records.remove(Srv.of(KMS1))
    outcome = reach(server, goal(Host("kms01.lab.test", 1700)))
    assert [call.method for call in server.calls] == ["Modify", CREATE]
    assert server.lines == sorted(["3600 0 0 1700 kms01.lab.test.", KMS2])
    assert (outcome.changed, outcome.attempts) == (True, 2)


def test_a_record_that_is_gone_already_is_as_good_as_deleted() -> None:
    server = FakeDnsServer(KMS1, KMS2)
    server.before[3] = server.records.clear
    outcome = reach(server, goal(present=False))
    assert (outcome.changed, outcome.error) == (False, None)


def test_a_neighbour_that_changes_meanwhile_keeps_its_change() -> None:
    server = FakeDnsServer(KMS2)

    def change() -> None:
        server.records.remove(Srv.of(KMS2))
        server.records.append(Srv.of("3600 7 7 1700 kms02.lab.test."))

    server.before[4] = change  # after our record is made, before its neighbour gets the TTL
    outcome = reach(server, goal(ttl=60))
    assert outcome.error is None
    assert server.lines == ["60 0 0 1688 kms01.lab.test.", "60 7 7 1700 kms02.lab.test."]
    assert "3600 IN SRV 7 7 1700 kms02.lab.test." in outcome.before


def test_a_change_that_is_undone_at_once_is_made_again() -> None:
    server = FakeDnsServer(KMS2)
    server.before[4] = lambda: server.records.remove(Srv.of(KMS1))
    outcome = reach(server)
    assert [call.method for call in server.calls] == [CREATE, CREATE]
    assert server.lines == sorted([KMS1, KMS2])
    assert outcome.changed


def test_a_set_that_is_rewritten_all_the_time_ends_it() -> None:
    server = FakeDnsServer(KMS2)
    ports = iter(range(2000, 3000))

    def others() -> None:
        server.records[:] = [Srv("kms01.lab.test.", port=next(ports))]

    server.before = {number: others for number in range(4, 200)}
    with pytest.raises(ConvergenceError) as caught:
        reach(server)
    assert caught.value.name == "LOST_RACE"
    assert str(MOST_ROUNDS) in caught.value.message


def test_changes_without_effect_end_it() -> None:
    server = FakeDnsServer(KMS2)
    server.heeds_nothing = True
    with pytest.raises(ConvergenceError) as caught:
        reach(server)
    assert caught.value.name == "NOT_APPLIED"
    assert len(server.calls) == MOST_UNHEEDED


def test_twelve_hosts_that_publish_at_the_same_time_are_all_there() -> None:
    server = FakeDnsServer()
    hosts = [f"kms{number:02}.lab.test" for number in range(12)]

    def publish(number: int) -> None:
        """Between the reading and the writing of one host comes all of the next one."""
        if number < len(hosts):
            last = server.reads
            server.reads = []
            original = server.invoke

            def invoke(*arguments: Any, **parameters: Any) -> Any:
                server.invoke = original  # type: ignore[method-assign]
                publish(number + 1)
                return original(*arguments, **parameters)

            server.invoke = invoke  # type: ignore[method-assign]
            assert reach(server, goal(Host(hosts[number]))).changed
            server.reads = last

    publish(0)
    assert [record.target for record in sorted(server.records, key=lambda record: record.target)] == [
        f"{host}." for host in hosts
    ]


# --- refusals -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("code", "name"),
    [
        (0x800725EC, "DNS_ERROR_NODE_IS_CNAME"),
        (0x80072587, "DNS_ERROR_ZONE_LOCKED"),
        (0x80041001, "WMI_FAULT"),
    ],
)
@pytest.mark.parametrize(("lines", "wanted", "method", "after"), WAYS)
def test_a_refusal_is_the_error_once_a_look_has_shown_that_nobody_was_faster(
    lines: list[str], wanted: Goal, method: str, after: list[str], code: int, name: str
) -> None:
    server = FakeDnsServer(*lines)
    server.troubles[method] = [Trouble(refused(code), times=99)]
    with pytest.raises(FaultError) as caught:
        reach(server, wanted)
    assert (caught.value.name, caught.value.code) == (name, f"0x{code:08X}")
    assert "Weigerung in der Sprache des Hosts" in caught.value.message
    assert caught.value.remedy
    assert len(server.calls) == 1
    assert server.lines == sorted(lines)


def test_a_denial_is_the_error_at_once() -> None:
    server = FakeDnsServer(KMS2)
    server.troubles[CREATE] = [Trouble(lambda: CimAccessDenied("Zugriff verweigert", code=5))]
    with pytest.raises(FaultError) as caught:
        reach(server)
    assert caught.value.name == "ACCESS_DENIED"
    assert len(server.reads) == 2


def test_a_used_up_quota_has_its_own_remedy() -> None:
    server = FakeDnsServer(KMS2)
    server.troubles["query"] = [Trouble(lambda: CimQuotaError("Kontingent", code=0x803381A6), times=99)]
    with pytest.raises(FaultError) as caught:
        reach(server)
    assert caught.value.name == "QUOTA"


def test_a_refusal_after_a_part_of_the_work_leaves_an_outcome_with_what_was_done() -> None:
    server = FakeDnsServer(KMS2)
    server.troubles["Modify"] = [Trouble(refused(0x80072587), times=99)]
    outcome = reach(server, goal(ttl=60))
    assert isinstance(outcome.error, FaultError)
    assert outcome.changed
    assert outcome.before == "_vlmcs._tcp.lab.test. 3600 IN SRV 0 0 1688 kms02.lab.test.\n"
    assert outcome.after.splitlines() == [
        "_vlmcs._tcp.lab.test. 60 IN SRV 0 0 1688 kms01.lab.test.",
        "_vlmcs._tcp.lab.test. 3600 IN SRV 0 0 1688 kms02.lab.test.",
    ]
