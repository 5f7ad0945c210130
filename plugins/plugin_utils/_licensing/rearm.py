# Copyright (c) 2026, the winops.kms authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Rearm Windows, an application or a product: once, while there is a reason to, and not below a reserve.

Windows counts how often each can be rearmed.  A rearm takes effect at the next restart; a second one before that
answers SL_REMAPPING_SP_PUB_TS_REARMED (slerror.h), and on some Windows so do reads of the licences until then.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Any

from .._cim.errors import CimFault
from .apply import Applier, Outcome
from .errors import InvalidOption, LicensingError
from .goals import require_key, require_known_id
from .hresult import hex_code
from .plan import Goal, Operation, product_call, service_call
from .reading import Reader, Scope, State, parse_guid
from .scopes import BroadScope
from .state import APPLICATIONS, REGISTRY_CLASS, Product, Service

#: SL_REMAPPING_SP_PUB_TS_REARMED: it has been rearmed, and the machine has not been restarted since.
WAITS_FOR_RESTART = 0xC004D302

_SKIP_REARM: dict[str, Any] = {
    "hDefKey": 2147483650,
    "sSubKeyName": r"SOFTWARE\Microsoft\Windows NT\CurrentVersion\SoftwareProtectionPlatform",
    "sValueName": "SkipRearm",
}
#: StdRegProv answers with a Win32 error or a bare 1 when the value does not exist.
_MISSING = (1, 2)
_REGISTRY = dataclasses.replace(REGISTRY_CLASS, methods={"GetDWORDValue": {"uValue": "uint32"}})
#: Token in the description of a licence that ends by itself, such as that of an evaluation edition.
_TIME_BASED = "TIMEBASED_"
#: Channels of keys whose activations Microsoft counts.
_COUNTED = ("csvlk", "mak")


@dataclass(frozen=True)
class RearmState(State):
    """skip_rearm: Windows is told to ignore rearms; waits: it has been rearmed and waits for the restart."""

    skip_rearm: bool = False
    waits: bool = False


@dataclass(frozen=True)
class RearmReader(Reader):
    """Reads a RearmState, as much of it as there is while Windows waits for the restart."""

    def read(self) -> RearmState:
        service, waits = Service(), False
        products: tuple[Product, ...] = ()
        try:
            service = self._service()
            products = self._products()
        except CimFault as fault:
            if fault.code != WAITS_FOR_RESTART:
                raise
            waits = True
        answer = self.session.invoke(_REGISTRY, "GetDWORDValue", accept=(0, *_MISSING), writes=False, **_SKIP_REARM)
        return RearmState(
            scope=self.scope,
            service=service,
            products=products,
            skip_rearm=answer.get("uValue") == 1,
            waits=waits,
        )


@dataclass(frozen=True)
class RearmWish:
    """The options of the module `rearm`."""

    scope: str = "windows"
    application: str = "windows"
    application_id: str | None = None
    activation_id: str | None = None
    if_client_machine_id: tuple[str, ...] = ()
    if_days_left_below: int = 1
    force: bool = False
    keep: int = 1

    @classmethod
    def of(cls, *, if_client_machine_id: Collection[str] = (), **options: Any) -> RearmWish:
        """From the options as given; raises InvalidOption for what is wrong whatever the host is like."""
        wish = cls(if_client_machine_id=tuple(_guid("if_client_machine_id", one) for one in if_client_machine_id))
        for name in ("application_id", "activation_id"):
            if options.get(name):
                options[name] = _guid(name, options[name])
        wish = dataclasses.replace(wish, **options)
        wish._check()
        return wish

    def _check(self) -> None:
        if self.scope == "windows" and self.application != "windows":
            raise InvalidOption(
                "scope", "windows rearms Windows alone", remedy="Use scope: application or scope: product for Office"
            )
        if self.scope == "product" and not self.activation_id:
            raise InvalidOption("activation_id", "it has to name the product that scope: product rearms")
        if self.application_id and self.scope != "application":
            raise InvalidOption("application_id", "it goes with scope: application only")
        if self.scope == "application" and self.activation_id:
            raise InvalidOption("activation_id", "scope: application rearms all products of the application")
        if self.if_client_machine_id and self.scope != "windows":
            raise InvalidOption(
                "if_client_machine_id",
                "Windows makes a new client machine ID when it is rearmed as a whole",
                remedy="Use it with scope: windows",
            )
        for name in ("keep", "if_days_left_below"):
            if getattr(self, name) < 0:
                raise InvalidOption(name, "0 is the least")

    @property
    def product_scope(self) -> Scope:
        """The products that are looked at."""
        if self.scope == "application" or self.if_client_machine_id:
            return BroadScope(self.application, self.activation_id, application_id=self.application_id)
        return Scope(self.application, self.activation_id)


@dataclass(frozen=True)
class RearmOutcome:
    """What happened; `before` and `after` are the counts left by scope, None for one that Windows does not show."""

    outcome: Outcome
    before: dict[str, int | None]
    after: dict[str, int | None]
    restart_required: bool
    skip_rearm: bool


