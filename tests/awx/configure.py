# Copyright (c) 2026, the winops.kms authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Runs the playbook configure_awx for real, with the modules of awx.awx."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from .standin import data_set
from .standin.data_set import ROOT
from .standin.server import TOKEN, Request, Running

PROGRAMS = Path(sys.executable).parent
COLLECTIONS = ROOT / ".cache" / "awx" / "collections"
DATA = data_set.load()
#: The repository of the project.
URL: str = DATA["kms_awx_scm_url"]


@dataclass(frozen=True)
class Run:
    """One ansible-playbook: what it printed, its recap, and the requests that it sent."""

    rc: int
    output: str
    requests: list[Request]

    @property
    def recap(self) -> dict[str, int]:
        line = re.search(r"^localhost\s+: (.*)$", self.output, re.MULTILINE)
        return {name: int(number) for name, number in re.findall(r"(\w+)=(\d+)", line[1] if line else "")}

    @property
    def writes(self) -> list[tuple[str, str]]:
        return [(request.method, request.path) for request in self.requests if request.writes]

    @property
    def changed(self) -> list[str]:
        """The items that changed, or would."""
        return re.findall(r"^changed: \[localhost\] => \(item=(.*)\)$", self.output, re.MULTILINE)


def configure(
    place: Running,
    folder: Path,
    *arguments: str,
    data: Mapping[str, Any] | None = None,
    environment: Mapping[str, str] | None = None,
) -> Run:
    """Run the playbook, with its own data set or another one (variables that it has not are empty lists)."""
    if not COLLECTIONS.is_dir():
        pytest.fail("the collection awx.awx is not there: make awx unpacks it")
    words = [str(PROGRAMS / "ansible-playbook"), "winops.kms.configure_awx", *arguments]
    if data is not None:
        other = folder / "data"
        other.mkdir(exist_ok=True)
        empty: dict[str, Any] = {name: [] for name in DATA if name.startswith("controller_")}
        (other / "all.yml").write_text(yaml.safe_dump(empty | dict(data)), encoding="utf-8")
        words += ["-e", f"kms_awx_data={other}"]
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("ANSIBLE_", "CONTROLLER_"))}
    before = len(place.requests)
    done = subprocess.run(
        words,
        check=False,
        cwd=folder,
        env=kept
        | {
            "PATH": f"{PROGRAMS}{os.pathsep}{os.environ.get('PATH', os.defpath)}",
            "HOME": str(folder),
            "LC_ALL": "C.UTF-8",
            "ANSIBLE_COLLECTIONS_PATH": f"{ROOT / '.build'}:{COLLECTIONS}",
            "ANSIBLE_HOME": str(folder / "ansible"),
            "ANSIBLE_LOCALHOST_WARNING": "false",
            "ANSIBLE_NOCOLOR": "true",
            "ANSIBLE_PIPELINING": "true",
        }
        | (
            {"CONTROLLER_HOST": place.url, "CONTROLLER_OAUTH_TOKEN": TOKEN}
            if environment is None
            else dict(environment)
        ),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
    )
    return Run(done.returncode, done.stdout, place.requests[before:])
