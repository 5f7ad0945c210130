# Copyright (c) 2026, the winops.kms authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The events of the licensing service: in which log each one is, with which strings, and made-up ones for tests.

Numbers, logs and fields: Volume Activation reference, table 11 (technet ff793440).  That log files below
"Applications and Services Logs" can be classic ones, as "Key Management Service" is (source KmsRequests), is in the
registry: HKLM\\SYSTEM\\CurrentControlSet\\Services\\EventLog\\Key Management Service.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from .catalogue import stable_guid

if TYPE_CHECKING:
    from .machine import Machine, Product

APPLICATION_LOG = "Application"
KMS_LOG = "Key Management Service"
SPP_SOURCE = "Microsoft-Windows-Security-SPP"
#: As many as a log of the default 20 MiB has room for.
EVENTS_KEPT = 30_000
#: Of what a machine logs that is no KMS host.
CLIENT_EVENTS_KEPT = 200

Event = dict[str, Any]
Strings = Callable[[Event, Callable[[int], datetime]], list[str]]

INFORMATION, WARNING, ERROR = "Information", "Warning", "Error"


@dataclass(frozen=True)
class Kind:
    """An event of the licensing service: its log, level and the text around its insertion strings."""

    log: str
    level: str
    text: str
    strings: Strings


def _code(event: Event, name: str = "hresult") -> int:
    return int(str(event.get(name) or "0"), 16)


def _moment(event: Event, when: Callable[[int], datetime]) -> datetime:
    """The time on the client's own clock."""
    return when(event["client_minute"] if "client_minute" in event else event["minute"])


def _sent(event: Event, when: Callable[[int], datetime]) -> list[str]:
    """12288: one string, `, ` between the fields."""
    parts = [
        f"0x{_code(event):08X}",
        f"0x{event.get('flags', 0):08X}",
        event.get("host", ""),
        event.get("cmid", ""),
        f"{_moment(event, when):%Y/%m/%d %H:%M}",
        event.get("vm", 0),
        event.get("status", 0),
        event.get("minutes", 0),
        event.get("activation_id", ""),
        event.get("minimum", ""),
    ]
    return [", ".join(map(str, parts))]


def _answered(event: Event, when: Callable[[int], datetime]) -> list[str]:
    """12289: one string."""
    parts = [
        f"0x{_code(event):08X}",
        f"0x{event.get('flags', 0):08X}",
        event.get("activated", 0),
        0,
        event.get("count", 0),
        event.get("activation_interval", 0),
        event.get("renewal_interval", 0),
        f"{_moment(event, when):%Y/%m/%d %H:%M}",
    ]
    return [", ".join(map(str, parts))]


def _processed(event: Event, when: Callable[[int], datetime]) -> list[str]:
    """12290: ten strings, of which nobody says what the first one is; or one, `joined`, as in Microsoft's samples."""
    moment = _moment(event, when)
    parts = [
        f"0x{_code(event):X}",
        event.get("minimum", 0),
        event.get("fqdn") or event.get("client", ""),
        event.get("cmid", ""),
        f"{moment.year}/{moment.month}/{moment.day} {moment:%H:%M}",
        event.get("vm", 0),
        event.get("status", 0),
        event.get("minutes", 0),
        event.get("activation_id", ""),
    ]
    texts = [str(part) for part in parts]
    return [",".join(texts)] if event.get("joined") else ["", *texts]


def _result(event: Event, when: Callable[[int], datetime]) -> list[str]:
    return [f"0x{_code(event):08X}"]


def _publishing_failed(event: Event, when: Callable[[int], datetime]) -> list[str]:
    return [f"0x{_code(event):08X}", event.get("domain", "")]


def _published(event: Event, when: Callable[[int], datetime]) -> list[str]:
    return [event.get("domain", "")]


