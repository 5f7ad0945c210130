# Copyright (c) 2026, the winops.kms authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Debian packages that a stage needs."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path

from .runner import Job

_POLICY = Path("/usr/sbin/policy-rc.d")


def missing(packages: Sequence[str]) -> list[str]:
    """Those of the packages that are not installed; all of them where there is no dpkg."""
    if not shutil.which("dpkg-query"):
        return list(packages)
    return [package for package in packages if not _installed(package)]


def install(job: Job, packages: Sequence[str]) -> None:
    """Installs the packages; no service is started by it."""
    environment = {"DEBIAN_FRONTEND": "noninteractive"}
    with _no_service_starts():
        job.run("apt-get", "update", "-q", env=environment)
        # Somebody else's apt may be at work.
        job.run(
            "apt-get",
            "-o",
            "DPkg::Lock::Timeout=300",
            "install",
            "-y",
            "-q",
            "--no-install-recommends",
            *packages,
            env=environment,
        )


def may_install() -> bool:
    """Whether this user can install packages here."""
    return os.geteuid() == 0 and shutil.which("apt-get") is not None


def _installed(package: str) -> bool:
    answer = subprocess.run(
        ["dpkg-query", "--show", "--showformat=${db:Status-Status}", package],
        check=False,
        capture_output=True,
        encoding="utf-8",
    )
    return answer.stdout == "installed"


@contextlib.contextmanager
def _no_service_starts() -> Iterator[None]:
    """The tests start their own servers on free ports: a package must not start one on port 53 of the machine."""
    if _POLICY.exists():
        yield
        return
    _POLICY.write_text("#!/bin/sh\nexit 101\n", encoding="ascii")
    _POLICY.chmod(0o755)
    try:
        yield
    finally:
        _POLICY.unlink(missing_ok=True)
