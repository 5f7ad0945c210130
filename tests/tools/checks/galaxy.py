# Copyright (c) 2026, the winops.kms authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The stage `galaxy`: what Galaxy and Automation Hub do with an archive when it is uploaded, without a container."""

from __future__ import annotations

import hashlib
import re
import shutil
import sys
from pathlib import Path

from .errors import StageError
from .runner import Job
from .tree import BUILD, CACHE, ROOT, VENV_BIN, copy_tree

_FOLDER = CACHE / "galaxy"
_BIN = _FOLDER / "venv" / "bin"
_REQUIREMENTS = ROOT / "requirements" / "galaxy.txt"
# ansible-test in it needs a container; `make sanity` and `make matrix` run it without one. flake8 is off by default and
# takes documentation beside a plugin (.yml) for Python; `make lint` has ruff look for what flake8 looks for.
_SETTINGS = """\
[galaxy-importer]
CHECK_CHANGELOG = True
CHECK_REQUIRED_TAGS = True
RUN_ANSIBLE_DOC = True
RUN_ANSIBLE_LINT = True
RUN_ANSIBLE_TEST = False
RUN_FLAKE8 = False
"""
_COMPLAINT = re.compile(r"^(?:WARNING|ERROR|CRITICAL)\b.*", flags=re.MULTILINE)
_REPOSITORY = re.compile(r"^repository:", flags=re.MULTILINE)
# Galaxy refuses an archive without it.
_NO_ADDRESS = "repository: https://example.com/winops.kms\n"
_RAN = ("ansible-lint run complete", "via ansible-doc")


def galaxy(job: Job) -> None:
    """galaxy-importer over the built archive; every warning fails."""
    _make_venv(job)
    archive = _build(job)
    settings = _FOLDER / "galaxy-importer.cfg"
    settings.write_text(_SETTINGS, encoding="utf-8")
    environment = {
        "PATH": f"{_BIN}:/usr/local/bin:/usr/bin:/bin",  # its own ansible-doc and ansible-lint
        "VIRTUAL_ENV": str(_BIN.parent),
        "GALAXY_IMPORTER_CONFIG": str(settings),
    }
    output = job.run(_BIN / "python", "-m", "galaxy_importer.main", archive, cwd=_FOLDER, env=environment)
    complaints = _COMPLAINT.findall(output)
    if complaints:
        raise StageError(f"galaxy-importer has {len(complaints)} complaints", "\n".join(complaints))
    silent = [words for words in _RAN if words not in output]
    if silent:
        raise StageError(f"galaxy-importer did not say: {'; '.join(silent)}", output)
    job.notes.insert(0, "galaxy-importer with ansible-doc and ansible-lint: no warnings")


def _make_venv(job: Job) -> None:
    stamp = _FOLDER / "made-of"
    digest = hashlib.sha256(_REQUIREMENTS.read_bytes() + sys.version.encode()).hexdigest()
    if stamp.exists() and stamp.read_text(encoding="ascii") == digest:
        return
    shutil.rmtree(_FOLDER, ignore_errors=True)
    job.run(VENV_BIN / "python", "-m", "venv", _BIN.parent)
    pip = (_BIN / "python", "-m", "pip", "install", "-q", "--no-input", "--disable-pip-version-check")
    job.run(*pip, "-r", _REQUIREMENTS)
    stamp.write_text(digest, encoding="ascii")


def _build(job: Job) -> Path:
    """The archive, as `make build` makes it."""
    tree = copy_tree("galaxy")
    metadata = tree / "galaxy.yml"
    if not _REPOSITORY.search(metadata.read_text(encoding="utf-8")):
        with metadata.open("a", encoding="utf-8") as file:
            file.write(_NO_ADDRESS)
        job.notes.append("galaxy.yml has no repository yet, which an upload needs: checked with a placeholder")
    target = BUILD / "galaxy" / "dist"
    shutil.rmtree(target, ignore_errors=True)
    job.run(VENV_BIN / "ansible-galaxy", "collection", "build", "--output-path", target, cwd=tree)
    (archive,) = target.glob("*.tar.gz")
    return archive
