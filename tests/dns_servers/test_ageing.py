# Copyright (c) 2026, the winops.kms authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Records that a domain controller lets age, and removes some day if nobody sends them again."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from .client import credential, lines, run
from .samba import SYSTEM_PYTHON
from .servers import DnsServer, Samba

Running = Callable[[str], DnsServer]

AGES = Path(__file__).with_name("samba_ages.py")
DAY = 24

pytestmark = pytest.mark.server(Samba.name)


@pytest.fixture
def server(running: Running, monkeypatch: pytest.MonkeyPatch) -> Samba:
    server = running(Samba.name)
    assert isinstance(server, Samba) and server.kerberos is not None
    monkeypatch.setenv("KRB5_CONFIG", str(server.kerberos.config))
    server.clear()
    return server


def ages(server: Samba, stamp: int | None = None) -> list[int]:
    """The hour in which each record was last sent, as the server has noted it; set before, if one is given."""
    command = [SYSTEM_PYTHON, "-I", str(AGES), str(server.smb_conf), "lab.test", "_vlmcs._tcp"]
    command += [] if stamp is None else [str(stamp)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return [int(line) for line in done.stdout.split()]


@pytest.mark.parametrize("days", [8, 20])
def test_a_refreshed_record_is_young_again(server: Samba, days: int) -> None:
    run(server)
    run(server, "kms02.lab.test")
    young = max(ages(server))
    assert young > 0, "dynamic updates make records that age"
    old = young - days * DAY
    assert ages(server, old) == [old, old]

    assert not run(server).changed
    assert ages(server) == [old, old], "a converged run alone does not keep a record"
    before = lines(server)
    outcome = run(server, refresh=True)
    assert (outcome.changed, outcome.refreshed) == (False, True)
    assert max(ages(server)) >= young  # Samba renews the neighbour too; for others, that is not known
    assert lines(server) == before


def test_a_record_that_does_not_age_stays_like_that(server: Samba) -> None:
    run(server)
    assert ages(server, 0) == [0]
    identity = credential(server)
    assert run(server, signed_by=identity, refresh=True).refreshed
    assert ages(server) == [0]
