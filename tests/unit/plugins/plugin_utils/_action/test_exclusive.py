# Copyright (c) 2026, the winops.kms authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Runs that would spend an activation of the same machine are kept apart, by whatever process they are made."""

from __future__ import annotations

import os
import signal
import stat
from collections.abc import Callable
from pathlib import Path

import pytest

from ansible_collections.winops.kms.plugins.plugin_utils._action import exclusive
from ansible_collections.winops.kms.plugins.plugin_utils._action.exclusive import alone_with
from ansible_collections.winops.kms.plugins.plugin_utils._licensing.errors import LicensingError
from ansible_collections.winops.kms.plugins.plugin_utils._licensing.reading import Scope, State
from ansible_collections.winops.kms.plugins.plugin_utils._licensing.state import Service


def machine(client_machine_id: str | None) -> State:
    return State(scope=Scope(), service=Service(version="10.0", client_machine_id=client_machine_id), products=())


KMS1 = machine("0a7b38ab-9f2c-4a4f-9d7c-3c9f0d0e1f11")


class GaveUp(Exception):
    pass


@pytest.fixture(autouse=True)
def _own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exclusive, "_BASE", tmp_path)


def give_up(_seconds: float) -> None:
    raise GaveUp


@pytest.fixture
def holder() -> Callable[[], None]:
    """Another process that holds the lock of KMS1; calling the fixture kills it."""
    ready, started = os.pipe()
    child = os.fork()
    if not child:
        with alone_with(KMS1):
            os.write(started, b"!")
            signal.pause()
    os.read(ready, 1)

    def end() -> None:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)

    return end


def test_another_run_on_the_same_machine_waits_and_a_killed_one_holds_nothing(holder: Callable[[], None]) -> None:
    try:
        with pytest.raises(GaveUp), alone_with(KMS1, pause=give_up):
            pytest.fail("both are in")
        same = machine((KMS1.service.client_machine_id or "").upper())
        with pytest.raises(GaveUp), alone_with(same, pause=give_up):
            pytest.fail("both are in")
        with alone_with(machine("another machine"), pause=give_up):
            pass
    finally:
        holder()
    with alone_with(KMS1, pause=give_up):
        pass


def test_a_run_that_never_ends_is_named_after_a_limit(holder: Callable[[], None]) -> None:
    waited: list[float] = []
    try:
        with (
            pytest.raises(LicensingError, match="another run on this controller"),
            alone_with(KMS1, pause=waited.append),
        ):
            pytest.fail("both are in")
    finally:
        holder()
    assert sum(waited) == 600


def test_the_lock_is_free_after_an_error() -> None:
    with pytest.raises(GaveUp), alone_with(KMS1):
        raise GaveUp
    with alone_with(KMS1, pause=give_up):
        pass


def test_nobody_else_can_touch_the_lock_files(tmp_path: Path) -> None:
    with alone_with(KMS1):
        (folder,) = tmp_path.iterdir()
        (lock,) = folder.iterdir()
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert stat.S_IMODE(lock.stat().st_mode) == 0o600
    assert "0a7b38ab" not in lock.name


def test_a_folder_that_is_a_link_is_refused(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / f"winops-kms-{os.getuid()}").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(LicensingError, match="belongs to somebody else"), alone_with(KMS1):
        pytest.fail("it is used")
