# Copyright (c) 2026, the winops.kms authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Ask many machines at once by threads, each within its time."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from .._cim.errors import CimConnectionError, CimFault, CimTimeoutError, CimTransportError
from .._cim.session import CimSession
from .._cim.transport import Transport
from .._licensing.errors import LicensingError
from .._licensing.faults import error_from_fault
from .._licensing.info import read_license_info
from .._licensing.reading import Scope
from .answers import Answer, answer_of

#: Windows answers an operation within its own limit (MaxTimeoutms) of 60 seconds, or says so.
_OPERATION_TIMEOUT = 60.0
#: Waits before a machine is asked again that has no room for a request right now (a quota fault).
_BACKOFF = (1.0, 2.0, 4.0, 8.0)


@dataclass(frozen=True)
class Target:
    """A machine and the way to it, or why there is none (`refusal`).

    release: called when the machine has been asked.
    """

    host: str
    transport: Transport | None
    refusal: str = ""
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
    room = threading.BoundedSemaphore(limits.concurrency)

    def work(target: Target) -> None:
        try:
            deliver(ask(target, limits, deadline=deadline))
        finally:
            room.release()

    with ThreadPoolExecutor(limits.concurrency, thread_name_prefix="fleet") as pool:
        for target in targets:
            left = None if deadline is None else deadline - time.monotonic()
            if left is not None and (left <= 0 or not room.acquire(timeout=left)):
                break
            if left is None:
                room.acquire()
            pool.submit(work, target)


def ask(target: Target, limits: Limits, *, deadline: float | None = None) -> Answer:
    """What this machine says of its licences; never raises for what the machine or the way to it does."""
    at = time.time()
    try:
        return answer_of(target.host, _ask(target, limits, deadline), at=at)
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


def _ask(target: Target, limits: Limits, deadline: float | None) -> dict[str, Any]:
    if target.transport is None:
        return {"failed": True, "msg": target.refusal}
    seconds = limits.per_host if deadline is None else max(0.0, min(limits.per_host, deadline - time.monotonic()))
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
        try:
            return self._send_once(envelope, timeout)
        except CimConnectionError as error:
            if not (idempotent and error.dropped):
                raise
        # Here and not by the transport, which would begin the time anew.
        return self._send_once(envelope, timeout)

    def _send_once(self, envelope: bytes, timeout: float) -> bytes:
        left = self._end - time.monotonic()
        if left <= 0:
            raise CimTimeoutError(f"It took longer than {self._seconds:.0f} seconds.", endpoint=self.endpoint)
        try:
            return self._inner.send(envelope, timeout=min(timeout, left))
        finally:
            self.last_status = self._inner.last_status

    def close(self) -> None:
        self._inner.close()
