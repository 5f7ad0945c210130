# Copyright (c) 2026, the winops.kms authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Install or remove one product key, and activate one product."""

from __future__ import annotations

from dataclasses import dataclass

from .apply import Applier, Outcome
from .errors import InvalidOption
from .goals import (
    activation_failure,
    activation_goal,
    activation_spends,
    forget_key_goal,
    gvlk_for,
    key_goal,
    no_key_goal,
    refuse_downgrade,
    refuse_token_activation,
    require_key,
    require_known_id,
)
from .keys import ProductKey
from .office import activate_all, is_about_all, key_goals, volume_units
from .offline import Confirmations, deposit_operations, refuse_kms_client
from .plan import Goal, unmet
from .reading import State


@dataclass(frozen=True)
class ProductKeyWish:
    """The options of the module `product_key`."""

    key: ProductKey | None = None
    gvlk: bool = False
    key_channel: str | None = None
    present: bool = True
    clear_from_registry: bool = False
    allow_downgrade: bool = False

    def check(self) -> None:
        """Raise InvalidOption for what is wrong whatever the host is like."""
        if self.present and not (self.key or self.gvlk or self.clear_from_registry):
            raise InvalidOption("key", "nothing to do", remedy="Give key, gvlk: true or clear_from_registry: true")
        if not self.present and (self.key or self.gvlk):
            raise InvalidOption("state", "absent removes whatever key is installed", remedy="Leave key and gvlk out")
        if self.key is not None and self.key_channel and self.key.is_gvlk != (self.key_channel == "gvlk"):
            kind = "a" if self.key.is_gvlk else "not a"
            raise InvalidOption(
                "key_channel",
                f"the key that ends in {self.key.partial} is {kind} public client setup key (GVLK), "
                f"but key_channel says {self.key_channel}",
            )


def configure_product_key(applier: Applier, wish: ProductKeyWish, *, check: bool) -> Outcome:
    """Read, plan, apply; `check` plans only.  Raises LicensingError before anything is changed, never after."""
    applier = applier.installing(wish.key)
    state = applier.reader.read()
    if is_about_all(state) and (wish.gvlk or wish.key):
        units = volume_units(applier.reader, state, key=wish.key, gvlk=wish.gvlk)
        wanted = [unit for unit in units if unit.key is not None]
        goals = key_goals(wanted, state, activates=False, channel=wish.key_channel, allowed=wish.allow_downgrade)
        return applier.run(_with_registry(wish, goals, state), state, check=check)
    require_known_id(state)
    goals = []
    key = gvlk_for(applier.reader, state) if wish.gvlk else wish.key
    if not wish.present:
        goals.append(no_key_goal())
    elif key is not None:
        refuse_downgrade(state, key, activates=False, allowed=wish.allow_downgrade)
        goals.append(key_goal(key, channel="gvlk" if wish.gvlk else wish.key_channel))
    return applier.run(_with_registry(wish, goals, state), state, check=check)


def _with_registry(wish: ProductKeyWish, goals: list[Goal], state: State) -> list[Goal]:
    # Windows does not show whether the registry still has a key: with a key it is cleared when that was installed.
    if wish.clear_from_registry and (not goals or any(not goal.met(state) for goal in goals)):
        return [*goals, forget_key_goal()]
    return goals


def activate_product(applier: Applier, *, confirmations: Confirmations | None = None, check: bool) -> Outcome:
    """Activate the chosen product once, unless it is licensed: online, or by its confirmation ID.

    The reader has to read ProductDetails for the latter.  Raises LicensingError when there is no product to activate.
    """
    state = applier.reader.read()
    if is_about_all(state) and confirmations is None:
        return activate_all(applier, state, check=check)
    require_known_id(state)
    product = require_key(state)
    is_host_key = product.key_channel == "csvlk"
    if confirmations is None:
        goal = activation_goal(spends=activation_spends(state, None), restart=is_host_key)
    else:
        goal = activation_goal(spends=False, restart=is_host_key, operations=deposit_operations(confirmations))
    goals = [goal]
    if unmet(goals, state):
        refuse_token_activation(state, None)
        if confirmations is not None:
            refuse_kms_client(product)
            confirmations.for_product(product)
    outcome = applier.run(goals, state, check=check)
    if not check:
        outcome.error = outcome.error or activation_failure(outcome.after.product)
    return outcome
