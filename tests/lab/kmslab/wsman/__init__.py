# Copyright (c) 2026, the winops.kms authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""WS-Management as Windows speaks it, for the simulated machines."""

from __future__ import annotations

from .endpoint import BANNER, Endpoint
from .http import HttpServer

__all__ = ["BANNER", "Endpoint", "HttpServer"]
