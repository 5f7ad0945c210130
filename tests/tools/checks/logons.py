# Copyright (c) 2026, the winops.kms authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""`make logons`: the table of all ways to log on, tried on every supported ansible-core, as a page of the docs."""

from __future__ import annotations

import functools

from .authentication import FOLDERS
from .errors import StageError
from .matrix import combinations, make_venv
from .needs import provide
from .runner import Job
from .tree import ROOT, VENV_BIN

_KERBEROS = ROOT / "requirements" / "kerberos.txt"
_PAGE = ROOT / "docs" / "docsite" / "rst" / "authentication_table.rst"


def logons(job: Job) -> None:
    """Each ansible-core on one Python; rewrites the page only when no cell has failed."""
    left_out = provide(job, FOLDERS)
    if left_out:
        raise StageError("; ".join(left_out.values()))
    # The oldest Python of each here, which the other tests are done with first.
    rows = {one.core: one for one in reversed(combinations()[0])}
    chosen = [rows[core] for core in sorted(rows, key=lambda core: [*map(int, core.split("."))])]
    job.run_all([functools.partial(make_venv, job, one) for one in chosen])
    for one in chosen:
        python = one.bin / "python"
        job.run(python, "-m", "pip", "install", "-q", "--no-input", "-r", _KERBEROS, env={"CFLAGS": "-O0 -g0"})
    words = [word for one in chosen for word in ("--python", one.bin / "python")]
    table = job.run(VENV_BIN / "python", ROOT / "tests" / "authentication" / "run.py", *words, "--output", _PAGE)
    job.table = table
    job.notes.append(f"ansible-core {', '.join(one.core for one in chosen)}")
