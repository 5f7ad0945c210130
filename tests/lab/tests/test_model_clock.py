# Copyright (c) 2026, the winops.kms authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The clock: renewals, grace periods, notification."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from labsupport.desk import MAK, Desk, client, estate_data, host, srv

from kmslab.model import Estate

DAY = 1440


@pytest.fixture
def desk() -> Iterator[Desk]:
    zone = {"name": "corp.example", "records": [srv()]}
    made = Estate.from_data(
        estate_data(host(seed_cmids=30), client(), client("mak", key=MAK, licensed=True), zones=[zone])
    )
    made.start()
    yield Desk(made)
    made.stop()


def state(desk: Desk, name: str = "pc") -> tuple[object, object, object]:
    row = desk.keyed(name)
    return row["LicenseStatus"], row["LicenseStatusReason"], row["GracePeriodRemaining"]


def test_a_licence_runs_down_and_is_renewed_every_seven_days(desk: Desk) -> None:
    assert desk.activate("pc") == "ok"
    desk.estate.advance(7 * DAY - 1)
    assert state(desk)[2] == 173 * DAY + 1
    desk.estate.advance(1)
    assert state(desk) == (1, 0x4004F040, 180 * DAY)
    desk.estate.advance(365 * DAY)
    assert state(desk)[0] == 1


def test_a_client_that_loses_its_host_falls_back_step_by_step(desk: Desk) -> None:
    assert desk.activate("pc") == "ok"
    desk.estate.patch("kms1", {"reachable_1688": False})
    steps = []
    for days in (179, 1, 29, 1, 100):
        desk.estate.advance(days * DAY)
        steps.append((state(desk)[0], state(desk)[2]))
    assert steps == [(1, 1 * DAY), (3, 30 * DAY), (3, 1 * DAY), (5, 0), (5, 0)]
    assert state(desk)[1] == 0xC004F074
    desk.estate.patch("kms1", {"reachable_1688": True})
    desk.estate.advance(DAY)
    assert state(desk)[0] == 1, "it tries again by itself"


def test_grace_of_a_new_machine(desk: Desk) -> None:
    desk.estate.patch("kms1", {"power": False})
    assert state(desk) == (2, 0x4004F00C, 30 * DAY)
    desk.estate.advance(30 * DAY - 1)
    assert (state(desk)[0], state(desk)[2]) == (2, 1)
    desk.estate.advance(1)
    assert (state(desk)[0], state(desk)[2]) == (5, 0)


def test_an_unactivated_client_tries_again_within_two_hours(desk: Desk) -> None:
    desk.estate.patch("kms1", {"power": False})
    assert desk.activate("pc") == "0xC004F074"
    desk.estate.patch("kms1", {"power": True})
    desk.estate.advance(119)
    assert state(desk)[0] == 2
    desk.estate.advance(1)
    assert state(desk)[0] == 1


def test_a_machine_that_is_off_does_not_try(desk: Desk) -> None:
    desk.estate.patch("pc", {"power": False})
    desk.estate.advance(2 * DAY)
    assert state(desk)[0] == 2


def test_a_permanent_licence_stays(desk: Desk) -> None:
    desk.estate.advance(400 * DAY)
    assert state(desk, "mak") == (1, 0x4004F040, 0)


def test_an_idle_service_stops_on_a_client_and_runs_on_a_host(desk: Desk) -> None:
    desk.service("pc")
    assert desk.state("pc") == "Running"
    desk.estate.advance(60)
    assert (desk.state("pc"), desk.state("kms1")) == ("Stopped", "Running")


def test_time_runs_forward_only(desk: Desk) -> None:
    with pytest.raises(ValueError, match="backwards"):
        desk.estate.advance(-1)


def test_the_operating_systems_clock_moves_along(desk: Desk) -> None:
    (before,) = desk.rows("pc", "Win32_OperatingSystem")
    desk.estate.advance(90)
    (after,) = desk.rows("pc", "Win32_OperatingSystem")
    assert (after["LocalDateTime"] - before["LocalDateTime"]).total_seconds() == 5400  # type: ignore[operator]
