# Copyright (c) 2026, the winops.kms authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is measured: one play each, over the same machines."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

Task = Mapping[str, Any]

_CLIENT: Task = {"winops.kms.client": {"gvlk": True, "server": "kms1.corp.example", "activate": True}}
#: As Microsoft documents it: the script engine by name, no window, no banner.
_SLMGR = "cscript.exe //NoLogo C:\\Windows\\System32\\slmgr.vbs /dlv"
#: How many machines fleet_report asks at a time by its default.
CONCURRENCY = 100
#: Variants that ask fewer.
NARROW = {f"fleet_report_{number}": number for number in (5, 10)}
#: A password as most inventories have it: by the name of a variable of a vault.
_VAULT: Mapping[str, str] = {"ansible_password": "{{ vault_password }}", "vault_password": "Lab-only-1"}


@dataclass(frozen=True)
class Variant:
    """One way to do something on a number of machines.

    short: its name in a picture; estate: the lab's, by file name; most: the largest number of hosts that it is measured
    with in the grid; fresh: the machines have no key before the run; stock: the lab swallows its modules; variables:
    of the play; floor: the variant that does nothing in the same way.
    """

    name: str
    title: str
    short: str
    tasks: tuple[Task, ...]
    estate: str = "clients"
    most: int = 1_000
    fresh: bool = False
    stock: bool = False
    hosts: str = "all:!kms_hosts"
    variables: Mapping[str, str] = field(default_factory=dict)
    floor: str = "nothing"


VARIANTS: Mapping[str, Variant] = {
    one.name: one
    for one in (
        Variant("nothing", "a task that does nothing (Ansible's floor)", "does nothing", ({"nothing": {}},)),
        Variant("converged", "client, nothing to change", "client, converged", (_CLIENT,)),
        Variant("set_up", "client, from no key to activated", "client, set up", (_CLIENT,), fresh=True),
        Variant("license_info", "license_info", "license_info", ({"winops.kms.license_info": {}},)),
        Variant(
            "fleet_report",
            "fleet_report, one task for all",
            "fleet_report",
            ({"winops.kms.fleet_report": {}},),
            estate="fleet",
            most=100_000,
        ),
        Variant(
            "stock",
            "win_shell with slmgr.vbs, and win_product_facts",
            "stock modules",
            ({"ansible.windows.win_shell": _SLMGR, "changed_when": False}, {"community.windows.win_product_facts": {}}),
            stock=True,
        ),
        *(
            Variant(
                name,
                f"fleet_report, {concurrency} machines at a time",
                f"fleet_report, {concurrency} at a time",
                ({"winops.kms.fleet_report": {"concurrency": concurrency}},),
                estate="fleet",
                most=0,
            )
            for name, concurrency in NARROW.items()
        ),
        Variant(
            "nothing_vault",
            "a task that does nothing, the password a template",
            "does nothing, vault",
            ({"nothing": {}},),
            most=0,
            variables=_VAULT,
            floor="nothing_vault",
        ),
        Variant(
            "converged_vault",
            "client, nothing to change, the password a template",
            "client, converged, vault",
            (_CLIENT,),
            most=0,
            variables=_VAULT,
            floor="nothing_vault",
        ),
    )
}

#: The variants of the claim about a converged client.
CLAIMED = ("nothing", "converged", "nothing_vault", "converged_vault")
