# Copyright (c) 2026, the winops.kms authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The answers to open questions, and the recordings that they come from."""

from __future__ import annotations

from pathlib import Path

from ansible_collections.winops.kms.tests.live import questions, reading
from ansible_collections.winops.kms.tests.live.playbook import Outcome
from ansible_collections.winops.kms.tests.live.settings import Settings


def test_every_question_has_a_line_in_the_table(seen: Outcome, settings: Settings, connection: str) -> None:
    assert not seen["look"].get("failed"), seen["look"].get("msg")
    table = (settings.output / connection / "open_questions.md").read_text(encoding="utf-8")
    for question in questions.QUESTIONS:
        assert question.text in table
    assert not [one["name"] for one in seen["look"]["answers"] if one["host"].startswith("withheld")]


def test_what_was_read_is_recorded(seen: Outcome, settings: Settings, connection: str) -> None:
    """Each file was played back and looked through before it was written; a refusal is told here."""
    assert seen["look"]["refused"] == []
    files = [Path(name) for name in seen["look"]["files"]]
    assert files
    assert all(path.parent == reading.recordings(settings, connection) and path.exists() for path in files)
