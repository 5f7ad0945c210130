# Copyright (c) 2026, the winops.kms authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""State -> the values that the modules return.  One place for names and shapes of results."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from .goals import edition_ids
from .hresult import hex_code
from .keys import gvlk_table
from .reading import is_kms_host
from .state import ACTIVATION_TYPES, DEFAULT_KMS_PORT, OFFICE_APPLICATION, WINDOWS_APPLICATION, Product, Service

_APPLICATION_NAMES = {WINDOWS_APPLICATION: "windows", OFFICE_APPLICATION: "office"}


def license_result(product: Product, service: Service) -> dict[str, Any]:
    """One licence, as `license` in every result."""
    # A port belongs to the name beside it: a product with a server of its own does not take the machine's port.
    seen = (
        (product.kms_server, product.kms_port, "fixed"),
        (service.kms_server, service.kms_port, "fixed"),
        (product.discovered_server, product.discovered_port, "discovered"),
        (service.discovered_server, service.discovered_port, "discovered"),
    )
    server, port, source = next((place for place in seen if place[0]), (None, None, None))
    reason = product.status_reason_code
    editions = edition_ids(product)
    return {
        "name": product.name,
        "description": product.description,
        "edition": editions[0] if editions else None,
        "application": _APPLICATION_NAMES.get((product.application_id or "").lower(), product.application_id),
        "activation_id": product.activation_id,
        "channel": product.channel,
        "partial_product_key": product.partial_product_key,
        "product_key_id": product.product_key_id,
        "is_addon": product.is_addon,
        "status": product.status,
        "status_code": product.status_code,
        "status_reason": hex_code(reason) if reason else None,
        "grace_minutes_remaining": product.grace_minutes_remaining,
        "days_remaining": product.days_remaining,
        "kms_server": server,
        "kms_port": (port or DEFAULT_KMS_PORT) if server else None,
        "kms_server_source": source,
        "kms_lookup_domain": product.kms_lookup_domain or service.kms_lookup_domain,
        "kms_host_product_key_id": product.kms_product_key_id,
        "activation_type": product.activation_type,
        "last_activation_type": _last_activation_type(product),
        "remaining_app_rearms": product.remaining_app_rearms,
        "remaining_sku_rearms": product.remaining_sku_rearms,
    }


def service_result(service: Service) -> dict[str, Any]:
    """The machine-wide settings of a KMS client."""
    return {
        "version": service.version,
        "build": service.build,
        "client_machine_id": service.client_machine_id,
        "kms_server": service.kms_server,
        "kms_port": service.kms_port,
        "kms_lookup_domain": service.kms_lookup_domain,
        "host_caching": service.host_caching,
        "remaining_windows_rearms": service.remaining_windows_rearms,
    }


def kms_host_result(service: Service, product: Product | None) -> dict[str, Any]:
    """What a KMS host is set to and has counted; Windows counts per product, the service has the sum."""

    def counted(name: str) -> Any:
        value = getattr(product, name) if product is not None and product.key_channel == "csvlk" else None
        return getattr(service, name) if value is None else value

    return {
        "is_kms_host": is_kms_host(service, product),
        "current_count": counted("current_count"),
        "required_count": counted("required_count"),
        "total_requests": counted("total_requests"),
        "failed_requests": counted("failed_requests"),
        "port": service.listening_port or DEFAULT_KMS_PORT,
        "activation_interval": service.activation_interval,
        "renewal_interval": service.renewal_interval,
        "dns_publishing": service.dns_publishing,
        "low_priority": service.low_priority,
    }


def kms_hosts_result(products: Sequence[Product]) -> list[dict[str, Any]]:
    """What each KMS host key has counted, of which there may be one for Windows and one for each version of Office."""
    return [
        {
            "name": product.name,
            "application": _APPLICATION_NAMES.get((product.application_id or "").lower(), product.application_id),
            "activation_id": product.activation_id,
            "partial_product_key": product.partial_product_key,
            "status": product.status,
            "is_kms_host": product.is_kms_host == 1,
            "current_count": product.current_count,
            "required_count": product.required_count,
            "total_requests": product.total_requests,
            "failed_requests": product.failed_requests,
        }
        for product in products
        if product.key_channel == "csvlk"
    ]


def threshold_result(product: Product | None) -> int | None:
    """How many machines must have asked the KMS host before it activates this product: 5 or 25."""
    if product is None:
        return None
    by_key = (row.threshold for row in gvlk_table() if row.key.partial == product.partial_product_key)
    return product.required_count or next(by_key, None)


def _last_activation_type(product: Product) -> str | None:
    code = product.last_activation_type_code
    return ACTIVATION_TYPES[code] if code and code < len(ACTIVATION_TYPES) else None
