# Copyright (c) 2026, the winops.kms authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The report as text: an HTML page, a table for spreadsheets, or JSON."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Mapping
from typing import Any

from .page import page
from .rows import COLUMNS

#: A spreadsheet takes a cell that begins with one of these for a formula
#: (OWASP, "CSV Injection"; the last ones are the full-width forms of the first).
_FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20")


def csv_text(report: Mapping[str, Any]) -> str:
    """One line for each row of the report, below a line with the names of the columns.  It has no time of its own."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(COLUMNS)
    writer.writerows([_cell(row[name]) for name in COLUMNS] for row in report["rows"])
    return out.getvalue()


def _cell(value: Any) -> Any:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str) and value.lstrip(" ").startswith(_FORMULA_STARTS):
        return f"'{value}"
    return value


def json_text(report: Mapping[str, Any]) -> str:
    """The report as JSON with a line for each row, so that differences can be read."""
    head = {name: value for name, value in report.items() if name != "rows"}
    rows = ",\n".join("  " + json.dumps(row, ensure_ascii=False) for row in report["rows"])
    body = json.dumps(head, ensure_ascii=False, indent=1).rstrip().removesuffix("}").rstrip()
    return f'{body},\n "rows": [\n{rows}\n ]\n}}\n'


FORMATS: dict[str, Callable[[Mapping[str, Any]], str]] = {"html": page, "csv": csv_text, "json": json_text}


def render(report: Mapping[str, Any], form: str) -> str:
    """The report in one of FORMATS; ValueError for another one."""
    if form not in FORMATS:
        raise ValueError(f"{form!r} is no format of the report. Use one of {', '.join(FORMATS)}")
    return FORMATS[form](report)
