# Copyright (c) 2026, the winops.kms authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""HRESULT -> symbol, meaning, likely cause and next step; from the data table, never from Windows' localised text."""

from __future__ import annotations

from .errors import ErrorInfo
from .tables import Row, Rows, derived

#: Fewer machines have asked the KMS host than the client needs: the normal start of every KMS.
NOT_ENOUGH_COUNT = 0xC004F038


def hex_code(code: int) -> str:
    """0xC004F038 for 3221549112 as well as for -1073418184."""
    return f"0x{code & 0xFFFFFFFF:08X}"


@derived("hresult")
def _by_code(rows: Rows) -> dict[str, Row]:
    return {row["code"]: row for row in rows}


def is_known(code: int) -> bool:
    """Whether the table has the HRESULT."""
    return hex_code(code) in _by_code()


def describe(code: int, *, fallback: str = "") -> ErrorInfo:
    """What is known of an HRESULT; `fallback` is the text for one that is not in the table."""
    text = hex_code(code)
    row = _by_code().get(text)
    if row is None:
        return ErrorInfo(
            code=text,
            name=None,
            message=fallback or "Windows reported an error that is not in the collection's table",
            remedy=f"Look {text} up in Microsoft's documentation, or add it to a hresult.csv (data_directory)",
        )
    message = f"{row['meaning']}. {row['cause']}" if row["cause"] else row["meaning"]
    return ErrorInfo(code=text, name=row["symbol"] or None, message=message, remedy=row["remedy"])
