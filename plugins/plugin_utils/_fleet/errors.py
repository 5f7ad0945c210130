# Copyright (c) 2026, the winops.kms authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What can be wrong with a run as a whole."""

from __future__ import annotations


class FleetError(Exception):
    """The run can't begin or go on.  The text names the option, says why and what to do."""
