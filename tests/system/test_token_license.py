# Copyright (c) 2026, the winops.kms authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The modules token_license and token_license_info against the lab."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.winops.kms.tests.system.harness import Play, kinds
from kmslab.control import Lab

pytestmark = pytest.mark.estate("maintenance")

ILID = "5d3b3e3a-0000-4000-8000-0000000000c1"
LIST: dict[str, Any] = {"name": "list", "winops.kms.token_license_info": {}}
REMOVE: dict[str, Any] = {"name": "remove", "winops.kms.token_license": {"ilid": ILID.upper(), "ilvid": 1}}


def test_listing_and_removing(lab: Lab, play: Play, connection: str) -> None:
    foretold = play([LIST, REMOVE], hosts="single,late", connection=connection, check=True)
    assert kinds(lab.requests()).keys() == {"read"}
    found = foretold.result("single", "list")["token_licenses"]
    assert [(one["ilid"], one["ilvid"], one["description"], one["expires"]) for one in found] == [
        (ILID, 1, "Laptops", None),
        (ILID, 2, None, "2031-01-01T00:00:00+00:00"),
    ]
    assert foretold.result("late", "list")["token_licenses"] == []

    lab.fault("single", "drop_after", method="Uninstall")
    run = play([REMOVE], hosts="single,late", connection=connection)
    assert run.changed_hosts == ["single"]
    result = run.result("single", "remove")
    assert result["changes"] == foretold.result("single", "remove")["changes"]
    assert result["changes"] == [{"setting": "token_license", "before": f"{ILID} 1", "after": None}]
    assert [one["ilvid"] for one in result["token_licenses"]] == [2]
    assert lab.machine("single")["token_licenses"] == [{"ilid": ILID, "ilvid": 2}]
    assert [one["method"] for one in lab.requests() if one["kind"] == "write"] == ["Uninstall"]

    assert play([REMOVE], hosts="single,late", connection=connection).changed_hosts == []
