# Copyright (c) 2026, the winops.kms authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The table of connection plugins, authentication and message encryption has no failed cell."""

from __future__ import annotations

from pathlib import Path

import pytest

from .cells import COLUMNS, ROWS
from .matrix import Outcome, fill
from .site import Site


@pytest.fixture(scope="module")
def outcomes(site: Site, tmp_path_factory: pytest.TempPathFactory) -> list[Outcome]:
    return fill(site, tmp_path_factory.mktemp("matrix"))


def test_no_cell_has_failed(outcomes: list[Outcome]) -> None:
    failed = [one for one in outcomes if one.state == "failed"]
    assert not failed, "\n".join(f"{one.plugin}, {one.method}, {one.column}: {one.why}" for one in failed)
    assert len(outcomes) == len(ROWS) * len(COLUMNS)


def test_each_way_to_log_on_works_somewhere(outcomes: list[Outcome]) -> None:
    passed = {(one.plugin, one.method) for one in outcomes if one.state == "passed"}
    assert passed == {(row.plugin, row.name) for row in ROWS}


def test_no_shell_and_no_runspace_was_opened_in_any_run(site: Site, outcomes: list[Outcome], tmp_path: Path) -> None:
    seen = site.strict.requests() + site.lax.requests()
    assert {one["kind"] for one in seen} == {"read", "write"}
    assert len(seen) > len(outcomes)
