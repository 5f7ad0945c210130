# Copyright (c) 2026, the winops.kms authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""After check mode, and after a second run: nothing was written anywhere."""

from __future__ import annotations

from typing import Any

from kmslab.control import Exchange


def test_machines_were_only_read(recorded: list[Exchange]) -> None:
    assert recorded, "nothing was asked at all"
    written = [f"{one['machine']}: {one['method'] or one['action']}" for one in recorded if one["kind"] != "read"]
    assert written == []


def test_dns_is_as_it_was(zones_now: dict[str, Any], zones_before: dict[str, Any]) -> None:
    assert zones_now == zones_before
