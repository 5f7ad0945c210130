# Copyright (c) 2026, the winops.kms authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Keytabs that are kept as text, for stores of secrets which take nothing else, such as the credentials of AWX."""

from __future__ import annotations

import base64
import binascii
import os
import tempfile

# The first bytes of the two versions of a keytab, as in MIT's description of the file format.
_BEGINNINGS = (b"\x05\x01", b"\x05\x02")
# Far more than a keytab of a service account has.
_LONGEST = 1 << 20


def decode_text(content: bytes) -> bytes | None:
    """The keytab that is written here in base64; None when it is something else, such as a keytab itself."""
    try:
        keytab = base64.b64decode(b"".join(content.split()), validate=True)
    except (binascii.Error, ValueError):
        return None
    return keytab if keytab.startswith(_BEGINNINGS) else None


def as_keytab(path: str, folder: str) -> str:
    """The path of a keytab that Kerberos can read: the same one, or that of a copy in folder if it has base64 inside.

    folder: a folder that goes when the module ends. What can't be read, and what is no file, stays as it is: those who
    use it tell what is wrong.
    """
    kind, _colon, name = path.rpartition(":")
    if kind.upper() not in ("", "FILE"):
        return path
    try:
        with open(name, "rb") as file:
            content = file.read(_LONGEST)
    except OSError:
        return path
    keytab = decode_text(content)
    if keytab is None:
        return path
    handle, copy = tempfile.mkstemp(prefix="keytab-", dir=folder)  # readable by this user alone
    with os.fdopen(handle, "wb") as file:
        file.write(keytab)
    return copy
