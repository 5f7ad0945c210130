# Copyright (c) 2026, the winops.kms authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Check mode leaves no report."""

from __future__ import annotations

import os
from pathlib import Path


def test_check_mode_wrote_no_report() -> None:
    assert not Path(os.environ["MOLECULE_EPHEMERAL_DIRECTORY"], "report").exists()
