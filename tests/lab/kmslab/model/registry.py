# Copyright (c) 2026, the winops.kms authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The part of a machine's registry that the lab keeps: HKEY_LOCAL_MACHINE, keys and values without case."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache

SPP_KEY = r"SOFTWARE\Microsoft\Windows NT\CurrentVersion\SoftwareProtectionPlatform"
WINDOWS_KEY = r"SOFTWARE\Microsoft\Windows NT\CurrentVersion"
TCPIP_KEY = r"SYSTEM\CurrentControlSet\Services\Tcpip\Parameters"

REG_SZ, REG_DWORD, REG_MULTI_SZ = 1, 4, 7

Data = str | int | list[str]


@dataclass(slots=True)
class _Value:
    name: str
    type: int
    data: Data


@dataclass(slots=True)
class _Key:
    name: str
    values: dict[str, _Value] = field(default_factory=dict)
    children: dict[str, _Key] = field(default_factory=dict)


class Registry:
    """Keys are paths below HKLM with backslashes; strings are REG_SZ, numbers REG_DWORD, lists REG_MULTI_SZ."""

    def __init__(self) -> None:
        self._root = _Key("")

    def _find(self, path: str) -> _Key | None:
        key: _Key | None = self._root
        for part in _lower_parts(path):
            key = key.children.get(part) if key else None
        return key

    def create_key(self, path: str) -> None:
        key = self._root
        for part in _parts(path):
            key = key.children.setdefault(part.lower(), _Key(part))

    def has_key(self, path: str) -> bool:
        return self._find(path) is not None

    def delete_key(self, path: str) -> bool:
        """Remove a key without subkeys; False when it has some or does not exist."""
        *parents, last = _parts(path) or ("",)
        parent = self._find("\\".join(parents))
        key = parent.children.get(last.lower()) if parent else None
        if parent is None or key is None or key.children:
            return False
        del parent.children[last.lower()]
        return True

    def subkeys(self, path: str) -> list[str]:
        key = self._find(path)
        return [child.name for child in key.children.values()] if key else []

    def values(self, path: str) -> dict[str, tuple[int, Data]]:
        """Name -> (type, data) of all values of a key."""
        key = self._find(path)
        return {value.name: (value.type, value.data) for value in key.values.values()} if key else {}

    def get(self, path: str, name: str) -> Data | None:
        key = self._find(path)
        value = key.values.get(name.lower()) if key else None
        return value.data if value else None

    def type_of(self, path: str, name: str) -> int | None:
        key = self._find(path)
        value = key.values.get(name.lower()) if key else None
        return value.type if value else None

    def set(self, path: str, name: str, data: Data | None) -> None:
        """Write a value, making its key; None removes the value."""
        if data is None:
            self.delete(path, name)
            return
        self.fill(path, {name: data})

    def fill(self, path: str, values: Mapping[str, Data | None]) -> None:
        """Write several values of one key; None is passed over."""
        self.create_key(path)
        key = self._find(path)
        assert key is not None
        for name, data in values.items():
            if data is not None:
                key.values[name.lower()] = _Value(name, _kind(data), data)

    def delete(self, path: str, name: str) -> bool:
        """Remove a value; False when there is none."""
        key = self._find(path)
        return bool(key and key.values.pop(name.lower(), None))


def _kind(data: Data) -> int:
    return REG_DWORD if isinstance(data, int) else REG_MULTI_SZ if isinstance(data, list) else REG_SZ


@lru_cache(maxsize=1024)
def _lower_parts(path: str) -> tuple[str, ...]:
    return _parts(path.lower())


@lru_cache(maxsize=1024)
def _parts(path: str) -> tuple[str, ...]:
    return tuple(part for part in path.split("\\") if part)
