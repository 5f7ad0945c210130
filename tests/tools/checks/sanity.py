# Copyright (c) 2026, the winops.kms authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""`ansible-test sanity` without containers and without any host but the package index.

`--local` is no loss of isolation here: each sanity test that has requirements gets a virtual environment of its own.
"""

from __future__ import annotations

import os
import re
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path

from . import apt
from .errors import StageError
from .runner import Job
from .tree import CACHE, VENV_BIN, copy_tree

# ansible-test keeps its virtual environments below the home folder; this one belongs to the checkout.
HOME = CACHE / "home"
# The one program that ansible-test does not get for itself; it leaves that test out where there is none.
_PROGRAMS = ("shellcheck",)
_PIP_SETTINGS = (".config/pip", ".pip", ".pip.conf", ".netrc")
# What a reader of a failed run wants of the output, which is mostly pip's.
_FINDING = ("ERROR:", "FATAL:", "See documentation")
_GET_PIP_VERSION = re.compile(r"""pip=['"]([\d.]+)['"]""")


def sanity(job: Job) -> None:
    """Runs every sanity test of the installed ansible-core on a copy of the project's files."""
    provide_programs(job)
    tree = copy_tree("sanity")
    run_sanity(job, tree, f"{sys.version_info.major}.{sys.version_info.minor}")


def provide_programs(job: Job) -> None:
    """Installs what ansible-test uses where it finds it, if this user may."""
    if apt.missing(_PROGRAMS) and apt.may_install():
        apt.install(job, _PROGRAMS)


def run_sanity(
    job: Job,
    tree: Path,
    python: str,
    *tests: str,
    programs: Path = VENV_BIN,
    env: Mapping[str, str] | None = None,
) -> None:
    """Runs sanity tests on a copy of the project's files.

    :param python: the version of the Python that ansible-test itself runs on, as 3.11.
    :param tests: their names; all when none is given.
    :param programs: the folder of ansible-test.
    :param env: more of the environment.
    """
    _prepare_home(job, programs)
    selection = [word for name in tests for word in ("--test", name)]
    words = ("sanity", "--local", "--python", python, "--color", "no", *selection)
    try:
        output = job.run(programs / "ansible-test", *words, cwd=tree, env={**(env or {}), "HOME": str(HOME)})
    except StageError as error:
        findings = [line for line in error.output.splitlines() if line.startswith(_FINDING)]
        raise StageError(str(error), "\n".join(findings) or error.output) from None
    names = sorted(set(re.findall(r'^Running sanity test "([a-z0-9-]+)"', output, flags=re.MULTILINE)))
    if not names:
        raise StageError("ansible-test ran no sanity test", output)
    job.notes.append(f"{len(names)} tests: {' '.join(names)}")
    absent = re.findall(r'^WARNING: Required program "([^"]+)" not found', output, flags=re.MULTILINE)
    if absent:
        job.notes.append(f"left out, program not installed: {' '.join(sorted(set(absent)))}")


def _prepare_home(job: Job, programs: Path) -> None:
    cache = HOME / ".ansible" / "test" / "cache"
    cache.mkdir(parents=True, exist_ok=True)
    # ansible-test hands no PIP_ variable on, so a user's pip settings reach it by file alone.
    for name in _PIP_SETTINGS:
        source, link = Path.home() / name, HOME / name
        if source.exists() and not link.exists():
            link.parent.mkdir(parents=True, exist_ok=True)
            link.symlink_to(source)
    for version in _pip_versions(job, programs):
        shutil.copyfile(Path(__file__).with_name("get_pip.py"), cache / f"get_pip_{version.replace('.', '_')}.py")


def _pip_versions(job: Job, programs: Path) -> set[str]:
    """The pip releases that the installed ansible-test bootstraps with; they are part of the cached script's name."""
    where = job.run(programs / "python", "-c", "import ansible_test; print(ansible_test.__path__[0])").strip()
    source = Path(where, "_internal", "python_requirements.py").read_text(encoding="utf-8")
    versions = set(_GET_PIP_VERSION.findall(source))
    if not versions:
        raise StageError(f"no pip version found in {os.path.relpath(where)}/_internal/python_requirements.py")
    return versions
