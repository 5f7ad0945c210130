# Copyright (c) 2026, the winops.kms authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The stage `awx`: the data set for AWX, applied by the real modules of awx.awx, and run as AWX runs it."""

from __future__ import annotations

import hashlib
import json
import shutil
import zipfile
from pathlib import Path, PurePosixPath

from .errors import StageError
from .runner import Job
from .tree import CACHE, ROOT, VENV_BIN

REQUIREMENTS = ROOT / "requirements" / "awx.txt"
#: Where Ansible finds awx.awx afterwards.
COLLECTIONS = CACHE / "awx" / "collections"
_INSIDE = "ansible_collections/awx/awx/"


def awx(job: Job) -> None:
    """Surveys and credential types by rules of the API, configure_awx.yml against a stand-in of it, jobs as in AWX."""
    version = provide_collection(job)
    job.notes.append(f"awx.awx {version}")
    job.pytest("-n", "2", "--dist", "loadfile", "tests/awx")


def provide_collection(job: Job) -> str:
    """Unpack awx.awx once, with every file checked; returns its version."""
    stamp = COLLECTIONS / "made-of"
    digest = hashlib.sha256(REQUIREMENTS.read_bytes()).hexdigest()
    manifest = COLLECTIONS / _INSIDE / "MANIFEST.json"
    if not (stamp.exists() and stamp.read_text(encoding="ascii") == digest):
        shutil.rmtree(COLLECTIONS, ignore_errors=True)
        download = CACHE / "awx" / "download"
        shutil.rmtree(download, ignore_errors=True)
        pip = (VENV_BIN / "python", "-m", "pip", "download", "-q", "--no-input", "--disable-pip-version-check")
        job.run(*pip, "--no-deps", "--only-binary", ":all:", "--dest", download, "-r", REQUIREMENTS)
        (wheel,) = download.glob("ansible-*.whl")
        _unpack(wheel)
        shutil.rmtree(download)
        stamp.write_text(digest, encoding="ascii")
    version: str = json.loads(manifest.read_text(encoding="utf-8"))["collection_info"]["version"]
    return version


def _unpack(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = [name for name in archive.namelist() if name.startswith(_INSIDE)]
        if odd := [name for name in names if ".." in PurePosixPath(name).parts]:
            raise StageError(f"{wheel.name} has files outside of its folders: {' '.join(odd)}")
        archive.extractall(COLLECTIONS, names)
    top = COLLECTIONS / _INSIDE
    listing = top / "FILES.json"
    manifest = json.loads((top / "MANIFEST.json").read_text(encoding="utf-8"))
    expected = {listing: manifest["file_manifest_file"]["chksum_sha256"]} | {
        top / entry["name"]: entry["chksum_sha256"]
        for entry in json.loads(listing.read_text(encoding="utf-8"))["files"]
        # The package leaves out what is not needed to run the collection.
        if entry["ftype"] == "file" and (top / entry["name"]).exists()
    }
    wrong = [str(path) for path, digest in expected.items() if hashlib.sha256(path.read_bytes()).hexdigest() != digest]
    if wrong or len(expected) < 2:
        raise StageError(f"files of awx.awx are not what the collection says: {' '.join(wrong) or 'there are none'}")
