# Copyright (c) 2026, the winops.kms authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Small pieces of reStructuredText."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Sequence
from pathlib import Path

_WIDTH = 125
_LABEL = "ansible_collections.winops.kms.docsite"
_HEADER = """\
..
  Copyright (c) 2026, the winops.kms authors
  GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
  SPDX-License-Identifier: GPL-3.0-or-later

..
  Made by tests/tools/pages of {source}; after a change there run
  PYTHONPATH=.build:tests/tools .venv/bin/python -m pages
"""
_SPECIAL = re.compile(r"[\\*`|]|_(?!\w)")


def introduction(name: str) -> str:
    """The text by hand with which a page begins."""
    return (Path(__file__).parent / "introductions" / f"{name}.rst").read_text(encoding="utf-8").strip("\n")


def plain(text: str) -> str:
    """Text of a data table, so that nothing in it is markup."""
    return _SPECIAL.sub(lambda match: "\\" + match[0], text)


def paragraph(text: str) -> str:
    """One paragraph, in lines of the usual width."""
    return textwrap.fill(" ".join(text.split()), _WIDTH, break_long_words=False, break_on_hyphens=False)


def title(text: str, mark: str = "-") -> str:
    """A heading; `=` is the page's own."""
    return f"{text}\n{mark * len(text)}"


def code(text: str, name: str, language: str = "yaml+jinja") -> str:
    """A code block that tests find by its name."""
    return f".. code-block:: {language}\n   :name: {name}\n\n{textwrap.indent(text.rstrip(), '   ')}"


def list_table(widths: Sequence[int], head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table with one heading line; cells may have several paragraphs."""
    lines = [".. list-table::", "   :header-rows: 1", f"   :widths: {' '.join(map(str, widths))}", ""]
    for row in (head, *rows):
        for number, cell in enumerate(row):
            bullet = "     -" if number else "   * -"
            lines.append(f"{bullet}{textwrap.indent(cell, ' ' * 7)[6:]}")
    return "\n".join(line.rstrip() for line in lines)


def document(name: str, source: str, heading: str, *parts: str) -> str:
    """A whole page, with the label by which others refer to it."""
    head = (_HEADER.format(source=source).rstrip("\n"), f".. _{_LABEL}.{name}:", title(heading, "="))
    return "\n\n".join((*head, *parts)) + "\n"
