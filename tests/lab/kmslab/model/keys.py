# Copyright (c) 2026, the winops.kms authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The product keys that exist in the estate, and what is left of their activations.

A key never appears in a repr or message: `Key.partial` (the last five characters) stands for it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field

from . import office
from .catalogue import Catalogue, Edition, KmsGroup, Release
from .codes import HOST_KEY_USED_UP, KEY_BLOCKED, MAK_USED_UP

_SHAPE = re.compile(r"[BCDFGHJKMNPQRTVWXY2346789]{5}(-[BCDFGHJKMNPQRTVWXY2346789]{5}){4}")

#: The key of every retail medium in the lab (plainly invented).
RETAIL_MEDIA_KEY = "N4444-44444-44444-44444-RT444"

#: The key of every evaluation medium in the lab (plainly invented).
EVALUATION_MEDIA_KEY = "N4444-44444-44444-44444-TB444"

#: Channel -> (token in a licence's Description, ProductKeyChannel).
CHANNELS = {
    "gvlk": ("VOLUME_KMSCLIENT", "Volume:GVLK"),
    "csvlk": ("VOLUME_KMS", "Volume:CSVLK"),
    "mak": ("VOLUME_MAK", "Volume:MAK"),
    "retail": ("RETAIL", "Retail"),
    "evaluation": ("TIMEBASED_EVAL", "Retail:TB:Eval"),
}


@dataclass
class Key:
    """A product key: its channel, the editions it fits and, for keys with a count, what has been spent.

    A CSVLK activates `hosts` machines, each `activations` times; a MAK `activations` times in all.
    """

    text: str = field(repr=False)
    channel: str
    group: KmsGroup | None = None
    edition_ids: frozenset[str] = frozenset()
    office: frozenset[str] = frozenset()
    """The Office products that it fits; a key for Office has these or a group of Office."""
    editions: tuple[Edition, ...] = ()
    activations: int | None = None
    hosts: int = 6
    blocked: bool = False
    spent: dict[str, int] = field(default_factory=dict)
    """Machine name -> activations spent there."""

    @property
    def partial(self) -> str:
        return self.text[-5:]

    def fits(self, edition: Edition, release: Release, catalogue: Catalogue) -> bool:
        """Whether the key belongs to a licence that this machine has."""
        if edition.evaluation or self.channel == "evaluation":
            return edition.evaluation and self.channel == "evaluation"
        if self.channel == "gvlk":
            return edition in self.editions or edition.edition_id in self.edition_ids
        if self.group is not None:
            return self.group in catalogue.hostable(edition, release)
        return not self.edition_ids or edition.edition_id in self.edition_ids

    def spend(self, machine: str) -> int:
        """Activate with Microsoft once more; the HRESULT of a refusal, or 0."""
        if self.blocked:
            return KEY_BLOCKED
        if self.activations is not None:
            if self.channel == "csvlk":
                new_host = machine not in self.spent and len(self.spent) >= self.hosts
                if new_host or self.spent.get(machine, 0) >= self.activations:
                    return HOST_KEY_USED_UP
            elif sum(self.spent.values()) >= self.activations:
                return MAK_USED_UP
        self.spent[machine] = self.spent.get(machine, 0) + 1
        return 0


class KeyBook:
    """Every key that Windows would accept somewhere in this estate."""

    def __init__(self, catalogue: Catalogue, keys: Iterable[Key] = ()) -> None:
        self._keys: dict[str, Key] = {}
        by_gvlk: dict[str, list[Edition]] = {}
        for edition in catalogue.editions:
            if not edition.gvlk:
                continue
            by_gvlk.setdefault(edition.gvlk, []).append(edition)
        for text, editions in by_gvlk.items():
            self._keys[text] = Key(text, "gvlk", editions=tuple(editions))
        self._keys[RETAIL_MEDIA_KEY] = Key(RETAIL_MEDIA_KEY, "retail")
        self._keys[EVALUATION_MEDIA_KEY] = Key(EVALUATION_MEDIA_KEY, "evaluation")
        for product in office.products().values():
            self._keys[product.gvlk] = Key(product.gvlk, "gvlk", office=frozenset({product.name}))
        for key in keys:
            self._keys[key.text] = key

    def find(self, text: str) -> Key | None:
        """The key with this text (any case, surrounding blanks ignored), or None for an unknown or malformed one."""
        return self._keys.get(text.strip().upper())

    def host_keys(self) -> list[Key]:
        """All KMS host keys."""
        return [key for key in self._keys.values() if key.channel == "csvlk"]

    def spent(self) -> dict[str, dict[str, int]]:
        """Last five characters -> {machine: activations spent}, for keys with a count."""
        return {key.partial: dict(key.spent) for key in self._keys.values() if key.activations is not None}


def well_formed(text: str) -> bool:
    """Five groups of five characters of the product key alphabet."""
    return _SHAPE.fullmatch(text) is not None
