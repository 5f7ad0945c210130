# Copyright (c) 2026, the winops.kms authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""How a stage fails."""

from __future__ import annotations


class StageError(Exception):
    """A stage failed; `output` is what the user should see of it."""

    def __init__(self, message: str, output: str = "") -> None:
        super().__init__(message)
        self.output = output
