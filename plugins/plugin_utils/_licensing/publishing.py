# Copyright (c) 2026, the winops.kms authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""DnsDomainPublishList: the DNS domains into which a KMS host publishes itself.

A REG_MULTI_SZ of lines `domain, priority, weight` that takes effect when sppsvc restarts (Microsoft, "Registry Settings
for Volume Activation").  WMI has no property for it, so it is read and written through StdRegProv.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from .._cim.session import CimSession
from .state import REGISTRY_CLASS

_HKEY_LOCAL_MACHINE = 2147483650
_KEY = r"SOFTWARE\Microsoft\Windows NT\CurrentVersion\SoftwareProtectionPlatform"
_VALUE = "DnsDomainPublishList"
_PLACE: dict[str, Any] = {"hDefKey": _HKEY_LOCAL_MACHINE, "sSubKeyName": _KEY, "sValueName": _VALUE}
#: StdRegProv answers with a Win32 error or a bare 1 when the value does not exist.
_MISSING = (1, 2)


@dataclass(frozen=True)
class PublishDomain:
    """One line of the list."""

    domain: str
    priority: int = 0
    weight: int = 0

    @classmethod
    def parse(cls, line: str) -> PublishDomain:
        domain, *numbers = (part.strip() for part in line.split(","))
        priority, weight = (int(number) if number.isdecimal() else 0 for number in (*numbers, "", "")[:2])
        return cls(_canonical(domain), priority, weight)

    @classmethod
    def of(cls, domain: str, priority: int = 0, weight: int = 0) -> PublishDomain:
        return cls(_canonical(domain), priority, weight)

    @property
    def line(self) -> str:
        return f"{self.domain}, {self.priority}, {self.weight}"


def _canonical(domain: str) -> str:
    return domain.strip().rstrip(".").lower()


def read_publish_domains(session: CimSession) -> tuple[PublishDomain, ...]:
    """The list as it stands, empty when there is none."""
    answer = session.invoke(REGISTRY_CLASS, "GetMultiStringValue", accept=(0, *_MISSING), writes=False, **_PLACE)
    lines = answer.get("sValue") or []
    return tuple(PublishDomain.parse(line) for line in lines if line.strip())


def write_publish_domains(session: CimSession, domains: Sequence[PublishDomain]) -> None:
    """Make the list exactly `domains`; without any the value goes, and the host publishes in its own domain again."""
    if domains:
        session.invoke(REGISTRY_CLASS, "SetMultiStringValue", sValue=[item.line for item in domains], **_PLACE)
    else:
        session.invoke(REGISTRY_CLASS, "DeleteValue", accept=(0, *_MISSING), **_PLACE)
