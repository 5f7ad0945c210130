# Copyright (c) 2026, the winops.kms authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The collections of the stock way, ansible.windows and community.windows, out of the package `ansible`."""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path, PurePosixPath

from .runs import ROOT

REQUIREMENTS = ROOT / "requirements" / "bench.txt"
_CACHE = ROOT / ".cache" / "bench"
COLLECTIONS = _CACHE / "collections"
NAMES = ("ansible.windows", "community.windows")


def provide() -> dict[str, str]:
    """Unpack them once into `COLLECTIONS`; returns their versions."""
    stamp = COLLECTIONS / "made-of"
    digest = hashlib.sha256(REQUIREMENTS.read_bytes()).hexdigest()
    if not (stamp.exists() and stamp.read_text(encoding="ascii") == digest):
        shutil.rmtree(COLLECTIONS, ignore_errors=True)
        download = _CACHE / "download"
        shutil.rmtree(download, ignore_errors=True)
        pip = (sys.executable, "-m", "pip", "download", "-q", "--no-input", "--disable-pip-version-check", "--no-deps")
        subprocess.run([*pip, "--only-binary", ":all:", "--dest", download, "-r", REQUIREMENTS], check=True)
        (wheel,) = download.glob("ansible-*.whl")
        with zipfile.ZipFile(wheel) as archive:
            inside = tuple(f"ansible_collections/{name.replace('.', '/')}/" for name in NAMES)
            chosen = [name for name in archive.namelist() if name.startswith(inside)]
            archive.extractall(COLLECTIONS, [name for name in chosen if ".." not in PurePosixPath(name).parts])
        shutil.rmtree(download)
        stamp.write_text(digest, encoding="ascii")
    return {name: _version(COLLECTIONS / "ansible_collections" / name.replace(".", "/")) for name in NAMES}


def _version(folder: Path) -> str:
    manifest = json.loads((folder / "MANIFEST.json").read_text(encoding="utf-8"))
    version: str = manifest["collection_info"]["version"]
    return version
