# Copyright (c) 2026, the winops.kms authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Live tests: collected only when the environment names a host.  See README.md here."""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import cache
from pathlib import Path

import pytest

from ansible_collections.winops.kms.tests.live import reading
from ansible_collections.winops.kms.tests.live.playbook import Outcome, play
from ansible_collections.winops.kms.tests.live.settings import (
    HELP,
    Settings,
    SettingsError,
    is_wanted,
    read,
)

_TABLES: dict[str, Path] = {}


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    if collection_path.suffix != ".py":
        return None
    if not is_wanted(os.environ):
        return True
    try:
        settings = read(os.environ)
    except SettingsError as error:
        raise pytest.UsageError(str(error)) from None
    return True if collection_path.name == "test_writing.py" and not settings.write else None


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "connection" in metafunc.fixturenames:
        metafunc.parametrize("connection", read(os.environ).connections, scope="session")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if not is_wanted(os.environ):
        terminalreporter.write_line(HELP)
    for connection, path in _TABLES.items():
        terminalreporter.section(f"what this host says about open questions, by {connection}: {path}")
        terminalreporter.write_line(path.read_text(encoding="utf-8"))


@pytest.fixture(scope="session")
def settings() -> Settings:
    """What the environment asks for."""
    return read(os.environ)


@pytest.fixture(scope="session")
def read_by(settings: Settings, tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Outcome]:
    """The one run that changes nothing, by a connection plugin."""

    @cache
    def run(connection: str) -> Outcome:
        folder = tmp_path_factory.mktemp("live") / connection
        outcome = play(settings, connection, reading.read_only(settings, connection), folder)
        _write_table(settings, connection, outcome)
        return outcome

    return run


@pytest.fixture(scope="session")
def seen(read_by: Callable[[str], Outcome], connection: str) -> Outcome:
    """The same for the connection plugin of the test."""
    return read_by(connection)


def _write_table(settings: Settings, connection: str, outcome: Outcome) -> None:
    found = outcome.results.get("look", {}).get("answers")
    if found:
        build = outcome["license"]["service"]["build"]
        _TABLES[connection] = reading.write_table(settings, connection, build, found)
