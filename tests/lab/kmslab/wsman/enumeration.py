# Copyright (c) 2026, the winops.kms authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Enumerations that are not finished: contexts that change with every Pull, pages, quota, expiry."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from ..cim import Instance
from .envelope import new_uuid
from .faults import Details, Fault

#: Pages stop here even if the client would take more: recorded pages of Server 2012 have 75 to 77 KB.
PAGE_ITEMS = 50
PAGE_BYTES = 76 * 1024
#: Room for the envelope around a page.
OVERHEAD = 2048
#: An enumeration that nobody pulls from is dropped after this many seconds (EnumerationTimeoutms).
IDLE_SECONDS = 240.0


@dataclass
class Enumeration:
    """The rest of one result: a snapshot of instances, written as XML only when it is their turn."""

    account: str
    instances: Sequence[Instance]
    render: Callable[[Instance], str]
    position: int = 0
    deadline: float = 0.0

    @property
    def finished(self) -> bool:
        return self.position >= len(self.instances)

    def page(self, *, elements: int, max_envelope: int) -> str:
        """The XML of the next items: at least one, unless none is left.  Raises Fault when one alone is too large."""
        room = min(PAGE_BYTES, max_envelope - OVERHEAD)
        items: list[str] = []
        size = 0
        while not self.finished and len(items) < min(elements, PAGE_ITEMS):
            item = self.render(self.instances[self.position])
            length = len(item.encode())
            if not items and length > max_envelope - OVERHEAD:
                raise Fault("big_answer")
            if items and size + length > room:
                break
            items.append(item)
            size += length
            self.position += 1
        return "".join(items)


class Enumerations:
    """The unfinished enumerations of one machine."""

    def __init__(self, *, limit: int, clock: Callable[[], float] = time.monotonic) -> None:
        self.limit = limit
        self._clock = clock
        self._open: dict[str, Enumeration] = {}

    def __len__(self) -> int:
        self._expire()
        return len(self._open)

    def _expire(self) -> None:
        now = self._clock()
        for context in [key for key, item in self._open.items() if item.deadline <= now]:
            del self._open[context]

    def check_quota(self, account: str) -> None:
        """Raises the quota fault when the user has as many enumerations open as he may have."""
        if not self._open:
            return
        self._expire()
        if sum(item.account == account for item in self._open.values()) >= self.limit:
            details = Details(parameters={"limit": self.limit}, inner="quota_detail", by_generation=True)
            raise Fault("quota", details)

    def keep(self, enumeration: Enumeration) -> str:
        """Put it away; returns its context, a new one each time."""
        context = new_uuid()
        enumeration.deadline = self._clock() + IDLE_SECONDS
        self._open[context] = enumeration
        return context

    def take(self, context: str, account: str) -> Enumeration:
        """Get it back by its newest context, which is used up by that.  Raises Fault."""
        self._expire()
        found = self._open.get(context)
        if found is None or found.account != account:
            raise Fault("bad_context")
        del self._open[context]
        return found
