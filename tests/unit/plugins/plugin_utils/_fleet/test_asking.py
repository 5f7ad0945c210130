# Copyright (c) 2026, the winops.kms authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Asking machines by threads: one machine's trouble is its own, and takes no longer than it may."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator

import pytest

from ansible_collections.winops.kms.plugins.plugin_utils._cim.errors import (
    CimAuthenticationError,
    CimConnectionError,
    CimProtocolError,
    CimTimeoutError,
)
from ansible_collections.winops.kms.plugins.plugin_utils._cim.session import CimSession
from ansible_collections.winops.kms.plugins.plugin_utils._fleet import asking
from ansible_collections.winops.kms.plugins.plugin_utils._fleet.answers import Answer
from ansible_collections.winops.kms.plugins.plugin_utils._fleet.asking import Limits, Target, ask, ask_all
from ansible_collections.winops.kms.tests.unit.plugins.plugin_utils._cim.scripted import ScriptedTransport, Step, fault
from ansible_collections.winops.kms.tests.unit.plugins.plugin_utils._fleet.fleet_answers import (
    NO_PRODUCTS,
    SERVICE,
    Gate,
    Slow,
    answering,
    target,
)

LIMITS = Limits(concurrency=4, per_host=30)
QUOTA = fault(2150859174, subcode="w:QuotaLimit")
DROPPED = CimConnectionError("The connection was dropped.", sent=True, dropped=True)


@pytest.fixture
def stop() -> Iterator[threading.Event]:
    """Lets what is held go on at the end."""
    event = threading.Event()
    yield event
    event.set()


