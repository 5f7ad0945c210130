# Copyright (c) 2026, the winops.kms authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Volume editions of Office: several products side by side, each with a key, settings and an activation of its own.

A task about Windows is about one product.  A task about Office is about all its volume products, unless it names one by
activation ID: each gets what it lacks, and one that fails does not stop the others.  Everything is set on the products
themselves, so that Windows, which shares the licensing service, is never touched.

The licence family tells the product, and by it the client setup key: Office21VisioPro2021VL_KMS_Client_AE and
Office21VisioPro2021VL_MAK_AE are two licences of Office21VisioPro2021VL, which is its edition_id in data/gvlk.csv.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from .apply import Applier, Outcome
from .errors import AmbiguousProduct, LicensingError
from .goals import (
    activation_failure,
    activation_goal,
    activation_spends,
    key_goal,
    refuse_downgrade,
    refuse_token_activation,
)
from .hresult import NOT_ENOUGH_COUNT, hex_code
from .keys import ProductKey, find_office_gvlk, office_edition_of
from .office_family import edition_of, gvlk_of
from .plan import Goal, Operation, unmet
from .reading import Reader, State
from .state import Product

#: From this version of Windows on Office shares the licensing service of Windows (Windows 8, Server 2012).
_SHARED_SINCE = (6, 2)
#: The channels of volume licences; Office from a shop or by subscription is left alone.
_VOLUME = ("gvlk", "mak")
_CLIENT_LICENCE = "VOLUME_KMSCLIENT channel"
_HOST_LICENCE = "VOLUME_KMS channel"

Focus = Callable[[State], State]


def is_about_all(state: State) -> bool:
    """Whether a task is about all Office products of the machine."""
    return state.scope.application == "office" and state.scope.activation_id is None


@dataclass(frozen=True)
class Unit:
    """One Office product that a task is about, whichever of its licences has the key.

    edition: as edition_of(), None when it is not clear; product: its keyed licence, None when it has no key yet;
    key: the key that it shall have, None to leave it as it is.
    """

    edition: str | None
    product: Product | None
    key: ProductKey | None = None

    @property
    def label(self) -> str:
        told = self.product.license_family or self.product.name if self.product else None
        return self.edition or told or "Office"

    @property
    def is_kms_client(self) -> bool:
        """Whether it is, or will be, a KMS client."""
        return self.key.is_gvlk if self.key else self.product is not None and self.product.is_kms_client

    def focus(self, state: State) -> State:
        """The state as a task about this product alone would see it."""
        return focused(state, min(filter(self._fits, state.products), key=self._rank, default=None))

    def _has_key(self, product: Product) -> bool:
        return self.key is not None and product.partial_product_key == self.key.partial

    def _fits(self, product: Product) -> bool:
        if not product.partial_product_key or product.key_channel == "csvlk":
            return False
        same = self.product is not None and product.activation_id == self.product.activation_id
        return same or self._has_key(product) or (self.edition is not None and edition_of(product) == self.edition)

    def _rank(self, product: Product) -> tuple[bool, bool]:
        """Least first: the licence with the wanted key, that of a KMS client, any other."""
        return (not self._has_key(product), not product.is_kms_client)

    def goal(self, goal: Goal, *, independent: bool = False) -> Goal:
        """A goal for the chosen product as the same for this one."""
        return about(goal, self.focus, self.label, independent=independent)


def focused(state: State, product: Product | None) -> State:
    """The state as a task that names this product by its activation ID would see it."""
    if product is None:
        return dataclasses.replace(state, products=())
    return dataclasses.replace(state, scope=dataclasses.replace(state.scope, activation_id=product.activation_id))


def about(goal: Goal, focus: Focus, label: str | None = None, *, independent: bool = False) -> Goal:
    """A goal that looks at a state through `focus`, and acts on what it shows."""

    def operation(inner: Operation) -> Operation:
        return dataclasses.replace(inner, run=lambda session, state: inner.run(session, focus(state)))

    return dataclasses.replace(
        goal,
        read=lambda state: goal.read(focus(state)),
        met=lambda state: goal.met(focus(state)),
        verify=lambda state: goal.verify(focus(state)),
        operations=tuple(operation(inner) for inner in goal.operations),
        product=label,
        independent=independent,
    )


def volume_units(
    reader: Reader, state: State, *, key: ProductKey | None, gvlk: bool, leave_alone: Sequence[str] = ()
) -> list[Unit]:
    """The Office products that a task is about, empty when all are to be left alone.

    Raises LicensingError when there is none, or a client setup key is wanted that is not known for sure.
    """
    keyed = [product for product in state.products if product.partial_product_key and not product.is_addon]
    clients = [product for product in keyed if product.key_channel in _VOLUME]
    taken = [product for product in clients if product.key_channel not in leave_alone]
    units: dict[str, Unit] = {}
    for product in sorted(taken, key=lambda item: not item.is_kms_client):
        # Two licences of one product are one unit, the KMS client's first.
        edition = edition_of(product)
        units.setdefault(edition or product.activation_id, Unit(edition, product))
    if gvlk:
        units = {name: dataclasses.replace(unit, key=_wanted_gvlk(unit)) for name, unit in units.items()}
    if key is not None:
        _add_key(units, key)
    if not units and not clients and not (leave_alone and any(item.key_channel in leave_alone for item in keyed)):
        units = _without_key(reader, state, gvlk=gvlk)
    return list(units.values())


def _wanted_gvlk(unit: Unit) -> ProductKey | None:
    """The client setup key of a product; None for a KMS client that has one which the table does not know."""
    if unit.product is None:
        return None
    if unit.product.is_kms_client and (unit.edition is None or find_office_gvlk(unit.edition) is None):
        return None
    return gvlk_of(unit.product)


