# Copyright (c) 2026, the winops.kms authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The licensing model of the simulated estate: machines, keys, KMS hosts and clients, the clock."""

from __future__ import annotations

from .estate import Estate
from .spec import EstateError

__all__ = ["Estate", "EstateError"]
