# Copyright (c) 2026, the winops.kms authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A plan: the goals that do not hold yet, in order, each with the operations that bring it about.

Building a plan sends nothing.  Check mode stops here; `apply` carries a plan out.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from .._cim.session import CimSession
from .errors import LicensingError
from .reading import State
from .settings import Setting
from .state import PRODUCT_CLASS, SERVICE_CLASS, Product

LICENSED = "licensed"


def _accept(state: State) -> None:
    """Whatever Windows shows is right."""


@dataclass(frozen=True)
class Operation:
    """One call that changes the host.

    run: sends it, given the session and the state as it is then; settles: False for a call that only makes Windows
    look again, so that sending it twice does no harm and not sending it loses nothing.
    """

    name: str
    run: Callable[[CimSession, State], object] = field(repr=False)
    settles: bool = True


@dataclass(frozen=True)
class Goal:
    """One thing that shall hold: how to see it, what it shall be, and how to get there.

    read: its value in a state, as the user shall see it (keys masked); met: whether it holds in a state;
    spends: it uses up one of a limited number of activations, so it is never sent again blindly;
    changes_products: another product may be the chosen one afterwards; of_product: it is about the chosen product, so
    that it has to be looked at again then; restart: it needs the service to start again;
    product: the product that it is about, in a task about several; independent: its failure does not stop the goals
    after it;
    observable: False when Windows does not show the value, so that doing it counts as a change;
    verify: raises LicensingError when the goal holds, but what Windows shows besides is wrong;
    mismatch: why Windows may still show another value afterwards, None when that is told otherwise.
    """

    setting: str
    wanted: Any
    read: Callable[[State], Any] = field(repr=False)
    met: Callable[[State], bool] = field(repr=False)
    operations: tuple[Operation, ...] = field(repr=False)
    spends: bool = False
    changes_products: bool = False
    of_product: bool = False
    restart: bool = False
    observable: bool = True
    verify: Callable[[State], None] = field(default=_accept, repr=False)
    mismatch: str | None = "a Group Policy may override it"
    product: str | None = None
    independent: bool = False


@dataclass(frozen=True)
class Change:
    """What changed, or would change: a row of the result's `changes` and a line of the diff."""

    setting: str
    before: Any
    after: Any
    product: str | None = None

    @property
    def label(self) -> str:
        return f"{self.product}: {self.setting}" if self.product else self.setting

    def as_result(self) -> dict[str, Any]:
        told = {"setting": self.setting, "before": self.before, "after": self.after}
        return {**told, "product": self.product} if self.product else told


def unmet(goals: Sequence[Goal], state: State) -> tuple[Goal, ...]:
    """The plan: the goals that do not hold in `state`, or may hold no longer when it is their turn; empty = converged.

    A licensed product tells nothing of the one that is the chosen one after another key is installed.
    """
    plan: list[Goal] = []
    for goal in goals:
        if not goal.met(state) or (goal.of_product and any(earlier.changes_products for earlier in plan)):
            plan.append(goal)
    return tuple(plan)


def predicted_changes(plan: Sequence[Goal], state: State) -> tuple[Change, ...]:
    """What carrying the plan out would change."""
    changes = (Change(goal.setting, goal.read(state), goal.wanted, goal.product) for goal in plan)
    return tuple(change for change in changes if change.before != change.after)


def actual_changes(plan: Sequence[Goal], done: Sequence[Goal], before: State, after: State) -> tuple[Change, ...]:
    """What differs between two states, as far as the plan is concerned."""
    changes = []
    for goal in plan:
        seen = goal.read(after) if goal.observable else (goal.wanted if goal in done else goal.read(before))
        if seen != goal.read(before):
            changes.append(Change(goal.setting, goal.read(before), seen, goal.product))
    return tuple(changes)


def service_call(method: str, parameters: Mapping[str, Any] | None = None, *, settles: bool = True) -> Operation:
    """A method of SoftwareLicensingService; its key is the version that was read."""

    def run(session: CimSession, state: State) -> object:
        return session.invoke((SERVICE_CLASS, {"Version": state.service.version}), method, **(parameters or {}))

    return Operation(method, run, settles)


def product_call(method: str, parameters: Mapping[str, Any] | None = None) -> Operation:
    """A method of the product that is the chosen one when the call is made."""

    def run(session: CimSession, state: State) -> object:
        product = require_product(state)
        return session.invoke((PRODUCT_CLASS, {"ID": product.activation_id}), method, **(parameters or {}))

    return Operation(method, run)


def require_product(state: State) -> Product:
    """The chosen product; raises LicensingError when there is none (any more)."""
    product = state.product
    if product is None:
        raise LicensingError(
            "no product that fits has a product key now",
            remedy="Look at the host with license_info (application: all); the key may be for another product, which "
            "application or activation_id has to name",
        )
    return product


#: slmgr calls it after every change of a key or an activation; without it Windows may show the old state.
REFRESH = service_call("RefreshLicenseStatus", settles=False)


def setting_goal(setting: Setting, wanted: Any, *, on_product: bool = False, read_product: bool = False) -> Goal:
    """The goal that a setting has a value (None = its default).

    on_product: set it for the chosen product alone; read_product: its value shows on the product only.
    """

    def current(state: State) -> Any:
        holder = state.product if on_product or read_product else state.service
        return setting.read(holder) if holder is not None else None

    def met(state: State) -> bool:
        shown = current(state)
        # A product without a setting of its own may show that of the machine.
        inherited = on_product and wanted is None and setting.same(shown, setting.read(state.service))
        return inherited or setting.same(shown, wanted)

    method, parameters = setting.call(wanted)
    call = product_call if on_product else service_call
    return Goal(
        setting=setting.option,
        wanted=wanted,
        read=current,
        met=met,
        operations=(call(method, parameters),),
        of_product=on_product or read_product,
        restart=setting.restart,
    )
