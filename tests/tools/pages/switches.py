# Copyright (c) 2026, the winops.kms authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""switches.yml: what the scripts of Microsoft do, and the tasks that replace them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import yaml

FILE = Path(__file__).parent / "switches.yml"


@dataclass(frozen=True)
class Row:
    """One row; the fields are explained in the file."""

    id: str
    switch: str
    does: str
    arguments: str = ""
    case: str = ""
    task: str = ""
    undo: str = ""
    repeats: str = ""
    note: str = ""
    instead: str = ""
    command: str = ""
    tested_by: str = ""

    @property
    def tasks(self) -> list[dict[str, Any]]:
        """The tasks as Ansible reads them."""
        return yaml.safe_load(self.task) or []

    @property
    def undo_tasks(self) -> list[dict[str, Any]]:
        return yaml.safe_load(self.undo) or []


@dataclass(frozen=True)
class Section:
    """Rows under one heading."""

    title: str
    rows: tuple[Row, ...]


@cache
def parts() -> Mapping[str, tuple[Section, ...]]:
    """slmgr, ospp, vamt, recipes -> its sections.

    Raises ValueError for rows that share an ID, and for a row that does not have one of task, command and instead.
    """
    data = yaml.safe_load(FILE.read_text(encoding="utf-8"))
    found = {
        part: tuple(Section(section["title"], tuple(Row(**row) for row in section["rows"])) for section in sections)
        for part, sections in data.items()
    }
    ids: set[str] = set()
    for row in (row for sections in found.values() for section in sections for row in section.rows):
        if row.id in ids or sum(map(bool, (row.task, row.command, row.instead))) != 1:
            raise ValueError(f"{FILE.name}: the row {row.id} is there twice, or is not one of task, command, instead")
        ids.add(row.id)
    return found


def rows(*names: str) -> tuple[Row, ...]:
    """The rows of these parts, of all when none is named."""
    found = parts()
    return tuple(row for name in names or found for section in found[name] for row in section.rows)
