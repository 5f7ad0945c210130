# Copyright (c) 2026, the winops.kms authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Everything that slmgr.vbs /dli, /dlv and /xpr print, typed."""

from __future__ import annotations

import dataclasses
from typing import Any

from .._cim.session import CimSession
from .errors import AmbiguousProduct
from .reading import Reader, Scope
from .report import kms_host_result, kms_hosts_result, license_result, service_result
from .state import LICENSED, WINDOWS_APPLICATION, Product, ProductDetails

_DETAILS = tuple(
    item.name for item in dataclasses.fields(ProductDetails) if item.name not in Product.__dataclass_fields__
)


def read_license_info(session: CimSession, scope: Scope) -> dict[str, Any]:
    """Two queries; `license` is the chosen product, None when none or several fit, `licenses` all that have a key."""
    state = Reader(session, scope, product_type=ProductDetails).read()
    licenses = [_details(product, license_result(product, state.service)) for product in state.products]
    warnings: list[str] = []
    chosen: Product | None = None
    try:
        # Over all applications there is no one product that is meant.
        chosen = state.product if scope.application != "all" else None
    except AmbiguousProduct as error:
        warnings.append(str(error))
    hosts = sorted(state.products, key=lambda item: item.application_id.lower() != WINDOWS_APPLICATION)
    host = next((item for item in hosts if item.key_channel == "csvlk"), None)
    found: dict[str, Any] = {
        "license": next(
            (entry for entry in licenses if chosen and entry["activation_id"] == chosen.activation_id), None
        ),
        "licenses": licenses,
        "service": service_result(state.service),
        "kms_host": kms_host_result(state.service, host),
        "kms_hosts": kms_hosts_result(state.products),
        "pending": False,
        "msg": _sentence(chosen, len(licenses)),
    }
    if warnings:
        found["warnings"] = warnings
    return found


def _details(product: Product, result: dict[str, Any]) -> dict[str, Any]:
    extra = {name: getattr(product, name) for name in _DETAILS}
    return {
        **result,
        **{name: value.isoformat() if hasattr(value, "isoformat") else value for name, value in extra.items()},
    }


def _sentence(product: Product | None, count: int) -> str:
    """As /xpr: for how long the product is licensed."""
    if product is None:
        return f"{count} products have a key" if count else "no product key installed"
    days = product.days_remaining
    if product.status_code == LICENSED and days is None:
        return f"{product.name}: permanently licensed"
    return f"{product.name}: {product.status}" + (f", {days} days remaining" if days is not None else "")