KINDS: Mapping[int, Kind] = {
    12288: Kind(APPLICATION_LOG, INFORMATION, "An activation request was sent to the KMS machine.", _sent),
    12289: Kind(APPLICATION_LOG, INFORMATION, "An activation response of the KMS machine was processed.", _answered),
    12290: Kind(KMS_LOG, INFORMATION, "An activation request was processed.", _processed),
    12291: Kind(APPLICATION_LOG, ERROR, "KMS could not start.", _result),
    12292: Kind(APPLICATION_LOG, ERROR, "KMS could not initialise its renewal timer.", _result),
    12293: Kind(APPLICATION_LOG, ERROR, "KMS could not publish itself in DNS.", _publishing_failed),
    12294: Kind(APPLICATION_LOG, INFORMATION, "KMS has published itself in DNS.", _published),
}

#: Status flags of 12288 and 12289 (Volume Activation 2.0 Operations Guide).
NO_REGISTRATION = 0x01000000
NOT_ENOUGH_COUNT = 0x04000000


def log_of(event: Event) -> str:
    """The log that has an event."""
    named = event.get("log")
    return str(named) if named else KINDS[event["event"]].log


def request_fields(client: Machine, product: Product | None, threshold: int) -> Event:
    """What a client says of itself in a KMS request: the fields that 12288 and 12290 share."""
    status, _reason, left = product.license.status(client.minute) if product else (0, 0, 0)
    return {
        "cmid": client.cmid,
        "client_minute": client.own_clock,
        "vm": 0,
        "status": status,
        "minutes": left,
        "activation_id": product.id if product else "",
        "minimum": threshold,
    }


_ENTRY = {
    "event", "count", "clients", "over_minutes", "minutes_ago", "log", "source", "level", "strings", "joined", "client",
    "cmid", "hresult", "flags", "host", "minimum", "status", "minutes", "activation_id", "vm", "client_clock_minutes",
    "domain", "activated", "activation_interval", "renewal_interval", "kms_count",
}  # fmt: skip


def add_events(machine: Machine, entries: Iterable[Mapping[str, Any]]) -> None:
    """Put events into a machine's logs, as if they had happened; the README lists the fields.  ValueError."""
    if isinstance(entries, Mapping) or not isinstance(entries, Iterable):
        raise ValueError("add_events: a list of events is expected")
    made = [event for entry in entries for event in _made(machine, entry)]
    everything = sorted([*machine.events, *made], key=lambda event: int(event["minute"]))
    machine.events.clear()
    machine.event_records.clear()
    for event in everything:
        machine.keep(event)


def _made(machine: Machine, entry: Mapping[str, Any]) -> Iterable[Event]:
    if not isinstance(entry, Mapping) or not isinstance(entry.get("event"), int):
        raise ValueError("add_events: an event is a mapping with its number as `event`")
    unknown = sorted(set(entry) - _ENTRY)
    if unknown:
        raise ValueError(f"add_events: unknown field {', '.join(unknown)}; known: {', '.join(sorted(_ENTRY))}")
    if entry["event"] not in KINDS and not {"log", "source", "strings"} <= set(entry):
        raise ValueError("add_events: an event that the lab does not know needs log, source and strings")
    own = {"count", "clients", "over_minutes", "minutes_ago", "client_clock_minutes", "kms_count"}
    count = int(entry.get("count", 1))
    clients = int(entry.get("clients", 1))
    over = int(entry.get("over_minutes", 0))
    latest = machine.own_clock - int(entry.get("minutes_ago", 0))
    for number in range(count):
        event = copy.deepcopy({name: value for name, value in entry.items() if name not in own})
        which = number % clients
        for name in ("client", "cmid"):
            if name in event:
                event[name] = str(event[name]).replace("{n}", str(which))
        if "cmid" not in event:
            event["cmid"] = stable_guid("event", event.get("client", machine.name), str(which))
        event["minute"] = latest - over + (over * (number + 1)) // count
        event["client_minute"] = event["minute"] + int(entry.get("client_clock_minutes", 0))
        if "kms_count" in entry:
            event["count"] = entry["kms_count"]
        yield event
