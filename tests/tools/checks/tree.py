# Copyright (c) 2026, the winops.kms authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Where things are, and the two shapes of collection tree that tools ask for."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

from .errors import StageError

ROOT = Path(__file__).resolve().parents[3]
BUILD = ROOT / ".build"
CACHE = ROOT / ".cache"
VENV_BIN = ROOT / ".venv" / "bin"
COLLECTION = "winops.kms"
_INSIDE = Path("ansible_collections", *COLLECTION.split("."))

LINKED = (
    "CHANGELOG.md",
    "LICENSE",
    "README.md",
    "changelogs",
    "docs",
    "extensions",
    "galaxy.yml",
    "meta",
    "playbooks",
    "plugins",
    "roles",
    "tests",
)


def link_tree() -> Path:
    """Makes `.build/ansible_collections/winops/kms`, a folder of symbolic links to the checkout; returns it.

    Imports, FQCNs and playbook names work through it wherever the checkout lies, and edits show at once.
    """
    tree = BUILD / _INSIDE
    tree.mkdir(parents=True, exist_ok=True)
    for name in LINKED:
        link = tree / name
        target = Path(*[".."] * len(tree.relative_to(ROOT).parts), name)
        wanted = (ROOT / name).exists()
        if link.is_symlink() and wanted and link.readlink() == target:
            continue
        link.unlink(missing_ok=True)
        if wanted:
            link.symlink_to(target)
    return tree


def copy_tree(name: str) -> Path:
    """Copies the project's own files to `.build/<name>/ansible_collections/winops/kms`; returns that folder.

    Its own are those that git tracks, and new ones that it does not ignore.
    The copy is a git work tree of its own: ansible-test and ansible-lint ask git which files count.
    """
    tree = BUILD / name / _INSIDE
    shutil.rmtree(tree, ignore_errors=True)
    # git would otherwise refuse a checkout of another user's, as containers often have it.
    trusted = ("-c", f"safe.directory={ROOT}")
    listing = _git(*trusted, "ls-files", "-z", "--cached", "--others", "--exclude-standard", cwd=ROOT)
    for entry in sorted(listing.split("\0")):
        source = ROOT / entry
        if entry and source.exists():
            destination = tree / entry
            destination.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(source, destination, follow_symlinks=False)
    _git("init", "--quiet", cwd=tree)
    _git("add", "--all", cwd=tree)
    return tree


def _git(*arguments: str, cwd: Path) -> str:
    try:
        done = subprocess.run(["git", *arguments], cwd=cwd, check=False, capture_output=True, encoding="utf-8")
    except FileNotFoundError:
        raise StageError("This stage needs git, which is not installed. On Debian, as root: apt install git") from None
    if done.returncode:
        raise StageError(
            f"This stage needs a git clone of the project. git failed: git {' '.join(arguments)}", done.stderr
        )
    return done.stdout


def plugin_names(kind: str) -> list[str]:
    """FQCNs of all plugins of a kind (a folder) in the checkout, documentation in Python or beside it in YAML."""
    stems = {path.stem for path in (ROOT / "plugins" / kind).glob("*.*") if path.suffix in {".py", ".yml"}}
    return [f"{COLLECTION}.{stem}" for stem in sorted(stems - {"__init__"})]


def role_names() -> list[str]:
    """FQCNs of all roles in the checkout."""
    return [f"{COLLECTION}.{path.parent.parent.name}" for path in sorted((ROOT / "roles").glob("*/meta/main.yml"))]


def playbook_names() -> list[str]:
    """FQCNs of all playbooks in the checkout."""
    return [
        f"{COLLECTION}.{path.stem}"
        for path in sorted((ROOT / "playbooks").glob("*.yml"))
        if not path.name.endswith(".meta.yml")
    ]
