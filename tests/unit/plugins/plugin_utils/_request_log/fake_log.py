# Copyright (c) 2026, the winops.kms authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A CimSession that has event logs, and made-up events."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta, timezone
from typing import Any

from ansible_collections.winops.kms.plugins.plugin_utils._cim.schema import CimClass, Instance
from ansible_collections.winops.kms.plugins.plugin_utils._cim.session import CimSession
from ansible_collections.winops.kms.plugins.plugin_utils._request_log.events import Event

NOW = datetime(2026, 3, 2, 9, 0, tzinfo=timezone(timedelta(hours=1)))
UTC_NOW = datetime(2026, 3, 2, 8, 0, tzinfo=timezone.utc)
PRODUCT = "68531fb9-5511-4989-97be-d11a0f55633f"


def cmid(number: int) -> str:
    return f"36f27b39-2fd5-440b-be67-{number:012d}"


def row(record: int, event: int, strings: list[str] | None, *, minutes_ago: int = 0) -> dict[str, Any]:
    """An event as WMI has it."""
    return {
        "EventCode": event,
        "InsertionStrings": strings,
        "RecordNumber": record,
        "TimeGenerated": NOW - timedelta(minutes=minutes_ago),
    }


def processed(name: str = "pc", number: int = 1, result: str = "0x0", **fields: str) -> list[str]:
    """The strings of 12290."""
    parts = {"minimum": "25", "time": "2026/3/2 08:00", "vm": "0", "status": "2", "minutes": "43200", **fields}
    return ["", result, parts["minimum"], name, cmid(number), parts["time"], *list(parts.values())[2:5], PRODUCT]


def request(name: str | None, number: int, code: int = 0, *, minutes_ago: int = 0, ahead: int = 0) -> Event:
    """An event 12290, understood; `ahead`: by how many minutes the client's clock is."""
    time = UTC_NOW - timedelta(minutes=minutes_ago)
    fields = {
        "code": code,
        "client": name,
        "client_machine_id": cmid(number),
        "client_time": time + timedelta(minutes=ahead),
        "minimum_count": 25,
        "activation_id": PRODUCT,
        "status_code": 2,
        "minutes_to_expiry": 43200,
        "virtual_machine": False,
    }
    return Event(12290, time, 1000 - minutes_ago, fields)


class FakeLogs(CimSession):
    """Answers queries of one class after the other: `rows` by class name, the events by the log in the condition."""

    def __init__(self, logs: Mapping[str, Sequence[Mapping[str, Any]]], *, now: datetime | None = NOW) -> None:
        self.logs = logs
        self.now = now
        self.queries: list[tuple[str, str, int | None]] = []

    def query(
        self,
        cim_class: CimClass,
        properties: Sequence[str] | None = None,
        where: str = "",
        *,
        limit: int | None = None,
    ) -> list[Instance]:
        assert properties is not None and "Message" not in properties
        self.queries.append((cim_class.name, where, limit))
        if cim_class.name == "Win32_OperatingSystem":
            return [Instance({"LocalDateTime": self.now})]
        assert cim_class.name == "Win32_NTLogEvent"
        (log,) = [name for name in self.logs if f"Logfile='{name}'" in where]
        return [Instance(one) for one in self.logs[log][:limit]]
