# Copyright (c) 2026, the winops.kms authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The report says what the machines say."""

from __future__ import annotations

import csv
import json
import os
import re
from pathlib import Path

import pytest

from ansible_collections.winops.kms.extensions.molecule.conftest import ReadKey
from kmslab.control import Exchange, Lab

FOLDER = Path(os.environ["MOLECULE_EPHEMERAL_DIRECTORY"], "report")
#: LicenseStatus -> the report's word.
STATES = {"1": "licensed", "2": "oob_grace"}


@pytest.fixture
def rows() -> dict[str, dict[str, str]]:
    with (FOLDER / "kms-report.csv").open(encoding="utf-8-sig", newline="") as table:
        return {row["host"]: row for row in csv.DictReader(table)}


def test_every_machine_is_in_it(rows: dict[str, dict[str, str]]) -> None:
    assert set(rows) == {"kms1", "pc1", "pc2", "off1", "travel"}


@pytest.mark.parametrize("machine", ["kms1", "pc1", "pc2", "travel"])
def test_a_line_is_what_the_machine_says(rows: dict[str, dict[str, str]], windows_key: ReadKey, machine: str) -> None:
    product = windows_key(machine)
    assert rows[machine]["status"] == STATES[str(product["LicenseStatus"])]
    assert rows[machine]["partial_product_key"] == product["PartialProductKey"]


def test_a_machine_that_is_off_is_a_line_with_the_reason(rows: dict[str, dict[str, str]]) -> None:
    assert rows["off1"]["status"] == "not_reached"


def test_the_figures(lab: Lab) -> None:
    report = json.loads((FOLDER / "kms-report.json").read_text(encoding="utf-8"))
    licensed = [name for name in ("kms1", "pc1", "pc2", "travel") if lab.machine(name)["status"] == "licensed"]
    assert report["summary"]["totals"]["licensed"] == len(licensed) == 3


def test_the_page_needs_nothing_else() -> None:
    page = (FOLDER / "kms-report.html").read_text(encoding="utf-8")
    assert "off1" in page
    assert re.findall(r"""(?:src|href)="(?!data:|#)[^"]*|@import|url\((?!data:)""", page) == []


def test_machines_were_only_read(recorded: list[Exchange]) -> None:
    assert {one["kind"] for one in recorded} <= {"read"}
