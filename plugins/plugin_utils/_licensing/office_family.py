# Copyright (c) 2026, the winops.kms authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which Office product a licence belongs to, and the client setup key of that product."""

from __future__ import annotations

import re

from .errors import LicensingError
from .keys import ProductKey, find_office_gvlk
from .state import Product

_FAMILY = re.compile(r"^(Office\d\d\w*?VL)_(?:KMS_Client|MAK)")
_NAME = re.compile(r"^Office \d\d, (\w+) edition$")


def edition_of(product: Product) -> str | None:
    """The product of which this is a licence, such as Office21VisioPro2021VL; None when it does not tell that clearly.

    The name is not localised; it has the licence family in it.
    """
    name = _NAME.match(product.name or "")
    told = (product.license_family, name.group(1) if name else None)
    found = {match.group(1) for match in (_FAMILY.match(family or "") for family in told) if match}
    return found.pop() if len(found) == 1 else None


def gvlk_of(product: Product) -> ProductKey:
    """The client setup key of an Office product; raises LicensingError when none is published, or it is unclear."""
    edition = edition_of(product)
    found = find_office_gvlk(edition) if edition else None
    if found is None:
        seen = product.license_family or product.name
        raise LicensingError(
            f"gvlk: Microsoft publishes no client setup key for this Office product (licence family {seen})",
            remedy="Only volume editions have one; name its channel in leave_alone, or name the product that is meant "
            "with activation_id",
        )
    return found.key