@pytest.fixture
def pauses(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The waits of the sessions, which are not waited."""
    waited: list[float] = []
    real = CimSession
    monkeypatch.setattr(asking, "CimSession", lambda *rest, **options: real(*rest, **options, sleep=waited.append))
    return waited


def ask_one(*steps: Step, per_host: float = 30) -> Answer:
    return ask(Target("pc", ScriptedTransport(*steps)), Limits(1, per_host))


def survey(targets: list[Target], limits: Limits = LIMITS, *, seconds: float | None = None) -> dict[str, Answer]:
    found: list[Answer] = []
    deadline = None if seconds is None else time.monotonic() + seconds
    ask_all(targets, found.append, limits, deadline=deadline)
    assert len({answer.host for answer in found}) == len(found)
    return {answer.host: answer for answer in found}


def why(answer: Answer) -> str:
    return str(answer.rows[0].error_message)


# -- one machine -------------------------------------------------------------------------------------------------------


def test_a_machine_is_asked_by_two_messages_and_its_connection_closed() -> None:
    transport = answering()
    answer = ask(Target("pc", transport), LIMITS)
    assert (answer.outcome, answer.rows[0].status, answer.rows[0].windows_version) == (
        "ok",
        "no_key",
        "10.0.22631.3007",
    )
    assert transport.actions == ["Enumerate", "Enumerate"]
    assert transport.closed == 1


@pytest.mark.parametrize(
    ("error", "outcome", "text"),
    [
        (CimConnectionError("Nobody there."), "unreachable", "Nobody there."),
        (CimAuthenticationError("Refused."), "unreachable", "Refused."),
        (CimTimeoutError("Late."), "unreachable", "Late."),
        (CimProtocolError("HTTP 503: stopped."), "unreachable", "HTTP 503: stopped."),
        (RuntimeError("a secret"), "failed", "Its answer could not be understood (RuntimeError)"),
        (MemoryError(), "failed", "Its answer could not be understood (MemoryError)"),
    ],
)
def test_whatever_is_raised_is_the_answer_of_that_machine(error: Exception, outcome: str, text: str) -> None:
    answer = ask_one(error)
    assert (answer.outcome, why(answer)) == (outcome, text)


@pytest.mark.parametrize("data", [b"", b"<html>", b"<!DOCTYPE x><x/>", b"<a/>", SERVICE[:-20], NO_PRODUCTS])
def test_an_answer_that_is_none_is_told_as_such(data: bytes) -> None:
    answer = ask_one(data)
    assert answer.outcome in ("unreachable", "failed")
    assert why(answer)


def test_a_fault_is_told_with_its_code_and_remedy() -> None:
    row = ask_one(fault(0x80041003, subcode="w:AccessDenied")).rows[0]
    assert (row.outcome, row.error_code) == ("failed", "0x80041003")
    assert row.remedy


def test_who_can_not_be_asked_has_the_reason() -> None:
    answer = ask(Target("linux", None, "It is no Windows"), LIMITS)
    assert (answer.outcome, why(answer)) == ("failed", "It is no Windows")


def test_a_dropped_connection_is_tried_again_once() -> None:
    assert ask_one(DROPPED, SERVICE, DROPPED, NO_PRODUCTS).answered
    again = ask_one(DROPPED, DROPPED)
    assert (again.outcome, why(again)) == ("unreachable", "The connection was dropped.")


def test_a_busy_machine_is_asked_again_after_waits_that_become_longer(pauses: list[float]) -> None:
    assert ask_one(QUOTA, QUOTA, SERVICE, NO_PRODUCTS).answered
    assert pauses == [1, 2]


@pytest.mark.parametrize(("per_host", "waits"), [(30, [1, 2, 4, 8]), (10, [1, 2, 4]), (3, [1]), (1, [])])
def test_the_waits_are_within_the_time_of_the_machine(pauses: list[float], per_host: float, waits: list[float]) -> None:
    answer = ask_one(*[QUOTA] * (len(waits) + 1), per_host=per_host)
    assert pauses == waits
    assert answer.outcome == "failed"
    assert "quota" in f"{why(answer)} {answer.rows[0].remedy}".lower()


def test_all_messages_together_have_the_time_of_one_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [1000.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])

    def slowly(answer: bytes) -> Callable[[bytes], bytes]:
        def take_time(request: bytes) -> bytes:
            now[0] += 20
            return answer

        return take_time

    transport = ScriptedTransport(slowly(SERVICE), slowly(NO_PRODUCTS))
    assert ask(Target("pc", transport), Limits(1, 30)).answered
    assert transport.timeouts == [30, 10]
    late = ScriptedTransport(slowly(QUOTA), slowly(SERVICE))
    monkeypatch.setattr(asking, "_BACKOFF", (0,))
    answer = ask(Target("pc", late), Limits(1, 15))
    assert (answer.outcome, late.timeouts) == ("unreachable", [15])
    assert why(answer) == "http://host:5985/wsman: It took longer than host_timeout, 15 seconds."


def test_time_spent_on_preparation_is_not_the_machines(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [1000.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    transport = answering()

    def prepare() -> None:
        now[0] += 500

    assert ask(Target("pc", transport, prepare=prepare), Limits(1, 30)).answered
    assert transport.timeouts == [30, 30]


def test_what_goes_wrong_in_preparation_is_the_answer() -> None:
    released: list[str] = []

    def prepare() -> None:
        raise CimAuthenticationError("No ticket.")

    answer = ask(Target("pc", answering(), prepare=prepare, release=lambda: released.append("pc")), LIMITS)
    assert (answer.outcome, why(answer), released) == ("unreachable", "No ticket.", ["pc"])


# -- many machines -----------------------------------------------------------------------------------------------------


def test_every_machine_has_one_answer_and_is_released() -> None:
    released: list[str] = []
    targets = [
        Target("ok", answering(), release=lambda: released.append("ok")),
        Target("bad", ScriptedTransport(DROPPED, RuntimeError()), release=lambda: released.append("bad")),
        Target("none", None, "no way", release=lambda: released.append("none")),
    ]
    found = survey(targets)
    assert {host: answer.outcome for host, answer in found.items()} == {"ok": "ok", "bad": "failed", "none": "failed"}
    assert sorted(released) == ["bad", "none", "ok"]


@pytest.mark.parametrize("concurrency", [1, 5])
def test_as_many_machines_as_wished_are_asked_at_once_and_no_more(concurrency: int) -> None:
    gate = Gate(concurrency)
    targets = [Target(f"pc{n}", ScriptedTransport(gate.pass_through, NO_PRODUCTS)) for n in range(concurrency * 4)]
    found = survey(targets, Limits(concurrency, 30))
    assert all(answer.answered for answer in found.values()) and len(found) == concurrency * 4
    assert gate.most == concurrency


def test_a_thread_asks_one_machine_after_the_other(monkeypatch: pytest.MonkeyPatch) -> None:
    before = threading.active_count()
    started: list[threading.Thread] = []
    real = threading.Thread.start

    def start(thread: threading.Thread) -> None:
        started.append(thread)
        real(thread)

    monkeypatch.setattr(threading.Thread, "start", start)
    assert len(survey([target(f"pc{number}") for number in range(40)], Limits(4, 30))) == 40
    assert len(started) <= 4
    for thread in started:
        thread.join(20)
    assert threading.active_count() <= before, "they end with the last machine"


def test_targets_are_made_when_there_is_room_for_them(stop: threading.Event) -> None:
    made: list[int] = []
    seen: list[int] = []

    def look(request: bytes) -> bytes:
        seen.append(len(made))
        return SERVICE

    def targets() -> Iterator[Target]:
        for number in range(20):
            made.append(number)
            yield Target(f"pc{number}", ScriptedTransport(look, NO_PRODUCTS))

    ask_all(targets(), lambda answer: None, Limits(2, 30), deadline=None)
    assert len(seen) == 20
    assert max(count - place for place, count in enumerate(sorted(seen), 1)) <= 2


def test_a_silent_machine_does_not_hold_up_the_others(stop: threading.Event) -> None:
    found = survey([Target("silent", Slow(stop)), *(target(f"pc{n}") for n in range(20))], Limits(2, 0.3))
    assert found.pop("silent").outcome == "unreachable"
    assert all(answer.answered for answer in found.values()) and len(found) == 20


def test_a_machine_that_can_not_be_interrupted_is_given_up(
    stop: threading.Event, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(asking, "_GRACE", 0.1)
    released: list[str] = []
    stuck = Slow(stop, heeds=False)
    targets = [
        Target("stuck", stuck, release=lambda: released.append("stuck")),
        *(target(f"pc{n}") for n in range(5)),
    ]
    found = survey(targets, Limits(1, 0.2))
    assert why(found.pop("stuck")) == "It took longer than host_timeout, 0 seconds"
    assert all(answer.answered for answer in found.values()) and len(found) == 5, "its place is free again"
    assert released == ["stuck"]
    stop.set()


def test_what_is_not_asked_before_the_end_is_left_out(stop: threading.Event) -> None:
    found = survey([Target(f"pc{n}", Slow(stop)) for n in range(9)], Limits(3, 30, 0.3), seconds=0.3)
    assert len(found) == 3
    for answer in found.values():
        assert answer.outcome == "unreachable"
        assert why(answer).startswith("The time of the whole run, 0 seconds, was over before it answered")
        assert "Raise time_limit" in str(answer.rows[0].remedy)


def test_nothing_is_asked_when_the_time_is_over() -> None:
    transport = answering()
    assert survey([Target("pc", transport)], seconds=0) == {}
    assert transport.actions == []


@pytest.mark.parametrize("room", [0, 1, 3])
def test_a_controller_without_room_for_more_threads_does_with_what_it_has(
    monkeypatch: pytest.MonkeyPatch, room: int
) -> None:
    real = threading.Thread.start
    left = [room]

    def start(thread: threading.Thread) -> None:
        if not left[0]:
            raise RuntimeError("can't start new thread")
        left[0] -= 1
        real(thread)

    monkeypatch.setattr(threading.Thread, "start", start)
    found = survey([target(f"pc{number}") for number in range(20)], Limits(10, 30))
    assert len(found) == 20
    assert {answer.answered for answer in found.values()} == {room > 0}
    if not room:
        assert "no more threads" in why(found["pc0"]) and "Lower concurrency" in str(found["pc0"].rows[0].remedy)
