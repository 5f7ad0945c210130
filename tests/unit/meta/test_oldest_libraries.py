# Copyright (c) 2026, the winops.kms authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The oldest libraries that the documentation names are those that tests run on."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from ansible_collections.winops.kms.plugins.module_utils._directory import library as directory
from ansible_collections.winops.kms.plugins.module_utils._dns import library as dns
from ansible_collections.winops.kms.tests.tools.checks.ee import lines

ROOT = Path(__file__).resolve().parents[3]
OLDEST = dict(line.split("==") for line in lines(ROOT / "requirements" / "oldest.txt"))
DOCUMENTATION = [
    path.read_text(encoding="utf-8")
    for folder in ("doc_fragments", "modules")
    for path in (ROOT / "plugins" / folder).iterdir()
    if path.suffix in (".py", ".yml")
]


@pytest.mark.parametrize("name", ["pywinrm", "pypsrp", "dnspython", "ldap3"])
def test_documented_minimum(name: str) -> None:
    named = {found for text in DOCUMENTATION for found in re.findall(rf"- {name}(?: >= ([\d.]+))? ", text)}
    assert [_numbers(text) for text in named] == [_numbers(OLDEST[name])]


def test_minimum_in_messages() -> None:
    assert {name: _numbers(OLDEST[name]) for name in ("dnspython", "ldap3")} == {
        requirement.split()[0]: _numbers(requirement.split()[-1])
        for requirement in (dns.REQUIREMENT, directory.REQUIREMENT)
    }


def _numbers(version: str) -> tuple[int, ...]:
    """2.1 as 2.1.0."""
    numbers = tuple(map(int, version.split(".")))
    return numbers + (0,) * (3 - len(numbers))
