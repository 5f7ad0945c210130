# Copyright (c) 2026, the winops.kms authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The words of the report: states, what they mean for an operator, and how days and counts are grouped."""

from __future__ import annotations

from dataclasses import dataclass

#: From the worst to the best; the page lists them in this order.
SEVERITIES = ("bad", "warn", "unknown", "ok")

# Microsoft, "Key Management Services (KMS) activation planning": an activation by KMS lasts 180 days and is renewed
# every 7; Windows warns from 30 days before its end; a KMS host counts a machine for 30 days.
VALIDITY_DAYS = 180
WARN_DAYS = 30
COUNTED_DAYS = 30
#: Machines that must have asked a KMS host before it activates servers and Office, and Windows clients.
SERVER_THRESHOLD = 5
CLIENT_THRESHOLD = 25


@dataclass(frozen=True)
class Status:
    """A state of a row: how the report calls it, how bad it is, and what to do when no error code says more."""

    label: str
    severity: str
    advice: str = ""


_ACTIVATE = "Activate it, for a KMS client with the playbook winops.kms.point_clients"

STATUSES: dict[str, Status] = {
    "notification": Status("Notification", "bad", f"Windows asks its users for activation. {_ACTIVATE}"),
    "unlicensed": Status("Unlicensed", "bad", _ACTIVATE),
    "no_key": Status("No product key", "bad", "Install a product key, for a KMS client with winops.kms.point_clients"),
    "non_genuine_grace": Status("Non-genuine grace", "bad", "Install a genuine key of this edition, and activate it"),
    "oot_grace": Status(
        "Grace after expiry",
        "warn",
        "It has not reached a KMS host for 180 days. Make one reachable, then activate it",
    ),
    "oob_grace": Status("First grace", "warn", _ACTIVATE),
    "extended_grace": Status("Extended grace", "warn", _ACTIVATE),
    "other": Status("Unknown state", "warn", "Look at it with winops.kms.license_info"),
    "not_reached": Status(
        "Not reached",
        "unknown",
        "Make sure that the machine is on, that WinRM answers at its address and that the account may log on",
    ),
    "failed": Status("Could not be read", "unknown", "See the reason beside the host, and run the report again"),
    "licensed": Status("Licensed", "ok"),
}


@dataclass(frozen=True)
class Bin:
    """One column of the days that are left: whole days from `first` up to `last`."""

    key: str
    label: str
    severity: str
    first: int
    last: int


_FAR = 10**9

DAY_BINS = (
    Bin("expired", "expired", "bad", -_FAR, 0),
    Bin("under_7", "under 7", "warn", 1, 6),
    Bin("under_30", "7 to 29", "warn", 7, 29),
    Bin("under_90", "30 to 89", "ok", 30, 89),
    Bin("up_to_180", "90 to 180", "ok", 90, 180),
    Bin("over_180", "over 180", "ok", 181, _FAR),
)
#: Licences that do not end, and rows of which no time is known.
PERMANENT = Bin("permanent", "no end", "ok", 0, 0)
NO_TIME = Bin("not_known", "not known", "unknown", 0, 0)


def status_of(key: str) -> Status:
    """The words for a state; a state that Windows may get one day is `other`."""
    return STATUSES.get(key, STATUSES["other"])


def day_bin(days_left: int | None, *, permanent: bool) -> Bin:
    """The column that a row belongs to."""
    if permanent:
        return PERMANENT
    if days_left is None:
        return NO_TIME
    return next(column for column in DAY_BINS if column.first <= days_left <= column.last)
