# Copyright (c) 2026, the winops.kms authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Read the licensing state of a host, and choose the product that a task is about."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Sequence
from dataclasses import dataclass, field

from .._cim.envelope import wql_quote
from .._cim.errors import CimInvalidClass
from .._cim.schema import CimClass, Instance, Reference
from .._cim.session import CimSession
from .errors import AmbiguousProduct, LicensingError
from .publishing import PublishDomain, read_publish_domains
from .state import (
    APPLICATIONS,
    FIREWALL_RULE_CLASS,
    OPERATING_SYSTEM_CLASS,
    PRODUCT_CLASS,
    SERVICE_CLASS,
    OperatingSystem,
    Product,
    Service,
    column_sets,
    from_instance,
)

#: The name of the firewall rule that Windows brings for KMS hosts: inbound TCP 1688, disabled by default.
FIREWALL_RULE = "SPPSVC-In-TCP"
_FIREWALL_ENABLED = 1
_LOCAL_STORE = 1

_GUID = re.compile(r"\{?([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})\}?", re.IGNORECASE)


@dataclass(frozen=True)
class Scope:
    """Which products a task is about: those of an application, or the one with that activation ID.

    installing: the last five characters of the key that the task installs; the product that has it is the one meant.
    """

    application: str = "windows"
    activation_id: str | None = None
    installing: str | None = None

    @property
    def where(self) -> str:
        """The WQL condition; never without one, because a host has hundreds of licences without a key."""
        if self.activation_id:
            return f"ID={wql_quote(self.activation_id)}"
        keyed = "PartialProductKey IS NOT NULL"
        if self.application == "all":
            return keyed
        return f"ApplicationID={wql_quote(APPLICATIONS[self.application])} AND {keyed}"

    def choose(self, products: Sequence[Product]) -> Product | None:
        """The product that is meant, None when there is none; raises AmbiguousProduct when several fit."""
        if self.activation_id:
            fitting = [item for item in products if item.activation_id.lower() == self.activation_id.lower()]
        else:
            keyed = [item for item in products if item.partial_product_key]
            # An add-on (Extended Security Updates) has a key of its own beside that of the product.
            fitting = [item for item in keyed if item.partial_product_key == self.installing] or [
                item for item in keyed if not item.is_addon
            ]
        if len(fitting) > 1:
            candidates = {item.activation_id: f"{item.name} ({item.channel}, {item.status})" for item in fitting}
            listed = "; ".join(f"{activation_id} = {name}" for activation_id, name in candidates.items())
            raise AmbiguousProduct(
                f"{len(fitting)} products of application {self.application} have a key: {listed}", candidates=candidates
            )
        return fitting[0] if fitting else None


def parse_guid(text: str) -> str | None:
    """The GUID in lower case without braces, or None when the text is not one."""
    match = _GUID.fullmatch(text.strip())
    return match.group(1).lower() if match else None


@dataclass(frozen=True)
class FirewallRule:
    """The KMS firewall rule, and where to invoke Enable and Disable."""

    enabled: bool
    reference: Reference = field(repr=False, compare=False)


@dataclass(frozen=True)
class State:
    """All that a task looks at; what it did not ask for, or the host does not have, is None."""

    scope: Scope
    service: Service
    products: tuple[Product, ...]
    firewall: FirewallRule | None = None
    publish_domains: tuple[PublishDomain, ...] | None = None

    @property
    def product(self) -> Product | None:
        return self.scope.choose(self.products)

    @property
    def is_kms_host(self) -> bool:
        return is_kms_host(self.service, self.product)


def is_kms_host(service: Service, product: Product | None) -> bool:
    """Whether a KMS host key is installed: Windows says so, or the channel of the product's key does."""
    says_so = service.is_kms_host == 1 or (product is not None and product.is_kms_host == 1)
    return says_so or (product is not None and product.key_channel == "csvlk")


@dataclass(frozen=True)
class Reader:
    """Reads a State: one query for the service, one for the products, one for each extra that is asked for."""

    session: CimSession
    scope: Scope
    with_firewall: bool = False
    with_publish_domains: bool = False
    product_type: type[Product] = Product

    def read(self) -> State:
        return State(
            scope=self.scope,
            service=self._service(),
            products=self._products(),
            firewall=self._firewall() if self.with_firewall else None,
            publish_domains=read_publish_domains(self.session) if self.with_publish_domains else None,
        )

    def reread_products(self, state: State) -> State:
        """The state with its products read again: a key change makes another product the chosen one."""
        return dataclasses.replace(state, products=self._products())

    def office_licenses(self, description: str) -> tuple[Product, ...]:
        """The licences of Office with these words in their description, with a key or without."""
        application = wql_quote(APPLICATIONS["office"])
        where = f"ApplicationID={application} AND Description LIKE {wql_quote(f'%{description}%')}"
        instances = self._query(PRODUCT_CLASS, column_sets(Product), where)
        return tuple(from_instance(Product, instance) for instance in instances)

    def operating_system(self) -> OperatingSystem:
        columns = column_sets(OperatingSystem)[0]
        instances = self.session.query(OPERATING_SYSTEM_CLASS, columns)
        return from_instance(OperatingSystem, _only(instances, OPERATING_SYSTEM_CLASS))

    def _service(self) -> Service:
        instances = self._query(SERVICE_CLASS, column_sets(Service))
        return from_instance(Service, _only(instances, SERVICE_CLASS))

    def _products(self) -> tuple[Product, ...]:
        instances = self._query(PRODUCT_CLASS, column_sets(self.product_type), self.scope.where)
        return tuple(from_instance(self.product_type, instance) for instance in instances)

    def _query(self, cim_class: CimClass, choices: list[list[str] | None], where: str = "") -> list[Instance]:
        for columns in choices[:-1]:
            try:
                return self.session.query(cim_class, columns, where)
            except CimInvalidClass:
                # An older Windows lacks a column; a class that is missing altogether fails again below.
                continue
        return self.session.query(cim_class, choices[-1], where)

    def _firewall(self) -> FirewallRule | None:
        try:
            found = self.session.query_with_references(FIREWALL_RULE_CLASS, f"InstanceID={wql_quote(FIREWALL_RULE)}")
        except CimInvalidClass:
            return None  # before Windows 8
        if not found:
            return None
        # Group Policy may bring a copy of the rule; only the local one can be switched.
        local = [entry for entry in found if entry[0].get("PolicyStoreSourceType") in (None, _LOCAL_STORE)]
        instance, reference = (local or found)[0]
        return FirewallRule(enabled=instance.get("Enabled") == _FIREWALL_ENABLED, reference=reference)


def _only(instances: Sequence[Instance], cim_class: CimClass) -> Instance:
    if not instances:
        raise LicensingError(
            f"the host has no instance of {cim_class.name}",
            remedy="Check that the Software Protection service (sppsvc) can start and that WMI is not damaged",
        )
    return instances[0]
