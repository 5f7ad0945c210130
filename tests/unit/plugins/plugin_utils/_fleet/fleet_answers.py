# Copyright (c) 2026, the winops.kms authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Answers as machines give them, and a way to machines that are none."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

from ansible_collections.winops.kms.plugins.plugin_utils._cim.errors import CimTimeoutError
from ansible_collections.winops.kms.plugins.plugin_utils._fleet.answers import Answer, answer_of
from ansible_collections.winops.kms.plugins.plugin_utils._fleet.asking import Target
from ansible_collections.winops.kms.tests.unit.plugins.plugin_utils._cim.scripted import (
    ScriptedTransport,
    envelope,
    fragment,
    page,
)
from ansible_collections.winops.kms.tests.unit.plugins.plugin_utils._report.fleet import (
    DENIED,
    UNREACHABLE,
    a_license,
    answer,
    kms_host,
)

AT = 1_772_438_400.25
#: The answers of a Windows without a product key to the two queries for its licences.
SERVICE = page(fragment(Version="10.0.22631.3007", ClientMachineID="5c3a1dd9-0001"), end=True)
NO_PRODUCTS = page(end=True)


def licensed(host: str, *, machine: str | None = None, at: float = AT, **changes: Any) -> Answer:
    """A KMS client; `changes` are of its licence."""
    return answer_of(host, answer(a_license(**changes), machine=machine or f"id of {host}"), at=at)


def unlicensed(host: str, **changes: Any) -> Answer:
    return licensed(host, **{"status": "notification", "status_reason": "0xC004F074", "days_remaining": 0, **changes})


def unreachable(host: str, *, at: float = AT) -> Answer:
    return answer_of(host, UNREACHABLE, at=at)


def denied(host: str) -> Answer:
    return answer_of(host, {**DENIED, "failed": True}, at=AT)


def a_kms_host(host: str, count: int | None, **changes: Any) -> Answer:
    return answer_of(host, kms_host(count, **changes), at=AT)


def answering() -> ScriptedTransport:
    """The way to a Windows that answers."""
    return ScriptedTransport(SERVICE, NO_PRODUCTS)


def target(host: str) -> Target:
    return Target(host, answering())


class Slow:
    """The way to a Windows that takes its time; it ends when its message's time is over, or with `stop`."""

    endpoint = "http://slow:5985/wsman"
    last_status: int | None = None

    def __init__(self, stop: threading.Event, *, heeds: bool = True) -> None:
        self._stop = stop
        self._heeds = heeds
        self.timeouts: list[float] = []

    def send(self, envelope: bytes, *, timeout: float, idempotent: bool = False) -> bytes:
        self.timeouts.append(timeout)
        self._stop.wait(timeout if self._heeds else None)
        raise CimTimeoutError("The host did not answer in time.", endpoint=self.endpoint, sent=True)

    def close(self) -> None:
        pass


class Gate:
    """Counts who is inside at the same time, and lets nobody out before so many were."""

    def __init__(self, size: int) -> None:
        self._barrier = threading.Semaphore(0)
        self._lock = threading.Lock()
        self._size = size
        self.inside = self.most = 0

    def pass_through(self, request: bytes) -> bytes:
        with self._lock:
            self.inside += 1
            self.most = max(self.most, self.inside)
            if self.inside == self._size:
                self._barrier.release(10**6)
        assert self._barrier.acquire(timeout=20)
        with self._lock:
            self.inside -= 1
        return SERVICE


def wait_until(condition: Callable[[], bool]) -> None:
    """For what another process does."""
    end = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < end, "it did not come to pass"
        time.sleep(0.01)


__all__ = [
    "AT",
    "NO_PRODUCTS",
    "SERVICE",
    "Gate",
    "Slow",
    "a_kms_host",
    "answering",
    "denied",
    "envelope",
    "licensed",
    "target",
    "unlicensed",
    "unreachable",
    "wait_until",
]
