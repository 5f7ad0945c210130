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
def changed(settings: Settings, connection: str, seen: Outcome, tmp_path_factory: pytest.TempPathFactory) -> Outcome:
    """The run that changes and puts back; whatever becomes of it, this ends with what was, or says what was."""
    before = _settings(seen["license"])
    folder = tmp_path_factory.mktemp("write")
    done: Outcome | None = None
    try:
        done = play(settings, connection, [*reading.change(settings, before), *reading.restore(before)], folder / "all")
    finally:
        if done is None or _left(done) != before:
            again = play(settings, connection, reading.restore(before), folder / "again")
            left = _left(again)
            assert left == before, f"NOT put back on {settings.host}. Set by hand: {before}; it is now: {left}"
    assert _left(done) == before, "the settings were put back by the second attempt alone"
    return done


def _left(outcome: Outcome) -> dict[str, Any] | None:
    restored = outcome.results.get("restored", {})
    return None if restored.get("failed", True) else _settings(restored)


def test_the_change_is_what_check_mode_foretold(seen: Outcome, changed: Outcome) -> None:
    assert not changed["change"].get("failed"), changed["change"].get("msg")
    assert changed["change"]["changes"] == seen["client other"]["changes"]


def test_a_second_run_changes_nothing(changed: Outcome) -> None:
    assert changed["change again"]["changed"] is False


def test_it_is_what_windows_shows(seen: Outcome, changed: Outcome) -> None:
    (service,) = changed["raw"]["rows"]["service"]
    assert service["KeyManagementServiceMachine"] == reading.TEST_SERVER
    assert service["KeyManagementServicePort"] == str(reading.TEST_PORT)
    assert service["KeyManagementServiceLookupDomain"] == reading.TEST_DOMAIN
    caching = seen["license"]["service"]["host_caching"]
    assert service["KeyManagementServiceHostCaching"].lower() == str(not caching).lower()
    assert _settings(changed["changed"]) == {
        "kms_server": reading.TEST_SERVER,
        "kms_port": reading.TEST_PORT,
        "kms_lookup_domain": reading.TEST_DOMAIN,
        "host_caching": not caching,
    }


def test_only_settings_of_a_client_were_written(changed: Outcome) -> None:
    methods = {request.action.rpartition("/")[2] for request in changed.of_kind("write")}
    assert methods
    assert all(method.partition("KeyManagementService")[0] in ("Set", "Clear", "Disable") for method in methods)
    assert changed.of_kind("shell") == []


def test_a_licence_shows_the_name_of_the_machine_or_not(
    seen: Outcome, changed: Outcome, settings: Settings, connection: str
) -> None:
    """The question that only a name which is set can answer; its line in the table is written anew."""
    found = next(one for one in changed["look"]["answers"] if one["name"] == "product_machine_name")
    assert found["host"].startswith(("yes", "no")), found["host"]
    assert "is set" not in found["host"]
    answers = [found if one["name"] == found["name"] else one for one in seen["look"]["answers"]]
    reading.write_table(settings, connection, seen["license"]["service"]["build"], answers)
