# Copyright (c) 2026, the winops.kms authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which files of a project AWX offers as playbooks: those of awx/main/utils/ansible.py of AWX 24.6."""

from __future__ import annotations

import os
import re
from pathlib import Path

_PLAYBOOK = re.compile(r"\s*-?\s*(?:hosts|(?:ansible\.builtin\.)?include|(?:ansible\.builtin\.)?import_playbook):")
_LEFT_OUT = {"roles", "tasks", "group_vars", "host_vars"}


def playbooks(folder: Path) -> list[str]:
    """Paths in the project, in alphabetical order."""
    found = []
    for place, folders, files in os.walk(folder):
        folders[:] = [name for name in folders if name not in _LEFT_OUT and not name.startswith(".")]
        paths = [Path(place, name) for name in files if name.endswith((".yml", ".yaml"))]
        found += [str(path.relative_to(folder)) for path in paths if _is_playbook(path)]
    return sorted(found, key=str.lower)


def _is_playbook(path: Path) -> bool:
    lines = path.read_text(encoding="utf-8", errors="ignore").splitlines()
    return any(map(_PLAYBOOK.match, lines)) or bool(lines and lines[0].startswith("$ANSIBLE_VAULT;"))