def _add_key(units: dict[str, Unit], key: ProductKey) -> None:
    """The product that the given key is for: known for a client setup key, else told by who has the key in the end."""
    edition = office_edition_of(key)
    holder = next((unit for unit in units.values() if unit.product and _same_key(unit.product, key)), None)
    if holder is not None:
        units[holder.edition or holder.label] = dataclasses.replace(holder, key=key)
    elif edition is not None and edition in units:
        units[edition] = dataclasses.replace(units[edition], key=key)
    else:
        units[edition or f"key {key.partial}"] = Unit(edition, None, key)


def _same_key(product: Product, key: ProductKey) -> bool:
    return product.partial_product_key == key.partial


def _without_key(reader: Reader, state: State, *, gvlk: bool) -> dict[str, Unit]:
    """The one volume product that is there without a key; LicensingError when there is none, or no saying which."""
    found = reader.office_licenses(_CLIENT_LICENCE)
    if not found:
        raise no_office(state, "no volume edition of Office")
    if len(found) > 1:
        listed = {product.activation_id: str(product.name) for product in found}
        raise AmbiguousProduct(
            f"no volume edition of Office has a product key, and {len(found)} could have one: "
            + "; ".join(f"{activation_id} = {name}" for activation_id, name in listed.items()),
            candidates=listed,
        )
    if not gvlk:
        raise LicensingError(
            f"{found[0].name} has no product key",
            remedy="Install one first; gvlk: true installs the public client setup key of the product",
        )
    return {found[0].activation_id: Unit(edition_of(found[0]), None, gvlk_of(found[0]))}


def no_office(state: State, what: str) -> LicensingError:
    """The error for a machine that lacks `what`."""
    if state.service.windows_version[:2] < _SHARED_SINCE:
        return LicensingError(
            f"{what} was found; on Windows 7 and Server 2008 R2 Office has a licensing service of its own",
            remedy="Manage it there with ospp.vbs; application: office needs Windows 8 or Server 2012",
        )
    return LicensingError(
        f"{what} was found on this machine",
        remedy="license_info with application: office shows what is installed; Office from a shop and Microsoft 365 "
        "have no volume licence",
    )


def must_land(goal: Goal, key: ProductKey) -> Goal:
    """The goal that a key is installed, which fails when no Office product shows it: it went somewhere else then."""

    def verify(state: State) -> None:
        if not any(_same_key(product, key) for product in state.products):
            raise LicensingError(
                f"the key that ends in {key.partial} was accepted, but no Office product has it",
                remedy="Look with license_info, application: all; a key of Windows replaces the key that Windows had, "
                "so that this one has to be installed again",
            )
        goal.verify(state)

    return dataclasses.replace(goal, verify=verify)


def key_goals(
    units: Sequence[Unit], state: State, *, activates: bool, channel: str | None, allowed: bool
) -> list[Goal]:
    """The goals that the products have the keys that they shall have."""
    goals = []
    for unit in units:
        if unit.key is not None:
            refuse_downgrade(unit.focus(state), unit.key, activates=activates, allowed=allowed)
            goal = unit.goal(key_goal(unit.key, channel="gvlk" if unit.key.is_gvlk else channel))
            goals.append(must_land(goal, unit.key))
    return goals


def activation_goals(units: Sequence[Unit], state: State, *, activation_type: str | None) -> list[Goal]:
    """The goals that the products are licensed; each is tried, whatever becomes of the others."""
    goals = []
    for unit in units:
        spends = activation_spends(unit.focus(state), unit.key)
        goal = unit.goal(activation_goal(spends=spends), independent=True)
        if goal in unmet([goal], state):
            refuse_token_activation(unit.focus(state), activation_type)
        goals.append(goal)
    return goals


def tell_failures(outcome: Outcome, units: Sequence[Unit]) -> None:
    """Complete the error of an outcome after activations: what failed goes before what is only waiting."""
    failures = list(outcome.failures)
    if outcome.error is None:
        told = {goal.product for goal, _ignored in failures}
        for unit in units:
            error = activation_failure(unit.focus(outcome.after).product) if unit.label not in told else None
            if error is not None:
                outcome.failures.append((unit.goal(activation_goal(spends=False)), error))
        failures = list(outcome.failures)
        outcome.error = min((error for _goal, error in failures), key=_is_waiting, default=None)
    if len(units) > 1:
        outcome.warnings += [f"{goal.product}: {error}" for goal, error in failures if error is not outcome.error]


def _is_waiting(error: LicensingError) -> bool:
    return error.info.code == hex_code(NOT_ENOUGH_COUNT)


def activate_all(applier: Applier, state: State, *, check: bool) -> Outcome:
    """Activate each volume product of Office that is not licensed.  Raises LicensingError when there is none."""
    units = volume_units(applier.reader, state, key=None, gvlk=False)
    outcome = applier.run(activation_goals(units, state, activation_type=None), state, check=check)
    if not check:
        tell_failures(outcome, units)
    return outcome


def require_volume_license_pack(reader: Reader, state: State) -> None:
    """Raise LicensingError when no KMS host licence of Office is on the machine, so that no host key could go on it.

    The licence is known by its description, not by its ID: for Office LTSC 2024 two pages of Microsoft give two IDs, of
    which 8d368fc1-9470-4be2-8d66-90e836cbb051 is that of a client licence.
    """
    if reader.office_licenses(_HOST_LICENCE):
        return
    if state.service.windows_version[:2] < _SHARED_SINCE:
        raise no_office(state, "no KMS host licence of Office")
    raise LicensingError(
        "key: this machine has no KMS host licence of Office, so that the key would be refused; it was not sent",
        remedy="Install the Volume License Pack of the Office version that the key is for "
        "(Microsoft Download Center), then run the task again",
    )
