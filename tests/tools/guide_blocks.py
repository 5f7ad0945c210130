# Copyright (c) 2026, the winops.kms authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The code blocks of the guides in docs/docsite/rst, so that tests can run them: a guide that is wrong fails tests.

A block is known by its `:name:`.  A comment right before it, which is not rendered, tells a test more:

    .. test: hosts=kms_hosts; repeats
    .. test: not run, it needs the internet
"""

from __future__ import annotations

import re
import textwrap
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

FOLDER = Path(__file__).parents[2] / "docs" / "docsite" / "rst"

_BLOCK = re.compile(
    r"(?:^\.\. test: *(?P<remark>.*(?:\n +\S.*)*)\n\n+)?"
    r"^\.\. code-block:: *(?P<language>[\w+]+)\n(?P<options>(?: +:[\w-]+:.*\n)*)\n(?P<body>(?:(?: +.*)?\n)+)",
    re.MULTILINE,
)
_OPTION = re.compile(r"^ +:([\w-]+): *(.*)$", re.MULTILINE)
_PROMPT = re.compile(r"^[$#] ")
_NOT_RUN = "not run, "


@dataclass(frozen=True)
class Block:
    """A code block.

    language: as the guide calls it.  text: without indentation, ending in a newline.  caption: of a file, its path.
    remarks: for the test, those without a value are empty.  not_run: why no test can run it.
    """

    name: str
    language: str
    text: str
    caption: str
    remarks: Mapping[str, str]
    not_run: str


@dataclass(frozen=True)
class Command:
    """A command of a console block, and the lines that it prints according to the guide."""

    line: str
    printed: tuple[str, ...]


@cache
def blocks(guide: str) -> Mapping[str, Block]:
    """All code blocks of a guide by name, in order.  Raises ValueError for one without a name, or a name used twice."""
    found: dict[str, Block] = {}
    text = (FOLDER / f"{guide}.rst").read_text(encoding="utf-8")
    for match in _BLOCK.finditer(text):
        options = dict(_OPTION.findall(match["options"]))
        name = options.get("name", "")
        if not name or name in found:
            raise ValueError(f"{guide}: a code block has no name, or one that is used twice ({name!r}):\n{match[0]}")
        remark = " ".join((match["remark"] or "").split())
        not_run = remark.removeprefix(_NOT_RUN) if remark.startswith(_NOT_RUN) else ""
        words = [word.strip().partition("=") for word in remark.split(";") if word.strip()] if not not_run else []
        found[name] = Block(
            name=name,
            language=match["language"],
            text=textwrap.dedent(match["body"]).strip("\n") + "\n",
            caption=options.get("caption", ""),
            remarks={key: value for key, _equals, value in words},
            not_run=not_run,
        )
    if len(found) != len(re.findall(r"^ *\.\. code-block::", text, re.MULTILINE)):
        raise ValueError(f"{guide}: a code block is indented or has another form, so that it is not read")
    return found


def replaced(text: str, names: Mapping[str, str]) -> str:
    """A text with the guide's names replaced: all at once, a longer one before a shorter one."""
    pattern = "|".join(re.escape(key) for key in sorted(names, key=len, reverse=True))
    return re.sub(pattern, lambda match: names[match[0]], text) if pattern else text


def commands(text: str) -> list[Command]:
    """The commands of a console block; a line that ends in a backslash goes on."""
    found: list[Command] = []
    for line in text.replace("\\\n", "").splitlines():
        if _PROMPT.match(line):
            found.append(Command(_PROMPT.sub("", line), ()))
        elif found:
            found[-1] = Command(found[-1].line, (*found[-1].printed, line))
    return found
