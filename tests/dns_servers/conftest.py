# Copyright (c) 2026, the winops.kms authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest

from .servers import SERVERS, DnsServer, ProgramServer

REAL = [name for name, kind in SERVERS.items() if issubclass(kind, ProgramServer)]


@pytest.fixture(scope="session")
def running() -> Iterator[Callable[[str], DnsServer]]:
    """Starts a server at its first use. One that is not installed is a failure, not a skip."""
    with ExitStack() as stack:
        started: dict[str, DnsServer] = {}

        def get(name: str) -> DnsServer:
            if name not in started:
                started[name] = stack.enter_context(SERVERS[name]())
            return started[name]

        yield get


@pytest.fixture(params=list(SERVERS))
def any_server(request: pytest.FixtureRequest, running: Callable[[str], DnsServer]) -> DnsServer:
    """Each server in turn."""
    return running(request.param)


@pytest.fixture(params=REAL)
def real_server(request: pytest.FixtureRequest, running: Callable[[str], DnsServer]) -> DnsServer:
    """Each server that runs in a process of its own, with a clock and delegations of its own."""
    return running(request.param)
