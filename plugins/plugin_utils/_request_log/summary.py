# Copyright (c) 2026, the winops.kms authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Events -> what the module returns: requests, clients, client machine IDs that several machines share."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from .._licensing.hresult import describe
from .._licensing.state import DEFAULT_KMS_PORT, LICENSE_STATUS
from .events import (
    ANSWER_PROCESSED,
    PUBLISHED,
    PUBLISHING_FAILED,
    REQUEST_SENT,
    SERVICE_FAILED,
    STATUS_FLAGS,
    TIMER_FAILED,
    Event,
)

SHARED_ID = "shared_id"
SEVERAL_IDS = "several_ids"
REMEDIES = {
    SHARED_ID: (
        "Give each machine an ID of its own: sysprep /generalize in the image, and on machines that are deployed "
        "already winops.kms.rearm and a restart (the number of rearms is limited). If one machine was only renamed, "
        "nothing is to be done"
    ),
    SEVERAL_IDS: (
        "Nothing, if the machine was reinstalled or rearmed. If two machines have one name, rename one of them; if "
        "this goes on, look for what rearms the machine again and again"
    ),
}
_SUCCESS = {"code": "0x00000000", "name": "S_OK", "message": "The request was successful", "remedy": ""}
_KINDS = {
    SERVICE_FAILED: "service_failed",
    TIMER_FAILED: "timer_failed",
    PUBLISHING_FAILED: "publishing_failed",
    PUBLISHED: "published",
}

Products = Callable[[str | None], str | None]
"""Activation ID -> name of the product, None when it is not known."""


def result_of(code: int | None) -> dict[str, str | None] | None:
    """An HRESULT as every result has it: code, name, message, remedy."""
    if code is None:
        return None
    return dict(_SUCCESS) if code == 0 else describe(code).as_result()


def status_of(code: int | None) -> str | None:
    """LicenseStatus in a word."""
    if code is None:
        return None
    return LICENSE_STATUS[code] if 0 <= code < len(LICENSE_STATUS) else f"unknown ({code})"


def clock_difference(event: Event) -> int | None:
    """By how many minutes the client's clock is ahead of the log's: the time in a request is UTC, to the minute."""
    told: datetime | None = event["client_time"]
    if told is None:
        return None
    return round((told - event.time.replace(second=0, microsecond=0)) / timedelta(minutes=1))


# -- requests ----------------------------------------------------------------------------------------------------------


def request_result(event: Event, products: Products) -> dict[str, Any]:
    """What 12290 and 12288 have in common."""
    told = event["client_time"]
    return {
        "time": event.time.isoformat(),
        "client_machine_id": event["client_machine_id"],
        "result": result_of(event["code"]),
        "minimum_count": event["minimum_count"],
        "activation_id": event["activation_id"],
        "product": products(event["activation_id"]),
        "license_status": status_of(event["status_code"]),
        "minutes_to_expiry": event["minutes_to_expiry"],
        "virtual_machine": event["virtual_machine"],
        "client_time": told.isoformat() if told else None,
    }


def host_requests(events: Iterable[Event], products: Products) -> list[dict[str, Any]]:
    """Events 12290, the newest first."""
    return [
        {**request_result(event, products), "client": event["client"], "clock_difference": clock_difference(event)}
        for event in events
    ]


def client_requests(events: Sequence[Event], products: Products) -> list[dict[str, Any]]:
    """Events 12288, the newest first, each with the 12289 that followed it; without one, no usable answer came."""
    requests: list[dict[str, Any]] = []
    for event in sorted(events, key=lambda one: one.record):
        if event.event == REQUEST_SENT:
            server, port = _address(event["server"])
            requests.append(
                {
                    **request_result(event, products),
                    "server": server,
                    "port": port,
                    "status_flags": flags_of(event["flags"]),
                    "answer": None,
                }
            )
        elif event.event == ANSWER_PROCESSED and requests and requests[-1]["answer"] is None:
            requests[-1]["answer"] = {
                "time": event.time.isoformat(),
                "result": result_of(event["code"]),
                "activated": event["activated"],
                "current_count": event["current_count"],
                "activation_interval": event["activation_interval"],
                "renewal_interval": event["renewal_interval"],
                "status_flags": flags_of(event["flags"]),
            }
    return requests[::-1]


