# Copyright (c) 2026, the winops.kms authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The code blocks of the guide, which are what the servers here are set up with: a guide that is wrong fails tests.

The names of the guide's world (contoso.com, kms-publisher, /etc/bind, ...) are replaced by those of the tests; nothing
else is.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping

from ansible_collections.winops.kms.tests.tools import guide_blocks
from ansible_collections.winops.kms.tests.tools.guide_blocks import Block


def blocks() -> Mapping[str, Block]:
    """All code blocks of the guide by name."""
    return guide_blocks.blocks("dns_guide")


def snippet(name: str, names: Mapping[str, str]) -> str:
    """The text of a block, with the guide's names replaced."""
    return guide_blocks.replaced(blocks()[name].text, names)


def commands(name: str, names: Mapping[str, str]) -> list[str]:
    """The commands of a console block, without prompts and without what they print."""
    return [command.line for command in guide_blocks.commands(snippet(name, names))]


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
