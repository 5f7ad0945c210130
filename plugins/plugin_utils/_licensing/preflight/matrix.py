# Copyright (c) 2026, the winops.kms authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which KMS host activates which Windows: the tables kms_host_matrix, kms_host_updates and windows_releases as answers.

A release is named as Microsoft's planning page names it.  What the page names nowhere (Windows 8, IoT Enterprise LTSC)
is neither covered nor not covered: the answer is that it is not known.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import NamedTuple

from ..tables import Rows, derived

SERVER, CLIENT = "server", "client"

# Whether a host can activate a client, or has an update.
YES, NO, UNKNOWN = "yes", "no", "unknown"


@dataclass(frozen=True)
class Release:
    """One release of Windows; `builds` is e.g. 17763|19044 or 10240+."""

    name: str
    kind: str
    builds: str
    editions: frozenset[str]

    def fit(self, build: int, kind: str, editions: Collection[str]) -> tuple[int, ...] | None:
        """How closely a machine fits, None when it doesn't; a larger one is closer: by edition, then by build."""
        low = int(self.builds.rstrip("+").partition("|")[0])
        exact = not self.builds.endswith("+")
        fits = str(build) in self.builds.split("|") if exact else build >= low
        if kind != self.kind or not fits or (self.editions and not self.editions & set(editions)):
            return None
        return (bool(self.editions), exact, low)


@dataclass(frozen=True)
class HostGroup:
    """A group of KMS host keys: the releases it can be installed on, and those it activates."""

    name: str
    token: str
    hosted_on: tuple[str, ...]
    activates: tuple[str, ...]


class Update(NamedTuple):
    """An update that `host` needs to activate `client`; revision: the first one of its build that has it, or None."""

    host: str
    client: str
    name: str
    revision: int | None

    def state(self, revision: int | None, listed: Collection[str]) -> str:
        """Whether a host has it.  Updates are cumulative: one that is not listed may be part of a later one."""
        if self.name in listed:
            return YES
        if self.revision is None or revision is None:
            return UNKNOWN
        return YES if revision >= self.revision else NO


@derived("windows_releases")
def releases(rows: Rows) -> tuple[Release, ...]:
    """All releases."""
    return tuple(
        Release(row["release"], row["kind"], row["builds"], frozenset(filter(None, row["edition_ids"].split("|"))))
        for row in rows
    )


@derived("kms_host_matrix")
def groups(rows: Rows) -> tuple[HostGroup, ...]:
    """All groups of KMS host keys."""
    return tuple(
        HostGroup(
            row["csvlk_group"],
            row["description_token"],
            tuple(row["hosted_on"].split("|")),
            tuple(row["activates"].split("|")),
        )
        for row in rows
    )


@derived("kms_host_updates")
def updates(rows: Rows) -> tuple[Update, ...]:
    """All updates; any one of those for the same host and client is enough."""
    return tuple(
        Update(row["host"], row["activates"], row["update"], int(row["revision"]) if row["revision"] else None)
        for row in rows
    )


def release_of(*, build: int | None, kind: str, editions: Collection[str]) -> str | None:
    """The release of a machine (build, server or client, EditionIDs), or None for one that the table lacks."""
    if build is None:
        return None
    fitting = [(fit, release.name) for release in releases() if (fit := release.fit(build, kind, editions))]
    return max(fitting, default=(None, None))[1]


def kind_of(release: str | None) -> str | None:
    """Whether a release is one of servers or of clients."""
    return next((one.kind for one in releases() if one.name == release), None)


def group_of(description: str | None) -> HostGroup | None:
    """The group of a KMS host key by the Description of its licence, or None for one that the table lacks."""
    words = (description or "").upper().replace(",", " ").split()
    return next((group for group in groups() if group.token.upper() in words), None)


def group_named(name: str | None) -> HostGroup | None:
    """A group by its name."""
    return next((group for group in groups() if group.name == name), None)


def groups_for(release: str | None) -> tuple[str, ...]:
    """The names of the groups whose keys may be installed on a release."""
    return tuple(group.name for group in groups() if release in group.hosted_on)


def covers(group: HostGroup | None, release: str | None) -> str:
    """Whether keys of a group activate a release."""
    if group is None or release is None or not any(release in one.activates for one in groups()):
        return UNKNOWN
    return YES if release in group.activates else NO


def needed(host: str | None, client: str | None = None) -> tuple[Update, ...]:
    """The updates that a host's release needs for this client, or for any."""
    return tuple(one for one in updates() if one.host == host and client in (None, one.client))


def updated(host: str | None, client: str | None, *, revision: int | None, listed: Collection[str]) -> str:
    """Whether a host has what it needs to activate a client; yes also where nothing is needed."""
    states = [one.state(revision, listed) for one in needed(host, client)]
    if not states or YES in states:
        return YES
    return UNKNOWN if UNKNOWN in states else NO
