# Copyright (c) 2026, the winops.kms authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Check mode of what writes: it says exactly what it would do, and does nothing."""

from __future__ import annotations

from typing import Any

from ansible_collections.winops.kms.tests.live.playbook import Outcome
from ansible_collections.winops.kms.tests.live.reading import TEST_DOMAIN, TEST_PORT, TEST_SERVER


def _changes(result: dict[str, Any]) -> dict[str, tuple[Any, Any]]:
    return {one["setting"]: (one["before"], one["after"]) for one in result.get("changes") or ()}


def test_client_settings_that_hold_are_left_alone(seen: Outcome) -> None:
    result = seen["client same"]
    assert not result.get("failed"), result.get("msg")
    assert (result["changed"], _changes(result)) == (False, {})


def test_other_client_settings_are_foretold(seen: Outcome) -> None:
    result, service = seen["client other"], seen["license"]["service"]
    assert not result.get("failed"), result.get("msg")
    assert result["changed"] is True
    changes = _changes(result)
    assert changes["server"] == (service["kms_server"], TEST_SERVER)
    assert changes["port"][1] == TEST_PORT
    assert changes["lookup_domain"] == (service["kms_lookup_domain"], TEST_DOMAIN)
    assert changes["host_caching"] == (service["host_caching"], not service["host_caching"])
    assert result["diff"]["after"]["server"] == TEST_SERVER


def test_host_settings_that_hold_are_left_alone(seen: Outcome) -> None:
    result = seen["host same"]
    assert result["changed"] is False
    assert seen["license"]["kms_host"]["is_kms_host"] is False or not result.get("failed"), result.get("msg")


def test_other_host_settings_are_foretold(seen: Outcome) -> None:
    result, host = seen["host other"], seen["license"]["kms_host"]
    if result.get("failed"):
        assert host["is_kms_host"] is False, result["msg"]
    else:
        assert _changes(result) == {"dns_publishing": (host["dns_publishing"], not host["dns_publishing"])}


def test_activation_is_foretold(seen: Outcome) -> None:
    result, licence = seen["activation"], seen["license"]["license"]
    if result.get("failed"):
        assert licence is None, result["msg"]
    else:
        assert result["changed"] is (licence["status"] != "licensed")


def test_all_is_as_before(seen: Outcome) -> None:
    assert seen["license again"]["service"] == seen["license"]["service"]
