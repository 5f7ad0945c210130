# Copyright (c) 2026, the winops.kms authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The settings of KMS clients and hosts, one row each: plan, check mode, diff, read-back and documentation follow them.

Methods and parameters: slmgr.vbs and the class SoftwareLicensingService (Software Protection Platform).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from .errors import InvalidOption
from .state import ACTIVATION_TYPES, DEFAULT_KMS_PORT, Product, Service

PORT_RANGE = (1, 65535)
INTERVAL_RANGE = (15, 43200)


def _same_name(left: Any, right: Any) -> bool:
    return _name(left) == _name(right)


def _name(value: Any) -> str:
    return str(value or "").rstrip(".").lower()


def _same_port(left: Any, right: Any) -> bool:
    return (left or DEFAULT_KMS_PORT) == (right or DEFAULT_KMS_PORT)


def _same(left: Any, right: Any) -> bool:
    return bool(left == right)


def _negate(value: Any) -> Any:
    return not value


def _as_is(value: Any) -> Any:
    return value


def _attribute(name: str) -> Callable[[Service | Product], Any]:
    return lambda state: getattr(state, name)


@dataclass(frozen=True)
class Setting:
    """One setting of a KMS client or host.

    option: the option of the module; read: its value on the service (or, for a setting per product, the product);
    method and parameter: what sets it; clear: what brings the default back, for a setting whose default is `default`;
    encode: option value -> parameter; same: whether two values mean the same; limits: the range of a number;
    restart: whether it takes effect only when the licensing service starts; slmgr: the switches it replaces.
    """

    option: str
    read: Callable[[Any], Any]
    method: str
    parameter: str
    slmgr: tuple[str, ...]
    clear: str | None = None
    default: Any = None
    encode: Callable[[Any], Any] = _as_is
    same: Callable[[Any, Any], bool] = _same
    limits: tuple[int, int] | None = None
    restart: bool = False
    unit: str = ""

    def check(self, value: Any) -> None:
        """Raise InvalidOption for a number out of range."""
        if self.limits is None or value is None:
            return
        low, high = self.limits
        if not low <= value <= high:
            raise InvalidOption(self.option, f"{value} is out of range, it must be {low} to {high}{self.unit}")

    def call(self, value: Any) -> tuple[str, Mapping[str, Any]]:
        """The method and its parameters that make the setting `value`."""
        if value == self.default and self.clear:
            return self.clear, {}
        return self.method, {self.parameter: self.encode(value)}


#: Settings of a client; they live on the service for the whole machine, or on a product for that product alone.
CLIENT_SETTINGS = (
    Setting(
        option="server",
        read=_attribute("kms_server"),
        method="SetKeyManagementServiceMachine",
        parameter="MachineName",
        clear="ClearKeyManagementServiceMachine",
        same=_same_name,
        slmgr=("/skms", "/ckms"),
    ),
    Setting(
        option="port",
        read=_attribute("kms_port"),
        method="SetKeyManagementServicePort",
        parameter="PortNumber",
        clear="ClearKeyManagementServicePort",
        same=_same_port,
        limits=PORT_RANGE,
        slmgr=("/skms", "/ckms"),
    ),
    Setting(
        option="lookup_domain",
        read=_attribute("kms_lookup_domain"),
        method="SetKeyManagementServiceLookupDomain",
        parameter="LookupDomain",
        clear="ClearKeyManagementServiceLookupDomain",
        same=_same_name,
        slmgr=("/skms-domain", "/ckms-domain"),
    ),
    Setting(
        option="host_caching",
        read=_attribute("host_caching"),
        method="DisableKeyManagementServiceHostCaching",
        parameter="DisableCaching",
        encode=_negate,
        slmgr=("/skhc", "/ckhc"),
    ),
)

#: Windows shows the configured activation type on products only, wherever it was set.
ACTIVATION_TYPE = Setting(
    option="activation_type",
    read=_attribute("activation_type"),
    method="SetVLActivationTypeEnabled",
    parameter="ActivationType",
    clear="ClearVLActivationTypeEnabled",
    default=ACTIVATION_TYPES[0],
    encode=ACTIVATION_TYPES.index,
    slmgr=("/act-type",),
)

#: Settings of a KMS host, all on the service; Windows accepts them only where a KMS host key is installed.
HOST_SETTINGS = (
    Setting(
        option="port",
        read=_attribute("listening_port"),
        method="SetKeyManagementServiceListeningPort",
        parameter="PortNumber",
        clear="ClearKeyManagementServiceListeningPort",
        same=_same_port,
        limits=PORT_RANGE,
        restart=True,
        slmgr=("/sprt",),
    ),
    Setting(
        option="activation_interval",
        read=_attribute("activation_interval"),
        method="SetVLActivationInterval",
        parameter="ActivationInterval",
        limits=INTERVAL_RANGE,
        unit=" minutes",
        restart=True,
        slmgr=("/sai",),
    ),
    Setting(
        option="renewal_interval",
        read=_attribute("renewal_interval"),
        method="SetVLRenewalInterval",
        parameter="RenewalInterval",
        limits=INTERVAL_RANGE,
        unit=" minutes",
        restart=True,
        slmgr=("/sri",),
    ),
    Setting(
        option="dns_publishing",
        read=_attribute("dns_publishing"),
        method="DisableKeyManagementServiceDnsPublishing",
        parameter="DisablePublishing",
        encode=_negate,
        restart=True,
        slmgr=("/sdns", "/cdns"),
    ),
    Setting(
        option="low_priority",
        read=_attribute("low_priority"),
        method="EnableKeyManagementServiceLowPriority",
        parameter="EnableLowPriority",
        restart=True,
        slmgr=("/spri", "/cpri"),
    ),
)
