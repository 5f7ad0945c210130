# Copyright (c) 2026, the winops.kms authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Keep product keys out of everything that a task shows, on every supported ansible-core."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

try:  # ansible-core 2.22 masks registered secrets itself wherever something is shown.
    from ansible.module_utils.secrets import register_secrets  # type: ignore[import-not-found,unused-ignore]
except ImportError:
    register_secrets = None

_MASK = "********"


class Secrets:
    """The secrets of one task; `hide` goes over everything that leaves it."""

    def __init__(self, values: Iterable[str]) -> None:
        # A key may be shown as it was typed or as it was understood; the longest go first, so that none is cut in two.
        spellings = {spelling for value in values for spelling in (value, value.strip(), value.strip().upper())}
        self._values = sorted((spelling for spelling in spellings if spelling), key=len, reverse=True)
        if register_secrets is not None and self._values:
            register_secrets(self._values)

    def hide(self, value: Any) -> Any:
        """The same value with every secret in its texts (keys of dictionaries too) masked, and of plain types."""
        if isinstance(value, str):
            for secret in self._values:
                value = value.replace(secret, _MASK)
            return str(value)
        if isinstance(value, dict):
            return {self.hide(name): self.hide(item) for name, item in value.items()}
        if isinstance(value, (list, tuple)):
            return [self.hide(item) for item in value]
        return value
