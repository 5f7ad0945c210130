# Copyright (c) 2026, the winops.kms authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The error codes of hresult.csv, in groups."""

from __future__ import annotations

import re

from ansible_collections.winops.kms.plugins.plugin_utils._licensing.tables import Row, rows

from .rst import document, introduction, list_table, plain, title

_COMMON = (
    "0xC004F074",
    "0xC004F038",
    "0x8007232B",
    "0xC004F042",
    "0xC004F06C",
    "0xC004F069",
    "0xC004F050",
    "0xC004C003",
    "0xC004C008",
    "0xC004C020",
    "0xC004D307",
    "0x80070005",
)
# The first group whose pattern fits "code cause" takes the row.
_GROUPS = (
    ("Information, no errors", r"0x4004"),
    ("Token-based activation", r"0xC004F3"),
    ("Virtual machines activated by their host", r"0xC004FD"),
    ("Activation, keys and licences", r"0xC004F"),
    ("Genuine validation", r"\w+ Genuine validation"),
    ("Activation by Microsoft", r"0xC004[BC]|0xC014C|0x803FA|0x8004FE"),
    ("Licensing service and licence store", r"0x[8C]004E"),
    ("Security processor, trusted store, rearm", r"0x[8C]004D"),
    ("Names in DNS", r"0x80072[36]"),
    ("Windows, network, directory", r""),
)


def page() -> str:
    """The page's text."""
    table = rows("hresult")
    by_code = {row["code"]: row for row in table}
    grouped: dict[str, list[Row]] = {heading: [] for heading, _pattern in _GROUPS}
    for row in table:
        grouped[_group(row)].append(row)
    body = [introduction("error_codes"), title("The most frequent"), _table([by_code[code] for code in _COMMON])]
    for heading, chosen in grouped.items():
        body += [title(heading), _table(sorted(chosen, key=lambda row: row["code"]))]
    return document("error_codes", "data/hresult.csv", "Error codes", *body)


def _group(row: Row) -> str:
    text = f"{row['code']} {row['cause']}"
    return next(heading for heading, pattern in _GROUPS if re.match(pattern, text))


def _table(chosen: list[Row]) -> str:
    return list_table((25, 35, 40), ("Code", "What it means", "What to do"), [_cells(row) for row in chosen])


def _cells(row: Row) -> tuple[str, str, str]:
    code = f"``{row['code']}``"
    name = f"\n\n``{row['symbol']}``" if row["symbol"] else ""
    # The name of a code of Microsoft's servers is all that is known of it.
    cause = f"\n\n{plain(row['cause'])}" if row["cause"] else ""
    return f"{code}{name}", f"{plain(row['meaning'])}{cause}", plain(row["remedy"])
