# Copyright (c) 2026, the winops.kms authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a remote shell of a simulated machine can run: a few commands, and slmgr.vbs where it reports."""

from __future__ import annotations

from .interpreter import Finished, run_command
from .texts import code_page, oem_code_page

__all__ = ["Finished", "code_page", "oem_code_page", "run_command"]
