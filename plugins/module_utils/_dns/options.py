# Copyright (c) 2026, the winops.kms authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""From the options of the modules that publish KMS hosts to a goal, checked before anything is sent."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from .errors import InputError
from .names import domain_name, domain_of, target_name
from .update import Goal, Host

# Option -> lowest and highest value. The TTL is that of RFC 2181 section 8.
RANGES: Mapping[str, tuple[int, int]] = {
    "port": (1, 65535),
    "priority": (0, 65535),
    "weight": (0, 65535),
    "ttl": (0, 2**31 - 1),
    "server_port": (1, 65535),
    "timeout": (1, 3600),
}


def check_ranges(options: Mapping[str, Any]) -> None:
    """Raises InputError for the first number that is out of its range."""
    for option, (lowest, highest) in RANGES.items():
        value = options.get(option)
        if value is not None and not lowest <= value <= highest:
            raise InputError(option, f"{value} is out of range.", f"Give a number from {lowest} to {highest}.")


def goal_of(options: Mapping[str, Any]) -> Goal:
    """What the options ask for; one that a module does not have counts as not given. Raises InputError."""
    check_ranges(options)
    zone, domain = (domain_name(options[name], name) if options.get(name) else None for name in ("zone", "domain"))
    entries = options["records"] if options.get("target") is None else [options]
    hosts = _hosts_of(entries, domain or zone)
    present = options["state"] == "present"
    if not hosts:
        raise InputError("records", "the list is empty.", "List the KMS hosts that shall have a record.")
    if options["exclusive"] and not present:
        raise InputError("exclusive", "it does not go with state=absent.", "List the KMS hosts that shall remain.")
    return Goal(
        domain=domain_of(zone, domain, [host.target for host in hosts]),
        hosts=hosts,
        present=present,
        exclusive=options["exclusive"],
        ttl=options.get("ttl"),
        refresh=bool(options.get("refresh")),
        zone=zone,
    )


def _hosts_of(entries: Sequence[Mapping[str, Any]], domain: str | None) -> tuple[Host, ...]:
    hosts: dict[str, Host] = {}
    for entry in entries:
        check_ranges(entry)
        target = target_name(entry["target"], domain)
        if target.lower() in hosts:
            raise InputError("records", f"{target} is listed twice.", "A KMS host has one record: list it once.")
        hosts[target.lower()] = Host(target, entry.get("port"), entry["priority"], entry["weight"])
    return tuple(hosts.values())
