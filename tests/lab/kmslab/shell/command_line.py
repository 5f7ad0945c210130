# Copyright (c) 2026, the winops.kms authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Command lines as cmd.exe reads them: quotes, variables, operators; paths as Windows writes them."""

from __future__ import annotations

import ntpath
import re
from collections.abc import Mapping

_VARIABLE = re.compile(r"%([^%\s]+)%")
_WORD = re.compile(r'(?:"[^"]*"?|[^\s"])+')
_OPERATORS = re.compile(r"[&|<>]")
_QUOTED = re.compile(r'"[^"]*"?')
_CMD = re.compile(r'"?(?:[^\s"]*\\)?cmd(?:\.exe)?"?\s+((?:/\S+\s+)*?)/[ck]\s*(.*)\Z', re.IGNORECASE | re.DOTALL)


def expand(line: str, variables: Mapping[str, str]) -> str:
    """With the values of `%NAME%` (names without case); an unknown one stays as it is."""
    known = {name.lower(): value for name, value in variables.items()}
    return _VARIABLE.sub(lambda match: known.get(match[1].lower(), match[0]), line)


def unwrap(line: str) -> str:
    """What `cmd /c` is asked to run, however often it is wrapped; any other line as it is."""
    line = line.strip()
    while match := _CMD.match(line):
        line = match[2].strip()
        # cmd drops the first and the last quote when something else is between them than one quoted program.
        if line.startswith('"') and line.endswith('"') and (line.count('"') != 2 or " " in line):
            line = line[1:-1].strip()
    return line


def has_operator(line: str) -> bool:
    """Whether a line is more than one command: a pipe, a redirection, several commands."""
    return _OPERATORS.search(_QUOTED.sub("", line)) is not None


def words(line: str) -> list[str]:
    """The line's words, without the quotes around them."""
    return [word.replace('"', "") for word in _WORD.findall(line)]


def absolute(path: str, directory: str) -> str:
    """A path in its one form: absolute, with backslashes."""
    return ntpath.normpath(ntpath.join(directory, path.replace("/", "\\")))


def program(word: str) -> str:
    """A program's name without folder and `.exe`, in lower case."""
    name = ntpath.basename(word.replace("/", "\\")).lower()
    return name[:-4] if name.endswith(".exe") else name
