# Copyright (c) 2026, the winops.kms authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The code blocks of the guide, which are what the servers here are set up with: a guide that is wrong fails tests.

A block is known by its `:name:`. The names of the guide's world (contoso.com, kms-publisher, /etc/bind, ...) are
replaced by those of the tests; nothing else is.
"""

from __future__ import annotations

import os
import re
import subprocess
import textwrap
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

PATH = Path(__file__).parents[2] / "docs" / "docsite" / "rst" / "dns_guide.rst"

_BLOCK = re.compile(
    r"^\.\. code-block:: *(?P<language>[\w+]+)\n(?P<options>(?: +:[\w-]+:.*\n)*)\n(?P<body>(?:(?: +.*)?\n)+)",
    re.MULTILINE,
)
_OPTION = re.compile(r"^ +:([\w-]+): *(.*)$", re.MULTILINE)
_PROMPT = re.compile(r"^[$#] ")


@dataclass(frozen=True)
class Block:
    """A code block. language: as the guide calls it. text: without indentation, ending in a newline."""

    language: str
    text: str


@cache
def blocks() -> Mapping[str, Block]:
    """All code blocks of the guide by name. Raises ValueError for one without a name, or a name used twice."""
    found: dict[str, Block] = {}
    for match in _BLOCK.finditer(PATH.read_text(encoding="utf-8")):
        options = dict(_OPTION.findall(match["options"]))
        name = options.get("name", "")
        if not name or name in found:
            raise ValueError(
                f"a code block of the guide has no name, or one that is used twice ({name!r}):\n{match[0]}"
            )
        found[name] = Block(match["language"], textwrap.dedent(match["body"]).strip("\n") + "\n")
    return found


def snippet(name: str, names: Mapping[str, str]) -> str:
    """The text of a block, with the guide's names replaced: all at once, a longer one before a shorter one."""
    text = blocks()[name].text
    pattern = "|".join(re.escape(key) for key in sorted(names, key=len, reverse=True))
    return re.sub(pattern, lambda match: names[match[0]], text) if pattern else text


def commands(name: str, names: Mapping[str, str]) -> list[str]:
    """The commands of a console block, without prompts and without what they print."""
    lines = snippet(name, names).replace("\\\n", "").splitlines()
    return [_PROMPT.sub("", line) for line in lines if _PROMPT.match(line)]


def run_commands(
    name: str, names: Mapping[str, str], *, environment: Mapping[str, str] | None = None, without: tuple[str, ...] = ()
) -> str:
    """Runs the commands of a console block in a shell, and returns what they print.

    without: programs whose commands are left out. Raises RuntimeError for a command that fails.
    """
    chosen = [command for command in commands(name, names) if command.split()[0] not in without]
    return run_shell("\n".join(chosen), environment=environment)


def run_shell(script: str, *, environment: Mapping[str, str] | None = None) -> str:
    """Runs shell commands, the first that fails ends it, and returns what they print. Raises RuntimeError."""
    done = subprocess.run(
        ["sh", "-ec", script],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
        env={**os.environ, "PATH": search_path(), **(environment or {})},
    )
    if done.returncode:
        raise RuntimeError(f"exit code {done.returncode}:\n{script}\n{done.stdout}")
    return done.stdout


def search_path() -> str:
    """Where programs are looked for: servers lie in folders that an ordinary user's path lacks."""
    return os.environ.get("PATH", os.defpath) + ":/usr/sbin:/sbin"
