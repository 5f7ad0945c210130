# Copyright (c) 2026, the winops.kms authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The record of what was asked: one entry per authenticated WS-Management request, without any body."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Mapping
from dataclasses import asdict, dataclass


@dataclass(frozen=True, slots=True)
class Exchange:
    """One request and what it got.

    `action` and `resource` are URIs, `method` the name of the WMI method that it invokes or empty; `kind` is read,
    write or shell; `status` the HTTP status, 0 when the connection was dropped instead of answered; `bytes_in` and
    `bytes_out` the sizes of the HTTP bodies.
    """

    machine: str
    action: str
    resource: str
    method: str
    kind: str
    status: int
    bytes_in: int
    bytes_out: int
    message_id: str = ""


@dataclass(slots=True)
class Totals:
    """What was asked in all: requests of each kind, and their bytes as in Exchange."""

    requests: int = 0
    bytes_in: int = 0
    bytes_out: int = 0
    read: int = 0
    write: int = 0
    shell: int = 0

    def count(self, exchange: Exchange) -> None:
        """Add one."""
        self.requests += 1
        self.bytes_in += exchange.bytes_in
        self.bytes_out += exchange.bytes_out
        setattr(self, exchange.kind, getattr(self, exchange.kind) + 1)


class Recorder:
    """Keeps exchanges in order; with a limit, only the newest of them.  The totals count all, whatever the limit.

    Rounds of authentication (answered 401) and requests that never reached a machine are not in it: it counts what a
    Windows host would have been asked to do.
    """

    def __init__(self, limit: int | None = None) -> None:
        self._exchanges: deque[Exchange] = deque(maxlen=limit)
        self._totals = Totals()
        self._by_machine: dict[str, Totals] = {}
        self._by_status: Counter[int] = Counter()

    def add(self, exchange: Exchange) -> None:
        """Append one."""
        self._exchanges.append(exchange)
        self._totals.count(exchange)
        self._by_status[exchange.status] += 1
        of_machine = self._by_machine.get(exchange.machine)
        if of_machine is None:
            of_machine = self._by_machine[exchange.machine] = Totals()
        of_machine.count(exchange)

    def clear(self) -> None:
        """Forget all."""
        self._exchanges.clear()
        self._totals = Totals()
        self._by_machine.clear()
        self._by_status.clear()

    def entries(self, machine: str | None = None) -> list[dict[str, object]]:
        """The exchanges as JSON-ready dictionaries, of one machine (name without case) or of all."""
        wanted = machine.lower() if machine else None
        return [asdict(item) for item in self._exchanges if wanted is None or item.machine.lower() == wanted]

    def totals(self) -> dict[str, object]:
        """The totals of all machines; `machines` is how many of them were asked anything, `statuses` by HTTP status."""
        statuses = {str(status): count for status, count in sorted(self._by_status.items())}
        return {**asdict(self._totals), "machines": len(self._by_machine), "statuses": statuses}

    def totals_by_machine(self) -> Mapping[str, dict[str, int]]:
        """Machine -> its totals, for those that were asked anything."""
        return {name: asdict(totals) for name, totals in self._by_machine.items()}
