# Copyright (c) 2026, the winops.kms authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The scope of tasks that are not about one product, but show the licence that they find."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from .._cim.envelope import wql_quote
from .errors import AmbiguousProduct
from .reading import Scope
from .state import Product


@dataclass(frozen=True)
class BroadScope(Scope):
    """All products of an application that have a key; when several fit, none of them is the one that is meant.

    application_id: the application by its GUID, for one that has no name here.
    """

    application_id: str | None = None

    @property
    def where(self) -> str:
        if self.application_id is None:
            return super().where
        return f"ApplicationID={wql_quote(self.application_id)} AND PartialProductKey IS NOT NULL"

    def choose(self, products: Sequence[Product]) -> Product | None:
        try:
            return super().choose(products)
        except AmbiguousProduct:
            return None
