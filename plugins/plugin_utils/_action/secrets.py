# Copyright (c) 2026, the winops.kms authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Keep product keys out of everything that a task shows, on every supported ansible-core."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from .._licensing.keys import DASHES

try:  # ansible-core 2.22 masks registered secrets itself wherever something is shown.
    from ansible.module_utils.secrets import register_secrets  # type: ignore[import-not-found,unused-ignore]
except ImportError:
    register_secrets = None

_MASK = "********"
_ANY_DASH = "[-" + "".join(map(chr, DASHES)) + "]"


def _however_spelt(secret: str) -> str:
    """A pattern for a secret as it was typed and as it was understood; case is left to the flags."""
    return _ANY_DASH.join(map(re.escape, secret.translate(DASHES).split("-")))


class Secrets:
    """The secrets of one task; `hide` goes over everything that leaves it."""

    def __init__(self, values: Iterable[str]) -> None:
        # The longest go first, so that none is cut in two.
        found = sorted({value.strip() for value in values} - {""}, key=len, reverse=True)
        self._pattern = re.compile("|".join(map(_however_spelt, found)), re.IGNORECASE) if found else None
        if register_secrets is not None and found:
            spellings = {spelling for text in found for spelling in (text, text.upper().translate(DASHES))}
            register_secrets(sorted(spellings))

    def hide(self, value: Any) -> Any:
        """The same value with every secret in its texts (keys of dictionaries too) masked, and of plain types."""
        if isinstance(value, str):
            return str(self._pattern.sub(_MASK, value) if self._pattern else value)
        if isinstance(value, dict):
            return {self.hide(name): self.hide(item) for name, item in value.items()}
        if isinstance(value, (list, tuple)):
            return [self.hide(item) for item in value]
        return value
