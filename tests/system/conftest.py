# Copyright (c) 2026, the winops.kms authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A lab per estate and test process, and real ansible-playbook runs against it.

    pytestmark = pytest.mark.estate("small")        # the default; or on a single test

    def test_it(lab: Lab, play: Play, connection: str) -> None:
        run = play([{"winops.kms.license_info": {}}], hosts="srv01", connection=connection)

`lab` is as at its start for every test, with nothing recorded.  A module that plays once and asserts often takes
`start_lab` in a fixture of its own.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from ansible_collections.winops.kms.tests.system.harness import Ansible, Play, estate_path
from kmslab.control import Lab


def pytest_configure(config: pytest.Config) -> None:
    # Set before other processes are started for the tests, so that all draw from one seed.
    if os.environ.setdefault("WINOPS_TEST_SEED", "winops.kms") == "random":
        os.environ["WINOPS_TEST_SEED"] = secrets.token_hex(4)
    config.addinivalue_line("markers", "estate(name): the estate of the test's lab, by file name without .yml")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    terminalreporter.write_line(f"seed of the random sequences: WINOPS_TEST_SEED={os.environ['WINOPS_TEST_SEED']}")


@pytest.fixture(scope="session")
def start_lab() -> Iterator[Callable[[str], Lab]]:
    """Start a lab of an estate's name for oneself; it is stopped at the end."""
    with ExitStack() as labs:
        yield lambda estate: labs.enter_context(Lab(estate_path(estate)))


@pytest.fixture(scope="session")
def _shared_labs() -> dict[str, Lab]:
    return {}


@pytest.fixture
def lab(request: pytest.FixtureRequest, start_lab: Callable[[str], Lab], _shared_labs: dict[str, Lab]) -> Lab:
    """The lab of the estate that the marker names, as at its start."""
    marker = request.node.get_closest_marker("estate")
    name = marker.args[0] if marker else "small"
    if name in _shared_labs:
        _shared_labs[name].reset()
    else:
        _shared_labs[name] = start_lab(name)
    return _shared_labs[name]


@pytest.fixture
def play(lab: Lab, tmp_path: Path) -> Play:
    """Runs ansible-playbook on the test's lab; see `harness.Ansible.play`."""
    return Ansible(lab, tmp_path).play


@pytest.fixture(params=["winrm", "psrp"])
def connection(request: pytest.FixtureRequest) -> str:
    """Both connection plugins."""
    name: str = request.param
    return name
