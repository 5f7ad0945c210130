# Copyright (c) 2026, the winops.kms authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Names of activation objects as users write them, checked before anything is sent."""

from __future__ import annotations

from .errors import InputError

#: Microsoft's limit for the name of an activation object, in Unicode characters (slmgr.vbs options).
LONGEST_NAME = 40


def checked_object_name(text: str, option: str = "name") -> str:
    """A name that an activation object may get. Raises InputError.

    Windows counts UTF-16 code units, so a character outside the basic plane counts twice.
    """
    name = text.strip()
    if not name:
        raise InputError(option, "it is empty.", "Give a name of up to 40 characters, or leave it out.")
    if any(ord(character) < 32 or ord(character) == 127 for character in name):
        raise InputError(option, "it holds a control character.", "Give a name of one line.")
    length = len(name.encode("utf-16-le", "surrogatepass")) // 2
    if length > LONGEST_NAME:
        raise InputError(
            option,
            f"it has {length} characters, and Windows takes {LONGEST_NAME} (0xC004F082).",
            "Shorten the name.",
        )
    return name


def is_dn(text: str) -> bool:
    """Whether it is the distinguished name of an object rather than its name; the rule of slmgr.vbs /del-ao."""
    return ",cn=" in text.lower().replace(" ", "")
