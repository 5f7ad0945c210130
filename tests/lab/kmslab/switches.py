# Copyright (c) 2026, the winops.kms authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What holds for the whole lab and may be changed while it runs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields


@dataclass
class Switches:
    """Settings of the lab's network and of all its machines.

    latency_ms: every answer of a machine waits for so many milliseconds, which costs no CPU and holds up no other one.
    swallow_modules: a PowerShell that a remote shell starts takes whatever it is sent and answers at once that all is
    well, as JSON: what a module of Ansible would cost that takes no time at all on its target.
    """

    latency_ms: float = 0
    swallow_modules: bool = False

    def change(self, data: object) -> None:
        """Set what a JSON object names.  Raises ValueError, and then nothing is changed."""
        if not isinstance(data, Mapping):
            raise ValueError("settings are a JSON object")
        known = {one.name for one in fields(self)}
        for name, value in data.items():
            if name not in known:
                raise ValueError(f"there is no setting {name}; there are {', '.join(sorted(known))}")
            number = isinstance(value, (int, float)) and not isinstance(value, bool)
            if name == "latency_ms" and not (number and 0 <= value <= 60_000):
                raise ValueError("latency_ms is a number from 0 to 60000")
            if name == "swallow_modules" and not isinstance(value, bool):
                raise ValueError("swallow_modules is true or false")
        for name, value in data.items():
            setattr(self, name, value)

    def as_json(self) -> dict[str, object]:
        """All settings."""
        return asdict(self)
