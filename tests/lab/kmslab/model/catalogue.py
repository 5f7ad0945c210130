# Copyright (c) 2026, the winops.kms authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The catalogue: editions with their client setup keys, Windows releases, KMS host key groups, languages."""

from __future__ import annotations

import csv
import functools
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

_FOLDER = Path(__file__).parent.parent / "catalogue"
_NAMESPACE = uuid.uuid5(uuid.NAMESPACE_DNS, "kmslab.winops.kms")


@functools.lru_cache(maxsize=4096)
def stable_guid(*parts: str) -> str:
    """An invented GUID that is the same on every run."""
    return str(uuid.uuid5(_NAMESPACE, "/".join(parts).lower()))


@dataclass(frozen=True)
class Builds:
    """A set of build numbers, written as `7600|7601`, `10240-` or `10240-21999`; empty means every build."""

    text: str = ""

    def __contains__(self, build: int) -> bool:
        for part in self.text.split("|"):
            low, dash, high = part.partition("-")
            if not dash and low == str(build):
                return True
            if dash and int(low) <= build and (not high or build <= int(high)):
                return True
        return not self.text


@dataclass(frozen=True)
class Release:
    """One release of Windows, such as `10-LTSC2021`."""

    kind: str
    family: str
    release: str
    name: str
    builds: Builds = Builds()


@dataclass(frozen=True)
class Edition:
    """One row of editions.csv.  `skus` are OperatingSystemSKU numbers: full installation, then Server Core."""

    kind: str
    family: str
    title: str
    edition_id: str
    skus: tuple[int, ...]
    builds: Builds
    threshold: int
    gvlk: str = field(repr=False)
    """Empty for an edition that Microsoft has no client setup key for."""

    @property
    def evaluation(self) -> bool:
        """An evaluation edition: it takes no key but that of its medium."""
        return self.edition_id.endswith("Eval")


@dataclass(frozen=True)
class KmsGroup:
    """A KMS host key group: where its keys may be installed and which releases they activate."""

    name: str
    title: str
    description: str
    hosts: frozenset[str]
    activates: frozenset[str]


@dataclass(frozen=True)
class Locale:
    """The localised texts of one language."""

    tag: str
    lcid: int
    titles: Mapping[str, str]
    group: str
    rule: str
    sppsvc: str


class Catalogue:
    """All tables; `Catalogue.load()` reads them once."""

    def __init__(self) -> None:
        with (_FOLDER / "editions.csv").open(encoding="utf-8", newline="") as file:
            self.editions = tuple(_edition(row) for row in csv.DictReader(file))
        windows = _read_yaml("windows.yml")
        self.releases = tuple(
            Release(row["kind"], row["family"], row["release"], row["name"], Builds(row.get("builds", "")))
            for row in windows["releases"]
        )
        self.revisions: dict[int, int] = windows["revisions"]
        self.locales = {tag: Locale(tag, **row) for tag, row in windows["locales"].items()}
        hosts = _read_yaml("kms_hosts.yml")
        self.groups = {
            name: KmsGroup(name, row["title"], row["description"], frozenset(row["hosts"]), frozenset(row["activates"]))
            for name, row in hosts["groups"].items()
        }
        self.never_hosts = frozenset(hosts["never_hosts"])
        self.host_updates: dict[str, dict[str, str]] = hosts["host_updates"]

    @staticmethod
    @functools.cache
    def load() -> Catalogue:
        return Catalogue()

    def edition(self, edition_id: str, build: int) -> Edition:
        """The edition with this EditionID on this build; LookupError names the builds that have it."""
        same = [edition for edition in self.editions if edition.edition_id == edition_id]
        found = [edition for edition in same if build in edition.builds]
        if not found:
            builds = ", ".join(sorted({edition.builds.text for edition in same})) or "none"
            raise LookupError(f"no edition {edition_id!r} of build {build} in the catalogue (builds with it: {builds})")
        return found[0]

    def release(self, edition: Edition, build: int) -> Release:
        return next(
            release
            for release in self.releases
            if (release.kind, release.family) == (edition.kind, edition.family) and build in release.builds
        )

    def hostable(self, edition: Edition, release: Release) -> list[KmsGroup]:
        """The KMS host key groups that may be installed on this machine."""
        if edition.evaluation or edition.edition_id in self.never_hosts:
            return []
        return [group for group in self.groups.values() if release.release in group.hosts]

    def covers(self, group: KmsGroup, *, host: Release, updated: Callable[[str], bool], client: Release) -> bool:
        """Whether a host of this release with a key of this group activates that client.

        `updated` tells whether the host has an update or a later one.
        """
        needed = self.host_updates.get(host.release, {}).get(client.release)
        return client.release in group.activates and (needed is None or updated(needed))


def _edition(row: Mapping[str, str]) -> Edition:
    return Edition(
        row["kind"],
        row["family"],
        row["title"],
        row["edition_id"],
        tuple(int(sku) for sku in row["skus"].split("|")),
        Builds(row["builds"]),
        int(row["threshold"]),
        row["gvlk"],
    )


def _read_yaml(name: str) -> Any:
    return yaml.safe_load((_FOLDER / name).read_text(encoding="utf-8"))
