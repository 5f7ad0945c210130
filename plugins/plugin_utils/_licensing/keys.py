# Copyright (c) 2026, the winops.kms authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Product keys: their shape, their last five characters, the public client setup keys (GVLKs) of Microsoft.

Nothing but a GVLK can be told apart without Windows: whether another key is a CSVLK or a MAK shows after it is
installed.  So a key for a client must be a GVLK unless the task says otherwise, and a host key must not be one.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from .errors import InvalidOption
from .tables import Rows, derived

_SHAPE = re.compile(r"[A-Z0-9]{5}(?:-[A-Z0-9]{5}){4}")
#: Every published key uses these characters only: no vowels, nothing that is read as another character.
KEY_ALPHABET = frozenset("BCDFGHJKMNPQRTVWXY2346789")
#: What word processors make of a hyphen, for str.translate.
DASHES = dict.fromkeys(map(ord, "\u2010\u2011\u2012\u2013\u2014\u2015\u2212"), "-")


@dataclass(frozen=True)
class ProductKey:
    """A product key; prints as its last five characters, so that it can't leak by accident."""

    secret: str

    @classmethod
    def parse(cls, text: str, *, option: str = "key") -> ProductKey:
        """Check the shape (five groups of five letters or digits); pasted typographic dashes are understood.

        Raises InvalidOption, which never repeats the text.
        """
        key = text.strip().upper().translate(DASHES)
        if not _SHAPE.fullmatch(key):
            raise InvalidOption(
                option,
                f"this is not a product key ({len(key)} characters); it must be five groups of five letters or digits "
                "joined by hyphens",
                remedy="Copy the key again from its source",
            )
        return cls(key)

    @property
    def partial(self) -> str:
        """The last five characters, the part of a key that Windows shows."""
        return self.secret[-5:]

    @property
    def masked(self) -> str:
        return f"*****-*****-*****-*****-{self.partial}"

    @property
    def is_gvlk(self) -> bool:
        return self.secret in published_gvlks()

    @property
    def odd_characters(self) -> str:
        """Characters that no published key has, mostly typing errors (O, 0, 1); Windows has the last word on them."""
        return "".join(sorted(set(self.secret) - KEY_ALPHABET - {"-"}))

    def __repr__(self) -> str:
        return f"ProductKey({self.masked})"

    __str__ = __repr__


@dataclass(frozen=True)
class Gvlk:
    """A row of the table of client setup keys."""

    product: str
    edition: str
    edition_id: str
    operating_system_skus: tuple[int, ...]
    builds: str
    threshold: int
    key: ProductKey

    def covers(self, build: int) -> bool:
        """Whether the key is for this Windows build; `builds` is e.g. 17763|19044 or 10240+."""
        if self.builds.endswith("+"):
            return build >= int(self.builds[:-1])
        return str(build) in self.builds.split("|")


@derived("gvlk")
def gvlk_table(rows: Rows) -> tuple[Gvlk, ...]:
    return tuple(
        Gvlk(
            product=row["product"],
            edition=row["edition"],
            edition_id=row["edition_id"],
            operating_system_skus=tuple(int(sku) for sku in row["operating_system_sku"].split("|") if sku),
            builds=row["builds"],
            threshold=int(row["kms_threshold"]),
            key=ProductKey(row["key"]),
        )
        for row in rows
    )


@derived("gvlk")
def published_gvlks(rows: Rows) -> frozenset[str]:
    return frozenset(row["key"] for row in rows)


def find_office_gvlk(edition_id: str) -> Gvlk | None:
    """The client setup key of an Office product, such as Office21VisioPro2021VL."""
    found = (row for row in gvlk_table() if not row.builds and row.edition_id.lower() == edition_id.lower())
    return next(found, None)


def office_edition_of(key: ProductKey) -> str | None:
    """The Office product that a client setup key is for; None for any other key."""
    return next((row.edition_id for row in gvlk_table() if not row.builds and row.key == key), None)


def find_gvlk(*, build: int, edition_ids: tuple[str, ...] = (), sku: int | None = None) -> Gvlk | None:
    """The client setup key for an edition (EditionID, or OperatingSystemSKU) and a Windows build.

    A row that names the build goes before a row for "that build and later" (Enterprise LTSC before Enterprise).
    """
    wanted = {edition_id.lower() for edition_id in edition_ids}
    found = [
        row
        for row in gvlk_table()
        if row.builds and row.covers(build) and (row.edition_id.lower() in wanted or sku in row.operating_system_skus)
    ]
    return min(found, key=lambda row: row.builds.endswith("+"), default=None)
