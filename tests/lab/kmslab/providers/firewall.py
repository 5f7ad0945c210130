# Copyright (c) 2026, the winops.kms authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""MSFT_NetFirewallRule (root/StandardCimv2): the inbound rules that matter to the lab."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from ..cim import Instance, Value, WmiError
from ..model.codes import WBEM_INVALID_PARAMETER, WBEM_NOT_FOUND
from ..model.machine import FirewallRule, Machine
from .base import BaseProvider, text_key, wmi_class

if TYPE_CHECKING:
    from ..model.estate import Estate

_RULE = """
InstanceID string key
CreationClassName string key
PolicyRuleName string key
SystemCreationClassName string key
SystemName string key
Action uint16
Caption string
Description string
Direction uint16
DisplayGroup string
DisplayName string
EdgeTraversalPolicy uint16
ElementName string
Enabled uint16
EnforcementStatus uint16[]
LooseSourceMapping boolean
LocalOnlyMapping boolean
Owner string
Platforms string[]
PolicyStoreSource string
PolicyStoreSourceType uint16
PrimaryStatus uint16
Profiles uint16
RuleGroup string
Status string
StatusCode uint32
"""

_METHODS = """
Enable()
Disable()
Rename(NewName string)
CloneObject(NewName string)
EnumerateFull() read
"""


class FirewallProvider(BaseProvider):
    """The rules by InstanceID; a path may carry the CIM_PolicyRule keys too, which are empty or repeat the name."""

    def __init__(self, estate: Estate, machine: Machine) -> None:
        super().__init__(estate, machine)
        self.cim_class = wmi_class("root/StandardCimv2", "MSFT_NetFirewallRule", _RULE, _METHODS)
        self.handlers = {
            "Enable": lambda keys, _a: self._switch(keys, True),
            "Disable": lambda keys, _a: self._switch(keys, False),
        }

    def rows(self) -> Iterable[dict[str, Value]]:
        return [self._row(rule) for rule in self.machine.firewall.values()]

    def _row(self, rule: FirewallRule) -> dict[str, Value]:
        return {
            "InstanceID": rule.name,
            "CreationClassName": f"MSFT|FW|FirewallRule|{rule.name}",
            "PolicyRuleName": "",
            "SystemCreationClassName": "",
            "SystemName": "",
            "Action": 2,
            "Description": f"{rule.display_name} [TCP {rule.port}]",
            "Direction": 1,
            "DisplayGroup": rule.group,
            "DisplayName": rule.display_name,
            "EdgeTraversalPolicy": 0,
            "ElementName": rule.display_name,
            "Enabled": 1 if rule.enabled else 2,
            "EnforcementStatus": [0],
            "LooseSourceMapping": False,
            "LocalOnlyMapping": False,
            "Platforms": [],
            "PolicyStoreSource": "PersistentStore" if rule.source_type == 1 else "GroupPolicy",
            "PolicyStoreSourceType": rule.source_type,
            "PrimaryStatus": 1,
            "Profiles": rule.profiles,
            "RuleGroup": rule.group,
            "Status": "OK",
            "StatusCode": 65536,
        }

    def _rule(self, keys: Instance | None) -> FirewallRule:
        wanted = text_key(keys, "InstanceID")
        for rule in self.machine.firewall.values():
            if rule.name.lower() == wanted:
                return rule
        raise WmiError(WBEM_NOT_FOUND)

    def _switch(self, keys: Instance | None, enabled: bool) -> Instance:
        self._rule(keys).enabled = enabled
        return {"ReturnValue": 0}

    def put(self, keys: Instance, properties: Instance) -> Instance:
        """Change Enabled (1 or 2) and Profiles; other properties are taken as unchanged."""
        with self.estate.lock:
            rule = self._rule(keys)
            enabled, profiles = properties.get("Enabled"), properties.get("Profiles")
            if enabled not in (None, 1, 2) or not (
                profiles is None or (isinstance(profiles, int) and 0 <= profiles <= 7)
            ):
                raise WmiError(WBEM_INVALID_PARAMETER)
            if enabled is not None:
                rule.enabled = enabled == 1
            if isinstance(profiles, int):
                rule.profiles = profiles
            return self._row(rule)
