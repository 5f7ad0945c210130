# Copyright (c) 2026, the winops.kms authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the licensing methods do: install and remove keys, activate, change settings."""

from __future__ import annotations

from ..cim import WmiError
from . import codes, kms
from .keys import KeyBook
from .machine import Machine, Product

#: Setting of the licensing key -> whether the number is kept as text, as Windows keeps ports.
_PORTS_ARE_TEXT = {"KeyManagementServicePort", "KeyManagementServiceListeningPort"}


def install_key(machine: Machine, keys: KeyBook, text: object) -> None:
    """InstallProductKey."""
    key = keys.find(text) if isinstance(text, str) else None
    if key is None:
        raise WmiError(codes.INVALID_KEY)
    row = machine.install(key)
    if row is None:
        raise WmiError(codes.KEY_FOR_OTHER_EDITION)
    machine.counters["key_installs"] += 1


def uninstall_key(machine: Machine, product: Product) -> None:
    """UninstallProductKey."""
    if product.key is None:
        raise WmiError(codes.NO_KEY)
    machine.remove_key(product)


def activate(network: kms.Network, machine: Machine, product: Product) -> None:
    """Activate: a KMS client asks its host, every other key asks Microsoft."""
    machine.counters["activation_attempts"] += 1
    if product.key is None:
        raise WmiError(codes.NO_KEY)
    if product.channel == "gvlk":
        kms.activate_client(network, machine, product)
        return
    result = product.key.spend(machine.name) if machine.internet else codes.NO_INTERNET
    if result:
        product.license.reason = result
        raise WmiError(result)
    if product.key.activations is not None:
        machine.counters["activations_spent"] += 1
    _licensed_for_good(machine, product)


def deposit_confirmation(machine: Machine, product: Product, installation_id: object, confirmation_id: object) -> None:
    """DepositOfflineConfirmationId: any 48 digits confirm the machine's own installation ID."""
    digits = str(confirmation_id or "").replace("-", "")
    if product.key is None:
        raise WmiError(codes.NO_KEY)
    if installation_id != machine.installation_id(product) or not (digits.isdigit() and len(digits) == 48):
        raise WmiError(codes.BAD_CONFIRMATION_ID)
    _licensed_for_good(machine, product)


def _licensed_for_good(machine: Machine, product: Product) -> None:
    machine.license_permanently(product)
    if product.channel == "csvlk":
        kms.host_becomes_ready(machine)


def set_text(machine: Machine, name: str, value: object, product: Product | None = None) -> None:
    """A text setting; an empty one is an error, as there is a Clear method."""
    if not isinstance(value, str) or not value.strip():
        raise WmiError(codes.INVALID_ARGUMENT)
    machine.set_setting(name, value, product)


def set_port(machine: Machine, name: str, value: object, product: Product | None = None) -> None:
    """A port number, 1 to 65535."""
    if not isinstance(value, int) or not 1 <= value <= 65535:
        raise WmiError(codes.INVALID_ARGUMENT)
    machine.set_setting(name, str(value) if name in _PORTS_ARE_TEXT else value, product)


def set_interval(machine: Machine, name: str, value: object) -> None:
    """VLActivationInterval or VLRenewalInterval: only on a KMS host, 15 to 43200 minutes."""
    if not machine.kms_products:
        raise WmiError(codes.NOT_A_KMS)
    if not isinstance(value, int) or value not in codes.INTERVAL_RANGE:
        raise WmiError(codes.INVALID_ARGUMENT)
    machine.set_setting(name, value)


def set_flag(machine: Machine, name: str, value: object) -> None:
    """A switch kept as DWORD 1, or not at all."""
    if not isinstance(value, bool):
        raise WmiError(codes.INVALID_ARGUMENT)
    machine.set_setting(name, 1 if value else None)


def set_host_caching(machine: Machine, disable: object) -> None:
    """DisableKeyManagementServiceHostCaching."""
    if not isinstance(disable, bool):
        raise WmiError(codes.INVALID_ARGUMENT)
    machine.host_caching = not disable
    if disable:
        for row in (None, *machine.kms_clients):
            machine.client_of(row).discovered = None


def set_lookup_domain(machine: Machine, value: object, product: Product | None = None) -> None:
    """SetKeyManagementServiceLookupDomain; None clears."""
    if value is not None and (not isinstance(value, str) or not value.strip()):
        raise WmiError(codes.INVALID_ARGUMENT)
    if product is None:
        machine.lookup_domain = value
    else:
        product.lookup_domain = value


def set_activation_type(machine: Machine, value: object, product: Product | None = None) -> None:
    """SetVLActivationTypeEnabled: 1 AD, 2 KMS, 3 token; 0 (clear) any."""
    if not isinstance(value, int) or not 0 <= value <= 3:
        raise WmiError(codes.INVALID_ARGUMENT)
    if product is None:
        machine.activation_type = value
    else:
        machine.set_setting("VLActivationType", value or None, product)