def flags_of(flags: int | None) -> list[str]:
    """The status flags of 12288 and 12289 in words; unknown ones as a number."""
    known = [name for bit, name in STATUS_FLAGS.items() if (flags or 0) & bit]
    rest = (flags or 0) & ~sum(STATUS_FLAGS)
    return known + ([f"0x{rest:08X}"] if rest else [])


def _address(text: str | None) -> tuple[str | None, int | None]:
    name, colon, port = (text or "").rpartition(":")
    if colon and port.isdigit():
        return name or None, int(port)
    return text or None, DEFAULT_KMS_PORT if text else None


def service_result(event: Event) -> dict[str, Any]:
    """One event 12291 to 12294."""
    return {
        "time": event.time.isoformat(),
        "event": event.event,
        "kind": _KINDS[event.event],
        "domain": event["domain"],
        "result": result_of(event["code"]),
    }


# -- clients -----------------------------------------------------------------------------------------------------------


@dataclass
class Client:
    """One client machine ID: the names that have used it and its requests, both with the newest first."""

    client_machine_id: str
    requests: list[Event] = field(default_factory=list)
    names: list[str] = field(default_factory=list)

    @property
    def last(self) -> Event:
        return self.requests[0]

    def as_result(self, products: Products) -> dict[str, Any]:
        names = dict.fromkeys(products(one["activation_id"]) or one["activation_id"] for one in self.requests)
        return {
            "client_machine_id": self.client_machine_id,
            "names": self.names,
            "requests": len(self.requests),
            "failed_requests": sum(bool(one["code"]) for one in self.requests),
            "last_time": self.last.time.isoformat(),
            "last_result": result_of(self.last["code"]),
            "license_status": status_of(self.last["status_code"]),
            "products": [name for name in names if name],
        }


def clients_of(events: Iterable[Event]) -> list[Client]:
    """The clients of events 12290 that come with the newest first; in the order of their last requests."""
    found: dict[str, Client] = {}
    for event in events:
        client = found.setdefault(event["client_machine_id"], Client(event["client_machine_id"]))
        client.requests.append(event)
        name = event["client"]
        if name and not any(same_name(name, known) for known in client.names):
            client.names.append(name)
    return list(found.values())


def same_name(one: str, other: str) -> bool:
    """Whether two names may be one machine's: case does not count, and a name without domain fits any domain."""
    left, right = one.lower().rstrip("."), other.lower().rstrip(".")
    if "." in left and "." in right:
        return left == right
    return left.partition(".")[0] == right.partition(".")[0]


def duplicates_of(clients: Sequence[Client]) -> list[dict[str, Any]]:
    """IDs that several names use, then names that use several IDs."""
    shared = [client for client in clients if len(client.names) > 1]
    found = [_duplicate(SHARED_ID, [client.client_machine_id], client.names) for client in shared]
    ids: dict[str, list[str]] = {}
    for client in clients:
        for name in client.names:
            ids.setdefault(name.lower(), []).append(client.client_machine_id)
    return found + [_duplicate(SEVERAL_IDS, several, [name]) for name, several in ids.items() if len(several) > 1]


def _duplicate(kind: str, ids: Sequence[str], names: Sequence[str]) -> dict[str, Any]:
    return {"kind": kind, "client_machine_ids": list(ids), "names": list(names), "remedy": REMEDIES[kind]}


def results_of(events: Iterable[Event]) -> list[dict[str, Any]]:
    """How often there was which result, the most frequent first."""
    counted: dict[int, int] = {}
    for event in events:
        counted[event["code"]] = counted.get(event["code"], 0) + 1
    order = sorted(counted.items(), key=lambda pair: -pair[1])
    return [{**(result_of(code) or {}), "requests": number} for code, number in order]


def known_products(named: Mapping[str, str]) -> Products:
    """Names by activation ID in lower case."""
    return lambda activation_id: named.get((activation_id or "").lower())
