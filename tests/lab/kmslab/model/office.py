# Copyright (c) 2026, the winops.kms authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Office on a machine: the volume products that exist, their licences, the KMS host licences of the License Packs."""

from __future__ import annotations

import csv
import functools
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from . import codes
from .catalogue import KmsGroup, stable_guid

_FOLDER = Path(__file__).parent.parent / "catalogue"
#: Office 2013 and later shares the licensing service of Windows from Windows 8 and Server 2012 on.
FIRST_BUILD = 9200
THRESHOLD = 5


@dataclass(frozen=True)
class OfficeVersion:
    """One version of Office; `group` is the name of its KMS host keys in an estate file."""

    year: str
    number: int
    client_suffix: str
    mak_suffix: str
    host_family: str
    host_id: str
    hosts: frozenset[str]

    @property
    def group(self) -> str:
        return f"office{self.year}"


@dataclass(frozen=True)
class OfficeProduct:
    """One volume product, such as VisioPro2021."""

    name: str
    version: OfficeVersion
    stem: str
    client_id: str
    gvlk: str = field(repr=False)

    def licence(self, channel: str) -> dict[str, Any]:
        """ID, name, description and licence family of its licence for client setup keys (gvlk) or MAKs (mak)."""
        client = channel == "gvlk"
        family = self.stem + (self.version.client_suffix if client else self.version.mak_suffix)
        token = "VOLUME_KMSCLIENT" if client else "RETAIL(MAK)"
        own = self.client_id if client else ""
        return {
            "id": own or stable_guid("office", family),
            "name": f"Office {self.version.number}, {family} edition",
            "description": f"Office {self.version.number}, {token} channel",
            "family": family,
            "channel": channel,
            "application": codes.OFFICE_APPLICATION,
            "office": self.name,
        }


@functools.cache
def versions() -> dict[str, OfficeVersion]:
    """All versions by year."""
    data = yaml.safe_load((_FOLDER / "office.yml").read_text(encoding="utf-8"))["versions"]
    return {
        year: OfficeVersion(
            year,
            row["number"],
            row["client"],
            row["mak"],
            row["host"]["family"],
            row["host"]["id"],
            frozenset(row["host"]["hosts"]),
        )
        for year, row in data.items()
    }


@functools.cache
def products() -> dict[str, OfficeProduct]:
    """All volume products by name."""
    with (_FOLDER / "office.csv").open(encoding="utf-8", newline="") as file:
        return {
            row["product"]: OfficeProduct(
                row["product"], versions()[row["version"]], row["stem"], row["client_id"], row["gvlk"]
            )
            for row in csv.DictReader(file)
        }


@functools.cache
def groups() -> dict[str, KmsGroup]:
    """The groups of Office KMS host keys, such as office2021; each activates its own version alone."""
    return {
        version.group: KmsGroup(
            version.group, f"Office {version.year}", "VOLUME_KMS", version.hosts, frozenset({version.year})
        )
        for version in versions().values()
    }


def version_of(name: str | None) -> OfficeVersion | None:
    """The version of a licence by its `office` word: a product, or a group of KMS host keys."""
    product = products().get(name or "")
    return product.version if product else next((one for one in versions().values() if one.group == name), None)


def host_licence(version: OfficeVersion) -> dict[str, Any]:
    """ID, name, description and licence family of the KMS host licence of this version."""
    return {
        "id": version.host_id,
        "name": f"Office {version.number}, {version.host_family} edition",
        "description": f"Office {version.number}, VOLUME_KMS channel",
        "family": version.host_family,
        "channel": "csvlk",
        "application": codes.OFFICE_APPLICATION,
        "office": version.group,
    }


def machine_licences(names: Sequence[str], packs: Sequence[str], *, build: int, release: str) -> list[dict[str, Any]]:
    """The Office licences of a machine with these products and Volume License Packs; ValueError for what cannot be."""
    if not names and not packs:
        return []
    if build < FIRST_BUILD:
        raise ValueError("on Windows 7 and Server 2008 R2 Office has a licensing service of its own, not simulated")
    found: list[dict[str, Any]] = []
    for name in names:
        if name not in products():
            raise ValueError(f"office: no product {name}; known: {', '.join(products())}")
        found += [products()[name].licence(channel) for channel in ("gvlk", "mak")]
    for pack in packs:
        version = versions().get(str(pack))
        if version is None:
            raise ValueError(f"office_packs: no version {pack}; known: {', '.join(versions())}")
        if release not in version.hosts:
            raise ValueError(f"office_packs: a KMS host for Office {pack} cannot be on Windows release {release}")
        found.append(host_licence(version))
    return found
