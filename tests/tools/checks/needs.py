# Copyright (c) 2026, the winops.kms authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What tests against programs of others need: Debian packages, gssapi, root.  Root gets what is missing."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass

from . import apt
from .errors import StageError
from .runner import Job
from .tree import ROOT, VENV_BIN

# Python libraries that come as source alone: their requirement file -> the modules in it. They are compiled against the
# headers of the Python that the virtual environment is of.
_BUILT = {"gssapi": ("gssapi",), "kerberos": ("gssapi", "krb5", "kerberos")}
BUILD_PACKAGES = ("gcc", "libc6-dev", "libkrb5-dev", "python3-dev")


@dataclass(frozen=True)
class Needs:
    """packages: Debian's. gssapi, kerberos: the requirement file of that name. root: no other user can run it."""

    packages: tuple[str, ...]
    gssapi: bool = False
    root: bool = False
    kerberos: bool = False

    @property
    def built(self) -> tuple[str, ...]:
        """The requirement files of what is built from source."""
        return tuple(name for name in _BUILT if getattr(self, name))


def provide(job: Job, needs: Mapping[str, Needs]) -> dict[str, str]:
    """Install what is missing, if this user may.

    Returns what still can't be run here -> why; in CI that is a StageError.
    """
    lacking = [name for name in _BUILT if any(name in one.built for one in needs.values()) and not _is_there(name)]
    build = BUILD_PACKAGES if lacking else ()
    packages = sorted({package for one in needs.values() for package in one.packages}.union(build))
    wanted = apt.missing(packages)
    if wanted and apt.may_install():
        apt.install(job, wanted)
        wanted = apt.missing(packages)
    failed = [name for name in lacking if not _install(job, name)]
    left_out = {name: reason for name, one in needs.items() if (reason := _lacking(one, missing=wanted, failed=failed))}
    if left_out:
        reasons = "; ".join(f"{name} ({reason})" for name, reason in left_out.items())
        if os.environ.get("CI"):
            raise StageError(f"in CI, nothing may be left out: {reasons}")
        job.notes.append(f"left out: {reasons}")
    return left_out


def _lacking(needs: Needs, *, missing: list[str], failed: list[str]) -> str:
    packages = [package for package in needs.packages if package in missing]
    if needs.root and os.geteuid() != 0:
        return "needs root"
    if packages:
        return f"apt install {' '.join(packages)}, or run as root"
    if set(needs.built) & set(failed):
        return f"pip cannot build {' '.join(failed)}; apt install {' '.join(BUILD_PACKAGES)}"
    return ""


def _is_there(name: str) -> bool:
    command = [str(VENV_BIN / "python"), "-c", f"import {', '.join(_BUILT[name])}"]
    return subprocess.run(command, check=False, capture_output=True).returncode == 0


def _install(job: Job, name: str) -> bool:
    path = ROOT / "requirements" / f"{name}.txt"
    command = (VENV_BIN / "python", "-m", "pip", "install", "-q", "--no-input", "-r", path)
    try:
        job.run(*command, env={"CFLAGS": "-O0 -g0"})  # Three times as fast to compile.
    except StageError:
        return False
    return True
