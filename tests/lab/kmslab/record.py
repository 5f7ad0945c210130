# Copyright (c) 2026, the winops.kms authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The record of what was asked: one entry per authenticated WS-Management request, without any body."""

from __future__ import annotations

from collections import deque
from dataclasses import asdict, dataclass


@dataclass(frozen=True)
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


class Recorder:
    """Keeps exchanges in order; with a limit, only the newest of them.

    Rounds of authentication (answered 401) and requests that never reached a machine are not in it: it counts what a
    Windows host would have been asked to do.
    """

    def __init__(self, limit: int | None = None) -> None:
        self._exchanges: deque[Exchange] = deque(maxlen=limit)

    def add(self, exchange: Exchange) -> None:
        """Append one."""
        self._exchanges.append(exchange)

    def clear(self) -> None:
        """Forget all."""
        self._exchanges.clear()

    def entries(self, machine: str | None = None) -> list[dict[str, object]]:
        """The exchanges as JSON-ready dictionaries, of one machine (name without case) or of all."""
        wanted = machine.lower() if machine else None
        return [asdict(item) for item in self._exchanges if wanted is None or item.machine.lower() == wanted]
