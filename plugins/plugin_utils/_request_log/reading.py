# Copyright (c) 2026, the winops.kms authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The event logs of a host, by WMI: a bounded part of them, the newest events first.

Win32_NTLogEvent has the classic logs, and "Key Management Service" is one although it is shown below "Applications and
Services Logs": it has its key in HKLM\\SYSTEM\\CurrentControlSet\\Services\\EventLog.  Properties and types:
learn.microsoft.com/previous-versions/windows/desktop/eventlogprov/win32-ntlogevent.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone

from .._cim.envelope import wql_quote
from .._cim.errors import CimTimedOut
from .._cim.schema import CimClass, Instance
from .._cim.session import CimSession
from .._licensing.errors import InvalidOption, LicensingError
from .events import Event, understand

KMS_LOG = "Key Management Service"
APPLICATION_LOG = "Application"
DEFAULT_LIMIT = 1000
MAX_LIMIT = 10_000
DEFAULT_HOURS = 24
MAX_HOURS = 24 * 366
#: More of them would tell nothing new: publishing happens once a day.
SERVICE_EVENTS_LIMIT = 100

#: The names of the licensing service as a source of events; 12289 and others are also numbers of the source VSS.
_SOURCES = (
    "Microsoft-Windows-Security-SPP",
    "Software Protection Platform Service",
    "Microsoft-Windows-Security-Licensing-SLC",
    "Software Licensing Service",
)
EVENT_CLASS = CimClass(
    namespace="root/cimv2",
    name="Win32_NTLogEvent",
    fields={
        "EventCode": "uint16",
        "InsertionStrings": "string[]",
        "Logfile": "string",
        "RecordNumber": "uint32",
        "SourceName": "string",
        "TimeGenerated": "datetime",
    },
    keys=("Logfile", "RecordNumber"),
)
# Not Message: the host would look up and put together a text for every event.
_COLUMNS = ("EventCode", "InsertionStrings", "RecordNumber", "TimeGenerated")
_CLOCK_CLASS = CimClass(
    namespace="root/cimv2",
    name="Win32_OperatingSystem",
    fields={"LocalDateTime": "datetime"},
    keys=("Name",),
)


@dataclass(frozen=True)
class Wish:
    """Which part of the log is wanted, as the options say it; without `since` the last `hours` of the host's clock."""

    side: str
    hours: int = DEFAULT_HOURS
    since: datetime | None = None
    until: datetime | None = None
    limit: int = DEFAULT_LIMIT


@dataclass(frozen=True)
class Window:
    """A time span by the host's clock; `until` itself is outside of it, and None is no end."""

    now: datetime
    since: datetime
    until: datetime | None


@dataclass(frozen=True)
class Extract:
    """What was read of a log: the events, the newest first.

    truncated: there are more in the window.  oldest_first: the host has not sent the newest ones.
    """

    events: tuple[Event, ...]
    truncated: bool = False
    oldest_first: bool = False


def check_number(option: str, value: int, highest: int) -> int:
    """The value of an option that is at least 1; raises InvalidOption."""
    if not 1 <= value <= highest:
        raise InvalidOption(option, f"{value} is not between 1 and {highest}")
    return value


def parse_time(option: str, text: str | None) -> datetime | None:
    """A time in ISO 8601; one without a time zone is UTC.  Raises InvalidOption."""
    if not text:
        return None
    plain = text.strip()
    try:
        moment = datetime.fromisoformat(plain[:-1] + "+00:00" if plain[-1:] in ("Z", "z") else plain)
    except ValueError:
        raise InvalidOption(
            option, f"{text!r} is not a time in ISO 8601, such as 2026-03-02T08:00:00Z or 2026-03-02"
        ) from None
    return moment.replace(tzinfo=timezone.utc) if moment.tzinfo is None else moment.astimezone(timezone.utc)


def host_time(session: CimSession) -> datetime:
    """The time by the host's own clock, by which it stamps its events."""
    rows = session.query(_CLOCK_CLASS, ["LocalDateTime"], limit=1)
    now = rows[0].get("LocalDateTime") if rows else None
    if not isinstance(now, datetime):
        raise LicensingError(
            "the host does not tell its time (Win32_OperatingSystem.LocalDateTime)",
            remedy="Give the option since, or repair WMI on the host",
        )
    return now.astimezone(timezone.utc)


def window_of(session: CimSession, wish: Wish) -> Window:
    """The span of a wish on this host."""
    now = host_time(session)
    end = wish.until or now
    return Window(now, wish.since or end - timedelta(hours=wish.hours), wish.until)


def read_log(
    session: CimSession, log: str, numbers: Sequence[int], window: Window, *, limit: int, of_service: bool = False
) -> Extract:
    """Events by their numbers; of_service: only those that the licensing service has written.  LicensingError."""
    conditions = [f"Logfile={wql_quote(log)}", _either("EventCode", [str(number) for number in numbers])]
    if of_service:
        conditions.append(_either("SourceName", [wql_quote(source) for source in _SOURCES]))
    conditions.append(f"TimeGenerated>='{_dmtf(window.since)}'")
    if window.until is not None:
        conditions.append(f"TimeGenerated<'{_dmtf(window.until)}'")
    # One more than wanted tells whether there are more.
    try:
        rows = session.query(EVENT_CLASS, _COLUMNS, " AND ".join(conditions), limit=limit + 1)
    except CimTimedOut:
        raise LicensingError(
            f"the host took longer to search its log {log} than WinRM waits",
            remedy="Ask for a shorter time (hours, or since and until), or make the log smaller",
        ) from None
    events = [_event(row) for row in rows]
    truncated = len(events) > limit
    # Nothing promises an order.
    oldest_first = truncated and events[0].record < events[-1].record
    events.sort(key=lambda event: (event.time, event.record), reverse=True)
    return Extract(tuple(events[:limit]), truncated, oldest_first)


def _event(row: Instance) -> Event:
    return Event(
        row["EventCode"],
        row["TimeGenerated"].astimezone(timezone.utc),
        row["RecordNumber"],
        understand(row["EventCode"], row.get("InsertionStrings")),
    )


def _either(name: str, literals: Sequence[str]) -> str:
    text = " OR ".join(f"{name}={literal}" for literal in literals)
    return f"({text})" if len(literals) > 1 else text


def _dmtf(moment: datetime) -> str:
    return f"{moment.astimezone(timezone.utc):%Y%m%d%H%M%S.%f}+000"
