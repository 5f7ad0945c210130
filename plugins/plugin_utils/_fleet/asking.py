# Copyright (c) 2026, the winops.kms authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Ask many machines at once by threads, each within its time."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from queue import SimpleQueue
from typing import Any

from .._cim.errors import CimFault, CimTimeoutError, CimTransportError
from .._cim.session import CimSession
from .._cim.transport import Transport, send_again_if_dropped
from .._licensing.errors import LicensingError
from .._licensing.faults import error_from_fault
from .._licensing.info import read_license_info
from .._licensing.reading import Scope
from .answers import Answer, answer_of, not_asked

#: Windows answers an operation within its own limit (MaxTimeoutms) of 60 seconds, or says so.
_OPERATION_TIMEOUT = 60.0
#: Waits before a machine is asked again that has no room for a request right now (a quota fault).
_BACKOFF = (1.0, 2.0, 4.0, 8.0)
#: Seconds after its time at which a machine is given up whose thread something else holds: a look-up of a name, a
#: proxy that sends an answer's head byte by byte.
_GRACE = 2.0
#: A time-out that is so near to the end of the run comes from there.
_CLOSE = 0.1


@dataclass(frozen=True)
class Target:
    """A machine and the way to it, or why there is none (`refusal`).

    prepare: called first; the machine's time begins when it returns, because it may wait for other machines.
    release: called when the machine has been asked or given up; twice if both come to pass.
    """

    host: str
    transport: Transport | None
    refusal: str = ""
    prepare: Callable[[], None] | None = None
    release: Callable[[], None] | None = None


@dataclass(frozen=True)
class Limits:
    """concurrency: machines that are asked at the same time; the others in seconds, total None for no limit."""

    concurrency: int
    per_host: float
    total: float | None = None


def ask_all(
    targets: Iterable[Target], deliver: Callable[[Answer], None], limits: Limits, *, deadline: float | None
) -> None:
    """Ask all targets and hand each answer over, in the thread that got it.

    `targets` is read as fast as there is room for the next one, so that it may make them one by one.  deadline: of the
    monotonic clock; a target that can't be asked before it is left out.
    """
    flights = _Flights(deliver, limits, math.inf if deadline is None else deadline)
    for target in targets:
        if not flights.start(target):
            break
    flights.wait_for_all()


class _Flights:
    """The machines that are being asked, each by a thread, which goes on with another machine then.

    A thread can't be ended from outside.  One that is overdue is left to itself, and what it finds in the end is not
    listened to.
    """

    def __init__(self, deliver: Callable[[Answer], None], limits: Limits, deadline: float) -> None:
        self._deliver = deliver
        self._limits = limits
        self._deadline = deadline
        self._changed = threading.Condition()
        self._ends: dict[str, float] = {}
        self._targets: dict[str, Target] = {}
        self._room = limits.concurrency
        self._threads = self._busy = self._idle = 0
        self._next: SimpleQueue[Target | None] = SimpleQueue()
        self._next_look = 0.0

    def start(self, target: Target) -> bool:
        """Ask a machine when there is room; False when there is none before the deadline."""
        if not self._wait(self._room - 1, self._deadline):
            return False
        with self._changed:
            self._targets[target.host] = target
            self._ends[target.host] = self._deadline
            self._busy += 1
            if self._idle:
                self._idle -= 1
                self._next.put(target)
                return True
        try:
            threading.Thread(target=self._work, args=(target,), name="fleet", daemon=True).start()
        except RuntimeError:
            if self._threads:
                # As many as there are have to do; the next one that is done takes it.
                self._room = self._threads
                self._next.put(target)
                return True
            reason = "The controller lets this process have no more threads"
            self._land(not_asked(target.host, reason, remedy="Lower concurrency, or raise the limit"))
        else:
            self._threads += 1
        return True

    def wait_for_all(self) -> None:
        """Return when all answers have been handed over."""
        self._wait(0, math.inf)
        for _ignored in range(self._idle):
            self._next.put(None)

    def _work(self, first: Target) -> None:
        target: Target | None = first
        while target is not None and self._land(self._ask(target), idle=True):
            target = self._next.get()

    def _ask(self, target: Target) -> Answer:
        def begun() -> None:
            with self._changed:
                if target.host in self._ends:
                    self._ends[target.host] = min(time.monotonic() + self._limits.per_host, self._deadline)

        return ask(target, self._limits, deadline=self._deadline, begun=begun)

    def _land(self, answer: Answer, *, idle: bool = False) -> bool:
        """Hand an answer over, unless its machine has been given up.  idle: whether the thread wants another one."""
        with self._changed:
            if self._ends.pop(answer.host, None) is None:
                return False
            del self._targets[answer.host]
        delivered = False
        try:
            self._deliver(answer)
            delivered = True
        finally:
            with self._changed:
                self._busy -= 1
                self._idle += idle and delivered
                self._changed.notify()
        return True

    def _wait(self, most: int, until: float) -> bool:
        """Wait until no more than so many are being asked, but not longer than `until`."""
        while True:
            overdue: list[Target] = []
            with self._changed:
                now = time.monotonic()
                if now >= until:
                    return False
                if self._busy <= most:
                    return True
                if now >= self._next_look:
                    self._next_look = now + _GRACE / 2
                    overdue = [self._targets[host] for host, end in self._ends.items() if end + _GRACE <= now]
                if not overdue:
                    self._changed.wait(min(until - now, _GRACE / 2))
            for target in overdue:
                self._land(_too_late(target.host, self._limits, deadline=self._deadline))
                if target.release:
                    target.release()


