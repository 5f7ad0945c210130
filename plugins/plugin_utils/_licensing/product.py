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
from .plan import Goal, unmet


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
    require_known_id(state)
    goals: list[Goal] = []
    key = gvlk_for(applier.reader, state) if wish.gvlk else wish.key
    if not wish.present:
        goals.append(no_key_goal())
    elif key is not None:
        refuse_downgrade(state, key, activates=False, allowed=wish.allow_downgrade)
        goals.append(key_goal(key, channel="gvlk" if wish.gvlk else wish.key_channel))
    # Windows does not show whether the registry still has a key: with a key it is cleared when that was installed.
    if wish.clear_from_registry and (not goals or not goals[0].met(state)):
        goals.append(forget_key_goal())
    return applier.run(goals, state, check=check)


def activate_product(applier: Applier, *, check: bool) -> Outcome:
    """Activate the chosen product once, unless it is licensed.  Raises LicensingError when there is none."""
    state = applier.reader.read()
    require_known_id(state)
    require_key(state)
    goals = [activation_goal(spends=activation_spends(state, None))]
    if unmet(goals, state):
        refuse_token_activation(state, None)
    outcome = applier.run(goals, state, check=check)
    if not check:
        outcome.error = outcome.error or activation_failure(outcome.after.product)
    return outcome
