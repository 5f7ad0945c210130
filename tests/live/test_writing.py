# Copyright (c) 2026, the winops.kms authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Only with WINOPS_LIVE_WRITE=1: client settings are changed, looked at, and put back whatever happens."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.winops.kms.tests.live import reading
from ansible_collections.winops.kms.tests.live.playbook import Outcome, play
from ansible_collections.winops.kms.tests.live.settings import Settings

SETTINGS = ("kms_server", "kms_port", "kms_lookup_domain", "host_caching")


def _settings(result: dict[str, Any]) -> dict[str, Any]:
    return {name: result["service"][name] for name in SETTINGS}


@pytest.fixture(scope="module")
def changed(
    settings: Settings, connection: str, seen: Outcome, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Outcome, Outcome]:
    """The run that changes, and the one that puts back."""
    before = _settings(seen["license"])
    folder = tmp_path_factory.mktemp("write")
    try:
        during = play(settings, connection, reading.change(settings, before), folder / "change")
    finally:
        after = play(settings, connection, reading.restore(before), folder / "restore")
        left = _settings(after["restored"])
        assert left == before, f"NOT put back. Set these by hand on {settings.host}: {before}; they are now {left}"
    return during, after


def test_the_change_is_what_check_mode_foretold(seen: Outcome, changed: tuple[Outcome, Outcome]) -> None:
    during, _after = changed
    assert not during["change"].get("failed"), during["change"].get("msg")
    assert during["change"]["changes"] == seen["client other"]["changes"]


def test_a_second_run_changes_nothing(changed: tuple[Outcome, Outcome]) -> None:
    during, _after = changed
    assert during["change again"]["changed"] is False


def test_it_is_what_windows_shows(seen: Outcome, changed: tuple[Outcome, Outcome]) -> None:
    during, _after = changed
    (service,) = during["raw"]["rows"]["service"]
    assert service["KeyManagementServiceMachine"] == reading.TEST_SERVER
    assert service["KeyManagementServicePort"] == str(reading.TEST_PORT)
    assert service["KeyManagementServiceLookupDomain"] == reading.TEST_DOMAIN
    caching = seen["license"]["service"]["host_caching"]
    assert service["KeyManagementServiceHostCaching"].lower() == str(not caching).lower()
    assert _settings(during["changed"]) == {
        "kms_server": reading.TEST_SERVER,
        "kms_port": reading.TEST_PORT,
        "kms_lookup_domain": reading.TEST_DOMAIN,
        "host_caching": not caching,
    }


def test_only_settings_of_a_client_were_written(changed: tuple[Outcome, Outcome]) -> None:
    for outcome in changed:
        methods = {request.action.rpartition("/")[2] for request in outcome.of_kind("write")}
        assert methods
        assert all(method.partition("KeyManagementService")[0] in ("Set", "Clear", "Disable") for method in methods)
        assert outcome.of_kind("shell") == []


def test_a_licence_shows_the_name_of_the_machine_or_not(changed: tuple[Outcome, Outcome], settings: Settings) -> None:
    """The answer to the question that only a name which is set can give; it goes to the file beside the table."""
    during, _after = changed
    answer = next(one for one in during["look"]["answers"] if one["name"] == "product_machine_name")
    assert answer["host"].startswith(("yes", "no,")) or answer["host"] == "no"
    path = settings.output / "while_changed.md"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"{answer['question']} {answer['host']}\n", encoding="utf-8")