def ask(
    target: Target, limits: Limits, *, deadline: float = math.inf, begun: Callable[[], None] = lambda: None
) -> Answer:
    """What this machine says of its licences; never raises for what the machine or the way to it does.

    begun: called when its time begins.
    """
    at = time.time()
    try:
        if target.prepare:
            target.prepare()
        begun()
        return answer_of(target.host, _ask(target, limits, deadline), at=at)
    except CimTimeoutError as error:
        if time.monotonic() >= deadline - _CLOSE:
            return _too_late(target.host, limits, deadline=deadline)
        return answer_of(target.host, {"unreachable": True, "msg": str(error)}, at=at)
    except CimTransportError as error:
        return answer_of(target.host, {"unreachable": True, "msg": str(error)}, at=at)
    except CimFault as fault:
        return answer_of(target.host, _failure(error_from_fault(fault)), at=at)
    except LicensingError as error:
        return answer_of(target.host, _failure(error), at=at)
    except Exception as error:
        # One machine must not end the run.  The text of an unknown error may hold anything, so only its kind is told.
        text = f"Its answer could not be understood ({type(error).__name__})"
        return answer_of(target.host, {"failed": True, "msg": text}, at=at)
    finally:
        if target.release:
            target.release()


def _too_late(host: str, limits: Limits, *, deadline: float) -> Answer:
    if time.monotonic() >= deadline - _CLOSE:
        return out_of_time(host, limits)
    return not_asked(host, f"It took longer than host_timeout, {limits.per_host:.0f} seconds")


def out_of_time(host: str, limits: Limits) -> Answer:
    """The answer of a machine that the time of the whole run was too short for."""
    return not_asked(
        host,
        f"The time of the whole run, {limits.total or 0:.0f} seconds, was over before it answered",
        remedy="Raise time_limit or concurrency, or call again with the same state_file, which asks only such machines",
    )


def _ask(target: Target, limits: Limits, deadline: float) -> dict[str, Any]:
    if target.transport is None:
        return {"failed": True, "msg": target.refusal}
    seconds = max(0.0, min(limits.per_host, deadline - time.monotonic()))
    transport = _Within(target.transport, seconds)
    backoff = [wait for number, wait in enumerate(_BACKOFF) if sum(_BACKOFF[: number + 1]) < seconds]
    operation = max(1.0, min(_OPERATION_TIMEOUT, seconds))
    with CimSession(transport, operation_timeout=operation, backoff=backoff) as session:
        return read_license_info(session, Scope("all"))


def _failure(error: LicensingError) -> dict[str, Any]:
    return {"failed": True, "msg": str(error), "error": error.info.as_result()}


class _Within:
    """A transport all of whose messages are answered within a time, or not at all."""

    def __init__(self, inner: Transport, seconds: float) -> None:
        self._inner = inner
        self._seconds = seconds
        self._end = time.monotonic() + seconds
        self.endpoint = inner.endpoint
        self.last_status: int | None = None

    def send(self, envelope: bytes, *, timeout: float, idempotent: bool = False) -> bytes:
        # Here and not by the transport, which would begin the time anew.
        return send_again_if_dropped(lambda: self._send_once(envelope, timeout), idempotent=idempotent)

    def _send_once(self, envelope: bytes, timeout: float) -> bytes:
        left = self._end - time.monotonic()
        if left <= 0:
            raise CimTimeoutError(
                f"It took longer than host_timeout, {self._seconds:.0f} seconds.", endpoint=self.endpoint
            )
        try:
            return self._inner.send(envelope, timeout=min(timeout, left))
        finally:
            self.last_status = self._inner.last_status

    def close(self) -> None:
        self._inner.close()
