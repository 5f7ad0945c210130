# Copyright (c) 2026, the winops.kms authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Files of a report: written at once or not at all, and only when they would differ."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterable
from pathlib import Path

from .errors import FleetError

Same = Callable[[str, str], bool]


def equal(old: str, new: str) -> bool:
    """Whether two contents are the same."""
    return old == new


def read_text(path: Path) -> str | None:
    """What is in the file; None when there is none, or nothing that could be compared."""
    try:
        # As it is: tables have line ends of their own.
        with open(path, encoding="utf-8", newline="") as file:
            return file.read()
    except (OSError, UnicodeDecodeError):
        return None


def check_writable(option: str, path: Path) -> None:
    """Raises FleetError now for what would fail after a long run."""
    folder = path.parent
    if not folder.is_dir():
        raise FleetError(f"{option}: there is no folder {folder}. Make it first, or name another one")
    if path.is_dir():
        raise FleetError(f"{option}: {path} is a folder. Name a file in it")
    if not os.access(folder, os.W_OK | os.X_OK):
        raise FleetError(f"{option}: the user who runs Ansible may not write to the folder {folder}")


def write(option: str, path: Path, pieces: Iterable[str], *, mode: int, check: bool, same: Same = equal) -> bool:
    """Write a file if it would differ; returns whether it does.  `check`: without writing it.

    A reader of the file sees the old content or the new one, never a part.
    """
    old = read_text(path)
    text = "".join(pieces)
    changed = old is None or not same(old, text)
    if check or (old == text):
        return changed
    try:
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        try:
            with os.fdopen(handle, "w", encoding="utf-8", newline="") as out:
                out.write(text)
            os.chmod(name, mode)
            os.replace(name, path)
        except BaseException:
            os.unlink(name)
            raise
    except OSError as error:
        raise FleetError(f"{option}: {path} can't be written: {error.strerror}") from None
    return changed
