# Copyright (c) 2026, the winops.kms authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What an event of KMS says: insertion strings -> typed values.

Numbers and fields: Volume Activation reference, table 11 (learn.microsoft.com/previous-versions/ff793440).  It and the
samples in Microsoft's articles show all fields in one string, separated by commas; that is so for 12288 and 12289.
For 12290 several public scripts read ten strings, of which the first is something else.  So both are understood, with
strings in front that are no part of it; what is neither is no error but unreadable.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Any

REQUEST_SENT = 12288
ANSWER_PROCESSED = 12289
REQUEST_PROCESSED = 12290
SERVICE_FAILED = 12291
TIMER_FAILED = 12292
PUBLISHING_FAILED = 12293
PUBLISHED = 12294

#: Of 12288 and 12289 (Volume Activation 2.0 Operations Guide, page 29).
STATUS_FLAGS = {
    0x00000008: "no_oem_marker",
    0x01000000: "no_host_registered",
    0x02000000: "bad_registration_data",
    0x04000000: "count_too_low",
    0x08000000: "no_qualifying_firmware_marker",
}

_HEX = re.compile(r"0x[0-9a-f]{1,8}", re.IGNORECASE)
_GUID = re.compile(r"\{?([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})\}?", re.IGNORECASE)
_TIME = re.compile(r"(\d{4})[/.-](\d{1,2})[/.-](\d{1,2}) (\d{1,2}):(\d\d)")
_UNSET = (0xFFFFFFFF, -1)
# As many strings may stand before the first field.
_LEAD = 2


class _Unlike(ValueError):
    """A text that is not what its field must be."""


def _hex(text: str) -> int:
    if _HEX.fullmatch(text) is None:
        raise _Unlike(text)
    return int(text, 16)


def _number(text: str) -> int | None:
    if not re.fullmatch(r"-?\d{1,10}", text):
        raise _Unlike(text)
    value = int(text)
    return None if value in _UNSET else value


def _switch(text: str) -> bool:
    return bool(_number(text))


def _guid(text: str) -> str:
    match = _GUID.fullmatch(text)
    if match is None:
        raise _Unlike(text)
    return match.group(1).lower()


def _text(text: str) -> str | None:
    return text or None


def _time(text: str) -> datetime:
    # Of other orders of day and month nobody could tell which is which.
    match = _TIME.fullmatch(text)
    if match is None:
        raise _Unlike(text)
    year, month, day, hour, minute = (int(part) for part in match.groups())
    return datetime(year, month, day, hour, minute, tzinfo=timezone.utc)


Read = Callable[[str], Any]


@dataclass(frozen=True)
class _Field:
    """A field of an event.

    firm: it tells whether this is the event's shape; any other is None if it can't be read.
    last: it may be missing at the end.
    """

    name: str
    read: Read
    firm: bool = False
    last: bool = False


_CLIENT = (
    _Field("client_time", _time),
    _Field("virtual_machine", _switch),
    _Field("status_code", _number),
    _Field("minutes_to_expiry", _number),
    _Field("activation_id", _guid),
)

_FIELDS: Mapping[int, tuple[_Field, ...]] = {
    REQUEST_SENT: (
        _Field("code", _hex, firm=True),
        _Field("flags", _hex, firm=True),
        _Field("server", _text),
        _Field("client_machine_id", _guid),
        *_CLIENT,
        _Field("minimum_count", _number, last=True),
    ),
    ANSWER_PROCESSED: (
        _Field("code", _hex, firm=True),
        _Field("flags", _hex, firm=True),
        _Field("activated", _switch, firm=True),
        _Field("unused", _text),
        _Field("current_count", _number, firm=True),
        _Field("activation_interval", _number),
        _Field("renewal_interval", _number),
        _Field("client_time", _time, last=True),
    ),
    REQUEST_PROCESSED: (
        _Field("code", _hex, firm=True),
        _Field("minimum_count", _number, firm=True),
        _Field("client", _text),
        _Field("client_machine_id", _guid, firm=True),
        *_CLIENT,
    ),
    SERVICE_FAILED: (_Field("code", _hex, firm=True),),
    TIMER_FAILED: (_Field("code", _hex, firm=True),),
    PUBLISHING_FAILED: (_Field("code", _hex, firm=True), _Field("domain", _text, last=True)),
    PUBLISHED: (_Field("domain", _text, firm=True),),
}


@dataclass(frozen=True)
class Event:
    """One event: when (UTC), its number in its log, and its fields by name; `fields` is None when unreadable."""

    event: int
    time: datetime
    record: int
    fields: Mapping[str, Any] | None

    def __getitem__(self, name: str) -> Any:
        return (self.fields or {}).get(name)


def understand(event: int, strings: Sequence[str | None] | None) -> dict[str, Any] | None:
    """The fields of an event, None when they can't be told."""
    fields = _FIELDS[event]
    least = sum(not field.last for field in fields)
    for parts in _readings([part or "" for part in strings or ()], least):
        for offset in range(min(_LEAD, len(parts) - least) + 1):
            found = _values(fields, parts[offset:])
            if found is not None:
                return found
    return None


def _readings(strings: list[str], least: int) -> Iterator[list[str]]:
    """The strings as they are; then each one that could hold all fields, taken apart."""
    yield strings
    for text in strings:
        parts = text.split(",")
        if len(parts) >= max(least, 2):
            yield parts


def _values(fields: Sequence[_Field], parts: Sequence[str]) -> dict[str, Any] | None:
    found: dict[str, Any] = {}
    for number, field in enumerate(fields):
        try:
            found[field.name] = field.read(parts[number].strip())
        except (ValueError, IndexError):
            if field.firm:
                return None
            found[field.name] = None
    return found
