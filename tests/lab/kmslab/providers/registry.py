# Copyright (c) 2026, the winops.kms authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""StdRegProv: the registry provider, in root/default and root/cimv2.  It has static methods and no instances."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from ..cim import Instance, Value
from ..model.machine import Machine
from ..model.registry import REG_DWORD, REG_MULTI_SZ, REG_SZ, Data
from .base import BaseProvider, Handler, wmi_class

if TYPE_CHECKING:
    from ..model.estate import Estate

HKEY_LOCAL_MACHINE = 2147483650
_NO_VALUE = 1
_NO_KEY = 2
_ACCESS_DENIED = 5
_TYPE_MISMATCH = 0x80041005

_METHODS = """
GetStringValue(hDefKey uint32, sSubKeyName string, sValueName string) -> (sValue string) read static
GetDWORDValue(hDefKey uint32, sSubKeyName string, sValueName string) -> (uValue uint32) read static
GetMultiStringValue(hDefKey uint32, sSubKeyName string, sValueName string) -> (sValue string[]) read static
SetStringValue(hDefKey uint32, sSubKeyName string, sValueName string, sValue string) static
SetDWORDValue(hDefKey uint32, sSubKeyName string, sValueName string, uValue uint32) static
SetMultiStringValue(hDefKey uint32, sSubKeyName string, sValueName string, sValue string[]) static
DeleteValue(hDefKey uint32, sSubKeyName string, sValueName string) static
EnumValues(hDefKey uint32, sSubKeyName string) -> (sNames string[], Types sint32[]) read static
EnumKey(hDefKey uint32, sSubKeyName string) -> (sNames string[]) read static
CreateKey(hDefKey uint32, sSubKeyName string) static
DeleteKey(hDefKey uint32, sSubKeyName string) static
CheckAccess(hDefKey uint32, sSubKeyName string, uRequired uint32) -> (bGranted boolean) read static
"""


class RegistryProvider(BaseProvider):
    """HKEY_LOCAL_MACHINE (the default when hDefKey is absent); other hives are empty.

    ReturnValue is 0, 1 for a missing value, 2 for a missing key, 0x80041005 for a value of another type.
    """

    def __init__(self, estate: Estate, machine: Machine, namespace: str) -> None:
        super().__init__(estate, machine)
        self.cim_class = wmi_class(namespace, "StdRegProv", "", _METHODS)
        self.handlers = {
            "GetStringValue": self._getter(REG_SZ, "sValue"),
            "GetDWORDValue": self._getter(REG_DWORD, "uValue"),
            "GetMultiStringValue": self._getter(REG_MULTI_SZ, "sValue"),
            "SetStringValue": self._setter(lambda a: str(a.get("sValue") or "")),
            "SetDWORDValue": self._setter(lambda a: _number(a.get("uValue"))),
            "SetMultiStringValue": self._setter(lambda a: _strings(a.get("sValue"))),
            "DeleteValue": self._delete_value,
            "EnumValues": self._enum_values,
            "EnumKey": self._enum_key,
            "CreateKey": self._create_key,
            "DeleteKey": self._delete_key,
            "CheckAccess": self._check_access,
        }

    def rows(self) -> Iterable[dict[str, Value]]:
        return []

    def _path(self, arguments: Instance) -> str | None:
        """The key named by the arguments, None when it does not exist."""
        hive = arguments.get("hDefKey")
        path = str(arguments.get("sSubKeyName") or "")
        if hive in (None, HKEY_LOCAL_MACHINE) and self.machine.registry.has_key(path):
            return path
        return None

    def _getter(self, kind: int, output: str) -> Handler:
        def run(_ignored: Instance | None, arguments: Instance) -> Instance:
            path, name = self._path(arguments), str(arguments.get("sValueName") or "")
            if path is None:
                return {output: None, "ReturnValue": _NO_KEY}
            found = self.machine.registry.type_of(path, name)
            if found is None:
                return {output: None, "ReturnValue": _NO_VALUE}
            if found != kind:
                return {output: None, "ReturnValue": _TYPE_MISMATCH}
            return {output: self.machine.registry.get(path, name), "ReturnValue": 0}

        return run

    def _setter(self, data: Callable[[Instance], Data]) -> Handler:
        def run(_ignored: Instance | None, arguments: Instance) -> Instance:
            path = self._path(arguments)
            if path is None:
                return {"ReturnValue": _NO_KEY}
            self.machine.registry.set(path, str(arguments.get("sValueName") or ""), data(arguments))
            return {"ReturnValue": 0}

        return run

    def _delete_value(self, _a: Instance | None, arguments: Instance) -> Instance:
        path, name = self._path(arguments), str(arguments.get("sValueName") or "")
        return {"ReturnValue": 0 if path is not None and self.machine.registry.delete(path, name) else _NO_KEY}

    def _enum_values(self, _a: Instance | None, arguments: Instance) -> Instance:
        path = self._path(arguments)
        if path is None:
            return {"sNames": None, "Types": None, "ReturnValue": _NO_KEY}
        values = self.machine.registry.values(path)
        return {
            "sNames": list(values) or None,
            "Types": [kind for kind, _ignored in values.values()] or None,
            "ReturnValue": 0,
        }

    def _enum_key(self, _a: Instance | None, arguments: Instance) -> Instance:
        path = self._path(arguments)
        if path is None:
            return {"sNames": None, "ReturnValue": _NO_KEY}
        return {"sNames": self.machine.registry.subkeys(path) or None, "ReturnValue": 0}

    def _create_key(self, _a: Instance | None, arguments: Instance) -> Instance:
        if arguments.get("hDefKey") not in (None, HKEY_LOCAL_MACHINE):
            return {"ReturnValue": _ACCESS_DENIED}
        self.machine.registry.create_key(str(arguments.get("sSubKeyName") or ""))
        return {"ReturnValue": 0}

    def _delete_key(self, _a: Instance | None, arguments: Instance) -> Instance:
        path = self._path(arguments)
        if path is None:
            return {"ReturnValue": _NO_KEY}
        return {"ReturnValue": 0 if self.machine.registry.delete_key(path) else _ACCESS_DENIED}

    def _check_access(self, _a: Instance | None, arguments: Instance) -> Instance:
        exists = self._path(arguments) is not None
        return {"bGranted": exists, "ReturnValue": 0 if exists else _NO_KEY}


def _number(value: object) -> int:
    return value if isinstance(value, int) else 0


def _strings(value: object) -> list[str]:
    if value is None:
        return []
    return [str(one) for one in value] if isinstance(value, (list, tuple)) else [str(value)]
