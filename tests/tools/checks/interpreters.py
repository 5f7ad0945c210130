# Copyright (c) 2026, the winops.kms authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The Pythons of this machine."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

# Both are needed to make a virtual environment; Debian has the second in a package of its own.
_PROBE = "import sys, venv, ensurepip; print('%d.%d %s' % (*sys.version_info[:2], sys.version.split()[0]))"


def find_python(version: str) -> tuple[Path, str] | None:
    """A Python of that version, as 3.11, that can make virtual environments, and its full version; None if none."""
    for candidate in _candidates(version):
        full = _version(candidate, version)
        if full:
            return candidate, full
    return None


def _candidates(version: str) -> list[Path]:
    name = f"python{version}"
    pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv"))
    found = [path for folder in os.get_exec_path() if (path := shutil.which(name, path=folder))]
    managed = sorted(pyenv.glob(f"versions/{version}.*/bin/{name}"), reverse=True)
    # A version manager's shim comes last: it runs or not by the folder one is in.
    shims = [Path(path) for path in found if "shims" in Path(path).parts]
    return [*(Path(path) for path in found if Path(path) not in shims), Path("/usr/bin", name), *managed, *shims]


def _version(python: Path, version: str) -> str | None:
    try:
        answer = subprocess.run([python, "-c", _PROBE], check=False, capture_output=True, encoding="utf-8")
    except OSError:
        return None
    words = answer.stdout.split()
    return words[1] if answer.returncode == 0 and words[0] == version else None
