# Copyright (c) 2026, the winops.kms authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A KMS host for Office: host keys of their own, one for each version of Office, beside the one of Windows.

A host key for Office goes onto a licence that the Volume License Pack of its version brings.  All other settings of a
KMS host are those of the machine, whichever of its keys a client asks for: they are changed when the task gives them,
and removing a host key for Office leaves them as they are.
"""

from __future__ import annotations

from .apply import Applier, Outcome
from .errors import AmbiguousProduct, LicensingError
from .goals import activation_failure, activation_goal, key_goal, no_key_goal, refuse_downgrade, require_known_id
from .host import HostWish, machine_goals, require_firewall_rule, warnings_of
from .keys import ProductKey
from .office import about, focused, must_land, require_volume_license_pack
from .plan import Goal
from .reading import State
from .state import Product


def host_licence(state: State, key: ProductKey | None) -> Product | None:
    """The KMS host licence of Office that a task is about: the one with the key, else the only one; None without any.

    Raises AmbiguousProduct when there are several and the task names none.
    """
    keyed = [product for product in state.products if product.partial_product_key]
    if key is not None:
        return next((product for product in keyed if product.partial_product_key == key.partial), None)
    hosts = [product for product in keyed if product.key_channel == "csvlk"]
    if len(hosts) > 1:
        listed = {product.activation_id: f"{product.name} ({product.status})" for product in hosts}
        raise AmbiguousProduct(
            f"{len(hosts)} KMS host keys for Office are installed: "
            + "; ".join(f"{activation_id} = {name}" for activation_id, name in listed.items()),
            candidates=listed,
        )
    return hosts[0] if hosts else None


def the_host_licence(state: State, key: ProductKey | None) -> Product | None:
    """The same for a result: None also where several host keys are installed and none of them is meant."""
    try:
        found = host_licence(state, key)
    except AmbiguousProduct:
        return None
    return found if found is not None and found.key_channel == "csvlk" else None


def configure_office_host(applier: Applier, wish: HostWish, *, check: bool) -> Outcome:
    """Read, plan, apply; `check` plans only.  Raises LicensingError before anything is changed, never after."""
    state = applier.reader.read()
    require_known_id(state)
    if wish.firewall is not None:
        require_firewall_rule(state)
    warnings: list[str] = []
    if wish.present:
        if wish.key is not None:
            _require_place(applier, wish.key, state)
        try:
            _require_host_key(wish, state)
        except LicensingError as error:
            # In check mode the task that installs the host key has not done it either.
            if not check:
                raise
            warnings.append(str(error))
        goals = _key_goals(wish, state) + machine_goals(wish)
    else:
        goals = _absent_goals(wish, state)
    outcome = applier.run(goals, state, check=check)
    outcome.warnings += warnings + warnings_of(wish)
    if wish.present and wish.activate and not check:
        outcome.error = outcome.error or activation_failure(host_licence(outcome.after, wish.key))
    return outcome


def _for_host(goal: Goal, key: ProductKey | None) -> Goal:
    return about(goal, lambda state: focused(state, host_licence(state, key)))


def _key_goals(wish: HostWish, state: State) -> list[Goal]:
    goals = []
    if wish.key is not None:
        if state.scope.activation_id:
            refuse_downgrade(state, wish.key, activates=wish.activate, allowed=wish.allow_downgrade)
        goals.append(must_land(_for_host(key_goal(wish.key, channel="csvlk", restart=True), wish.key), wish.key))
    if wish.activate:
        goals.append(_for_host(activation_goal(spends=True, restart=True), wish.key))
    return goals


def _absent_goals(wish: HostWish, state: State) -> list[Goal]:
    """The host key alone goes; what is asked for besides is asked for explicitly."""
    goals = [goal for goal in machine_goals(wish) if goal.setting == "firewall"]
    found = host_licence(state, wish.key)
    if found is not None and found.key_channel == "csvlk":
        # By its ID: without its key the licence is not read any more, and another one would be the only one.
        goals.append(about(no_key_goal(restart=True), lambda state: focused(state, _with_id(state, found))))
    return goals


def _with_id(state: State, product: Product) -> Product | None:
    return next((item for item in state.products if item.activation_id == product.activation_id), None)


def _require_place(applier: Applier, key: ProductKey, state: State) -> None:
    """Raise LicensingError before a key is sent that could only be refused."""
    if host_licence(state, key) is None:
        require_volume_license_pack(applier.reader, state)


def _require_host_key(wish: HostWish, state: State) -> None:
    if wish.key is not None:
        return
    needing = ["activate"] if wish.activate and host_licence(state, None) is None else []
    if state.service.is_kms_host != 1 and not any(product.key_channel == "csvlk" for product in state.products):
        needing += [setting.option for setting in wish.settings]
    if needing:
        raise LicensingError(
            f"{', '.join(needing)}: this machine has no KMS host key (CSVLK) for Office installed",
            remedy="Give the host key with key",
        )
