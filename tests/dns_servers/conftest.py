# Copyright (c) 2026, the winops.kms authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which servers the tests run on.

    any_server      every server that knows TSIG, with a program of its own or embedded
    real_server     of these, the programs
    gss_server      every server that knows GSS-TSIG
    every_server    all of them

A server starts once, when it is first used. One that is not installed is a failure, not a skip: whoever wants to do
without it says so (--without-server), and --only-server is what two processes share the tests by. A test that asks
`running` for a server itself has the marker `server`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from .servers import SERVERS, Bind, BindWithKdc, DnsServer, Knot, Lab, Samba

TSIG = (Bind.name, Knot.name, Lab.name)
GSS = (BindWithKdc.name, Samba.name)

Running = Callable[[str], DnsServer]


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--without-server",
        action="append",
        default=[],
        choices=sorted(SERVERS),
        help="leave out the tests of this DNS server (may be repeated)",
    )
    parser.addoption(
        "--only-server",
        action="append",
        default=[],
        choices=sorted(SERVERS),
        help="run the tests of this DNS server, and no tests that need none (may be repeated)",
    )


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "server(name): the test starts this DNS server by itself")


def servers_of(item: pytest.Item) -> set[str]:
    """The servers that a test runs on."""
    named = {name for marker in item.iter_markers("server") for name in marker.args}
    parameters = item.callspec.params.items() if isinstance(item, pytest.Function) and hasattr(item, "callspec") else ()
    return named | {value for key, value in parameters if key.endswith("_server") and value in SERVERS}


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    here = Path(__file__).parent
    without, only = set(config.getoption("--without-server")), set(config.getoption("--only-server"))
    kept: list[pytest.Item] = []
    left_out: list[pytest.Item] = []
    for item in items:
        if not item.path.is_relative_to(here):
            kept.append(item)
            continue
        servers = servers_of(item)
        if not servers and "running" in getattr(item, "fixturenames", ()):
            raise pytest.UsageError(f"{item.nodeid} starts a server by itself: it needs the marker `server`")
        unwanted = bool(servers & without) or bool(only and not servers & only)
        (left_out if unwanted else kept).append(item)
    if left_out:
        config.hook.pytest_deselected(items=left_out)
        items[:] = kept


@pytest.fixture(scope="session")
def running() -> Iterator[Running]:
    """Starts a server at its first use."""
    with ExitStack() as stack:
        started: dict[str, DnsServer] = {}

        def get(name: str) -> DnsServer:
            if name not in started:
                started[name] = stack.enter_context(SERVERS[name]())
            return started[name]

        yield get


def use(server: DnsServer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> DnsServer:
    """Has Kerberos in this process, and in those that it starts, find the server's realm and no ticket of anybody."""
    if server.kerberos is not None:
        monkeypatch.setenv("KRB5_CONFIG", str(server.kerberos.config))
        monkeypatch.setenv("KRB5CCNAME", f"FILE:{tmp_path}/no-tickets")
    return server


@pytest.fixture(params=TSIG)
def any_server(request: pytest.FixtureRequest, running: Running) -> DnsServer:
    """Each server that knows TSIG in turn."""
    return running(request.param)


@pytest.fixture(params=[name for name in TSIG if name != Lab.name])
def real_server(request: pytest.FixtureRequest, running: Running) -> DnsServer:
    """Each server with TSIG that runs in a process of its own, with a clock and delegations of its own."""
    return running(request.param)


@pytest.fixture(params=GSS)
def gss_server(
    request: pytest.FixtureRequest, running: Running, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> DnsServer:
    """Each server with GSS-TSIG; its attribute `kerberos` has what a client needs."""
    return use(running(request.param), monkeypatch, tmp_path)


@pytest.fixture(params=[name for name in SERVERS if name != "powerdns-policy"])
def every_server(
    request: pytest.FixtureRequest, running: Running, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> DnsServer:
    """Each server, whatever it wants to be asked with: see its attributes `keys` and `kerberos`."""
    return use(running(request.param), monkeypatch, tmp_path)
