# Copyright (c) 2026, the winops.kms authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Rearming: a count goes down at once, and the next restart of the machine does the rest."""

from __future__ import annotations

import datetime
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ..cim import WmiError
from . import codes
from .catalogue import stable_guid

if TYPE_CHECKING:
    from .machine import Machine, Product

#: What ReArmWindows rearms, beside the IDs of applications and products.
WINDOWS = "windows"
_RUNNING = datetime.timedelta(days=2, hours=3)


@dataclass
class Rearming:
    """What a machine remembers: how often its applications can be rearmed, and what waits for the restart.

    hides_products: whether SoftwareLicensingProduct answers with an error until then.
    """

    app_rearms: int
    hides_products: bool = False
    used: dict[str, int] = field(default_factory=dict)
    """Application ID -> rearms that it has used."""
    waiting: set[str] = field(default_factory=set)
    """`windows`, application IDs, product IDs."""
    restarted_at: int | None = None
    """The minute of the last restart, if there was one."""

    def left(self, application: str) -> int:
        return self.app_rearms - self.used.get(application.lower(), 0)

    @property
    def hidden(self) -> bool:
        return self.hides_products and bool(self.waiting)


def rearm_windows(machine: Machine) -> None:
    """ReArmWindows."""
    if _allowed(machine, WINDOWS, machine.rearms):
        machine.rearms -= 1
        machine.rearming.waiting.add(WINDOWS)


def rearm_application(machine: Machine, application: object) -> None:
    """ReArmApp: of an application that has a product on this machine."""
    name = str(application or "").strip("{}").lower()
    if not any(product.application == name for product in machine.products):
        raise WmiError(codes.INVALID_ARGUMENT)
    rearming = machine.rearming
    if _allowed(machine, name, rearming.left(name)):
        rearming.used[name] = rearming.used.get(name, 0) + 1
        rearming.waiting.add(name)


def rearm_product(machine: Machine, product: Product) -> None:
    """ReArmSku."""
    if _allowed(machine, product.id, product.rearms):
        product.rearms -= 1
        machine.rearming.waiting.add(product.id)


def _allowed(machine: Machine, what: str, left: int) -> bool:
    """Whether a rearm has any effect; WmiError when it cannot be."""
    if {what, WINDOWS} & machine.rearming.waiting:
        raise WmiError(codes.REARMED)
    if machine.number("SkipRearm"):
        return False
    if left <= 0:
        raise WmiError(codes.REARMS_USED_UP)
    return True


def booted(machine: Machine, now: datetime.datetime) -> datetime.datetime:
    """When the machine started; two days before `now` if it has not been restarted."""
    minute = machine.rearming.restarted_at
    return now - (_RUNNING if minute is None else datetime.timedelta(minutes=machine.minute - minute))


def restart(machine: Machine) -> None:
    """The machine starts again: what was rearmed is as on the first day, and the licensing service starts."""
    rearming = machine.rearming
    done, rearming.waiting = rearming.waiting, set()
    rearming.restarted_at = machine.minute
    if WINDOWS in done:
        machine.cmid = stable_guid("cmid", machine.name, f"rearm {machine.rearms}")
        machine.grace_end = machine.minute + codes.GRACE
        done.add(codes.WINDOWS_APPLICATION)
    for product in machine.keyed:
        if {product.application, product.id} & done:
            machine.start_grace(product)
    service = machine.sppsvc
    if service.state != "Stopped":
        service.state = "Stopped"
        service.start()
