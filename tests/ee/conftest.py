# Copyright (c) 2026, the winops.kms authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The fixtures of the tests of the lab."""

from __future__ import annotations

from ansible_collections.winops.kms.tests.system.conftest import _shared_labs, lab, play, start_lab

__all__ = ("_shared_labs", "lab", "play", "start_lab")
