# Copyright (c) 2026, the winops.kms authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Answers in a file, each written as soon as it is there, so that a run that was killed can go on where it was."""

from __future__ import annotations

import fcntl
import os
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path

from .answers import Answer, parse_line
from .errors import FleetError

#: What every line of such a file begins with.
_BEGINNING = b'{"at":'


class Journal:
    """A file with a line for each answer; of several for one host the last counts.

    Opening it drops what is older than `fresh_since` (seconds since 1970) and what is no answer.  What remains is in
    `kept`: the hosts that need not be asked again.  One run at a time has the file.
    """

    def __init__(self, path: Path, *, fresh_since: float) -> None:
        self.path = path
        self._file = -1
        self._lines: dict[str, tuple[int, int]] = {}
        self._size = 0
        try:
            self._open(fresh_since)
        except OSError as error:
            self.close()
            raise FleetError(
                f"state_file: {path} can't be read and written: {error.strerror}. Name a file in a folder that exists "
                "and that the user who runs Ansible may write to"
            ) from None
        except FleetError:
            self.close()
            raise
        self.kept = frozenset(self._lines)

    def _open(self, fresh_since: float) -> None:
        self._file = _locked(self.path, os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
        kept: dict[str, bytes] = {}
        count = 0
        with open(self.path, "rb") as lines:
            first = lines.readline()
            # The first line may be torn, too, if the run before was killed early.
            if not (first.startswith(_BEGINNING) or _BEGINNING.startswith(first)):
                raise FleetError(
                    f"state_file: {self.path} is a file of something else, which would be overwritten. Name another "
                    "one, or remove it"
                )
            lines.seek(0)
            for line in lines:
                count += 1
                answer = parse_line(line)
                if answer is not None and answer.answered and answer.at >= fresh_since:
                    kept[answer.host] = line
                elif answer is not None:
                    kept.pop(answer.host, None)
        if count > len(kept):
            self._rewrite(kept.values())
        for host, line in kept.items():
            self._lines[host] = (self._size, len(line))
            self._size += len(line)
        os.lseek(self._file, 0, os.SEEK_END)

    def _rewrite(self, lines: Iterable[bytes]) -> None:
        """Anew and at once: whenever the run is killed, either the old file is there or the new one."""
        handle, name = tempfile.mkstemp(dir=self.path.parent, prefix=f".{self.path.name}.")
        try:
            with os.fdopen(os.dup(handle), "wb") as out:
                out.writelines(lines)
                out.flush()
                os.fsync(out.fileno())
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            os.replace(name, self.path)
        except BaseException:
            os.close(handle)
            os.unlink(name)
            raise
        os.close(self._file)
        self._file = handle

    def add(self, answer: Answer) -> None:
        """Write an answer down; it is in the file when this returns."""
        line = answer.as_line()
        try:
            rest = line
            while rest:
                # A disk that is nearly full takes a part.
                rest = rest[os.write(self._file, rest) :]
        except OSError as error:
            raise FleetError(
                f"state_file: {self.path} can't be written: {error.strerror}. What is in it is kept: make room, then "
                "run it again"
            ) from None
        self._lines[answer.host] = (self._size, len(line))
        self._size += len(line)

    def answers(self, hosts: Iterable[str]) -> Iterator[Answer]:
        """The answers of these hosts, in this order, read from the file."""
        for host in hosts:
            start, length = self._lines[host]
            answer = parse_line(os.pread(self._file, length, start))
            if answer is None:
                raise FleetError(f"state_file: something else has written to {self.path} during the run. Run it again")
            yield answer

    def close(self) -> None:
        if self._file >= 0:
            os.close(self._file)
            self._file = -1


def _locked(path: Path, file: int) -> int:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        # Another run may have put a new file in its place meanwhile.
        if os.fstat(file).st_ino == os.stat(path).st_ino:
            return file
    except BlockingIOError:
        pass
    except OSError:
        os.close(file)
        raise
    os.close(file)
    raise FleetError(f"state_file: another run is using {path}. Let it finish, or name another file")
