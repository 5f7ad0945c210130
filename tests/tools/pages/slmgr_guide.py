# Copyright (c) 2026, the winops.kms authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The guide for those who come from slmgr.vbs, ospp.vbs or VAMT."""

from __future__ import annotations

from .rst import code, document, introduction, list_table, paragraph, title
from .switches import Row, parts

_HEADINGS = {
    "slmgr": ("slmgr.vbs", "Switch", "Task"),
    "ospp": ("ospp.vbs", "Switch", "Task"),
    "vamt": ("VAMT", "Action or cmdlet", "Task"),
}


def page() -> str:
    """The page's text."""
    body: list[str] = [_introduction()]
    for part, (heading, first, second) in _HEADINGS.items():
        body.append(title(heading))
        for section in parts()[part]:
            body.append(title(section.title, "^"))
            rows = [(_switch(row, part), _replacement(row)) for row in section.rows]
            body.append(list_table((30, 70), (first, second), rows))
    return document("slmgr_guide", "switches.yml", "From slmgr.vbs, ospp.vbs and VAMT to tasks", *body)


def _introduction() -> str:
    text = introduction("slmgr_guide")
    for section in parts()["recipes"]:
        for row in section.rows:
            text = text.replace(f"@{row.id}@", code(row.task, f"slmgr-guide-{row.id}"))
    return text


def _switch(row: Row, part: str) -> str:
    name = row.switch if part == "vamt" else f"``{row.switch}``"
    arguments = f" ``{row.arguments}``" if row.arguments else ""
    case = f" ({row.case})" if row.case else ""
    return f"{name}{arguments}{case}\n\n{paragraph(row.does)}"


def _replacement(row: Row) -> str:
    pieces = []
    if row.task:
        pieces.append(code(row.task, f"slmgr-guide-{row.id}"))
    if row.command:
        pieces.append(code(row.command, f"slmgr-guide-{row.id}", "console"))
    if row.undo:
        pieces += ["To take it back:", code(row.undo, f"slmgr-guide-{row.id}-undo")]
    if row.instead:
        pieces.append(f"**No task.** {row.instead}")
    pieces += [paragraph(text) for text in (row.repeats, row.note) if text]
    return "\n\n".join(paragraph(piece) if piece.startswith("**") else piece for piece in pieces)
