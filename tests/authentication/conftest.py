# Copyright (c) 2026, the winops.kms authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""One site for all tests: the machines of the table, and those on which something goes wrong."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from .cells import cells
from .site import FLEET, Site
from .troubles import TROUBLES


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    machines = [cell.machine for cell in cells()] + [trouble.machine for trouble in TROUBLES] + ["spare", *FLEET]
    with Site(tmp_path_factory.mktemp("site"), machines) as running:
        yield running
