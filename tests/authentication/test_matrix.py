# Copyright (c) 2026, the winops.kms authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The table of connection plugins, authentication and message encryption has no failed cell."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from .cells import COLUMNS, ROWS
from .matrix import FAILED, PASSED, Outcome, fill, table
from .site import Site

PAGE = Path(__file__).parents[2] / "docs" / "docsite" / "rst" / "authentication_table.rst"
_GAP = re.compile(r" {2,}")


@pytest.fixture(scope="module")
def outcomes(site: Site, tmp_path_factory: pytest.TempPathFactory) -> list[Outcome]:
    return fill(site, tmp_path_factory.mktemp("matrix"))


def test_no_cell_has_failed(outcomes: list[Outcome]) -> None:
    failed = [one for one in outcomes if one.state == FAILED]
    assert not failed, "\n".join(f"{one.plugin}, {one.method}, {one.column}: {one.why}" for one in failed)
    assert len(outcomes) == len(ROWS) * len(COLUMNS)


def test_each_way_to_log_on_works_somewhere(outcomes: list[Outcome]) -> None:
    passed = {(one.plugin, one.method) for one in outcomes if one.state == PASSED}
    assert passed == {(row.plugin, row.name) for row in ROWS}


def test_no_shell_and_no_runspace_was_opened_in_any_run(site: Site, outcomes: list[Outcome]) -> None:
    seen = site.strict.requests() + site.lax.requests()
    assert {one["kind"] for one in seen} == {"read", "write"}
    assert len(seen) > len(outcomes)


def _rows(text: str) -> dict[tuple[str, str], list[str]]:
    """Plugin and way to log on -> cells, without the releases of ansible-core."""
    lines = [_GAP.split(line.strip()) for line in text.splitlines()]
    return {(words[0], words[1]): words[3:] for words in lines if words[0] in ("winrm", "psrp")}


def test_the_documentation_shows_this_table(outcomes: list[Outcome]) -> None:
    """Write it by `tests/authentication/run.py --output docs/docsite/rst/authentication_table.rst`."""
    fresh, shown = table(outcomes), PAGE.read_text(encoding="utf-8")
    assert _rows(fresh) == _rows(shown)
    assert [line for line in fresh.splitlines() if line.startswith("(")] == [
        line for line in shown.splitlines() if line.startswith("(")
    ]