def rearm(applier: Applier, wish: RearmWish, *, check: bool) -> RearmOutcome:
    """Read, decide, rearm once.  Raises LicensingError before anything is sent, never after."""
    applier = dataclasses.replace(applier, reader=RearmReader(applier.session, wish.product_scope))
    state = applier.reader.read()
    before = counts(state)
    if _waits(state) or not _is_due(wish, state):
        return _outcome(Outcome(before=state, after=state), before, before, waits=_waits(state))
    _refuse_when_ignored(state)
    left = _require_rearms(wish, before)
    goal = _goal(wish, left)
    outcome = applier.run([goal], state, check=check)
    waits = _settle(outcome, goal)
    after = dict(before)
    if not check:
        after.update((name, count) for name, count in counts(outcome.after).items() if count is not None)
    if outcome.changed:
        after[wish.scope] = left - 1
    return _outcome(outcome, before, after, waits=waits)


def counts(state: State) -> dict[str, int | None]:
    """How often Windows, the application and the product can be rearmed; of several products the least."""
    products = [state.product] if state.product else list(state.products)
    return {
        "windows": state.service.remaining_windows_rearms,
        "application": _least(products, lambda one: one.remaining_app_rearms),
        "product": _least(products, lambda one: one.remaining_sku_rearms) if len(products) == 1 else None,
    }


def _least(products: Collection[Product], read: Callable[[Product], int | None]) -> int | None:
    return min((count for count in map(read, products) if count is not None), default=None)


def _outcome(
    outcome: Outcome, before: dict[str, int | None], after: dict[str, int | None], *, waits: bool
) -> RearmOutcome:
    skip = isinstance(outcome.before, RearmState) and outcome.before.skip_rearm
    return RearmOutcome(outcome, before, after, restart_required=waits or outcome.changed, skip_rearm=skip)


def _waits(state: State) -> bool:
    return isinstance(state, RearmState) and state.waits


def _is_due(wish: RearmWish, state: State) -> bool:
    """Whether there is a reason to rearm."""
    if wish.if_client_machine_id:
        due = parse_guid(state.service.client_machine_id or "") in wish.if_client_machine_id
        if due and not wish.force:
            _keep_what_was_counted(state)
        return due
    require_known_id(state)
    if wish.force:
        return True
    if wish.scope == "application":
        if not state.products:
            raise LicensingError(
                "this host has no product of that application with a product key, so that its time can't be told",
                remedy="Install a key first, or set force to rearm it nevertheless",
            )
        return any(_runs_out(product, wish.if_days_left_below) for product in state.products)
    require_key(state)
    return state.product is not None and _runs_out(state.product, wish.if_days_left_below)


def _keep_what_was_counted(state: State) -> None:
    for product in state.products:
        if product.licensed and product.key_channel in _COUNTED:
            raise LicensingError(
                f"{product.name} is activated with a key of channel {product.channel}, and a rearm would undo that",
                remedy="Set force if it may be activated again, which uses up one more activation of its key",
            )


def _refuse_when_ignored(state: State) -> None:
    if isinstance(state, RearmState) and state.skip_rearm:
        raise LicensingError(
            rf"Windows is set to ignore rearms: SkipRearm is 1 in HKLM\{_SKIP_REARM['sSubKeyName']}",
            remedy="Set the value to 0, and run the task again",
        )


def _runs_out(product: Product, days: int) -> bool:
    if product.licensed and _TIME_BASED not in (product.description or "").upper():
        return False
    left = product.days_remaining
    return left is not None and left < days


def _require_rearms(wish: RearmWish, before: dict[str, int | None]) -> int:
    """The count that is left; LicensingError when a rearm would go below the reserve."""
    left = before[wish.scope]
    if left is None:
        raise LicensingError(
            f"Windows does not show how often the {wish.scope} can be rearmed",
            remedy="Check that a product of it has a key; Windows 7 and Server 2008 R2 count for Windows alone",
        )
    if left - 1 < wish.keep:
        raise LicensingError(
            f"{left} rearms of the {wish.scope} are left, and keep holds {wish.keep} of them back",
            remedy="Lower keep if one may be used up; the count of a machine without any is renewed by nothing but a "
            "new installation",
        )
    return left


def _goal(wish: RearmWish, left: int) -> Goal:
    def read(state: State) -> int | None:
        return counts(state)[wish.scope]

    def done(state: State) -> bool:
        count = read(state)
        return _waits(state) or (count is not None and count < left)

    return Goal(
        setting=f"remaining_{wish.scope}_rearms",
        wanted=left - 1,
        read=read,
        met=done,
        operations=(_call(wish),),
        spends=True,
        # Reads may be refused until the restart.
        observable=False,
    )


def _call(wish: RearmWish) -> Operation:
    if wish.scope == "windows":
        return service_call("ReArmWindows")
    if wish.scope == "application":
        return service_call("ReArmApp", {"ApplicationId": wish.application_id or APPLICATIONS[wish.application]})
    return product_call("ReArmSku")


def _settle(outcome: Outcome, goal: Goal) -> bool:
    """Whether the restart is waited for; a refusal that says just that is no error."""
    waits = outcome.error is not None and outcome.error.info.code == hex_code(WAITS_FOR_RESTART)
    if waits:
        outcome.error = None
    # Met without a change: another run did it while this one waited for its turn.
    return waits or goal.met(outcome.after)


def _guid(option: str, text: str) -> str:
    found = parse_guid(str(text))
    if found is None:
        raise InvalidOption(option, f"{text!r} is not a GUID")
    return found
