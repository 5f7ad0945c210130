# Copyright (c) 2026, the winops.kms authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""That the tests are about the execution environment: its Ansible, its Python, its collection.  Run by `make ee`."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement

from ansible_collections.winops.kms.tests.system.harness import COLLECTIONS, PROGRAMS, ROOT, Play

DEFINITION = ROOT / "extensions" / "ee" / "execution-environment.yml"
#: What the tasks import, by what they do.
LIBRARIES = {
    "connection winrm": ("winrm", "requests_ntlm"),
    "connection winrm by Kerberos": ("kerberos",),
    "connection psrp": ("pypsrp", "spnego"),
    "connection psrp by Kerberos": ("gssapi", "krb5"),
    "CredSSP": ("requests_credssp",),
    "DNS": ("dns.update", "dns.tsig"),
    "directory": ("ldap3",),
    "Automation Controller": ("ansible_runner",),
}
TOOLS_OF_TESTS = ("pytest", "testinfra", "selenium", "molecule")


def run(*words: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(words, check=False, capture_output=True, encoding="utf-8")


def test_a_playbook_runs_on_the_environment(play: Play) -> None:
    task = {"ansible.builtin.debug": {"msg": "{{ ansible_playbook_python }} {{ ansible_version.full }}"}, "name": "Say"}
    python, version = play([task], hosts="kms1").result("kms1", "Say")["msg"].split()
    assert Path(python).parent == PROGRAMS
    wanted = Requirement(yaml.safe_load(DEFINITION.read_text())["dependencies"]["ansible_core"]["package_pip"])
    assert wanted.name == "ansible-core" and wanted.specifier.contains(version)


def test_the_environment_has_no_tool_of_the_tests() -> None:
    """What a task needs can't be there by a test's need of it."""
    for name in TOOLS_OF_TESTS:
        assert run(PROGRAMS / "python", "-c", f"import {name}").returncode, f"{name} is in {PROGRAMS.parent}"


def test_the_collection_is_the_one_of_the_archive() -> None:
    listed = run(PROGRAMS / "ansible-galaxy", "collection", "list", "--format", "json", "-p", COLLECTIONS).stdout
    version = yaml.safe_load((ROOT / "galaxy.yml").read_text())["version"]
    assert json.loads(listed)[str(COLLECTIONS / "ansible_collections")] == {"winops.kms": {"version": version}}
    assert (COLLECTIONS / "ansible_collections" / "winops" / "kms" / "MANIFEST.json").is_file()


@pytest.mark.parametrize("purpose", LIBRARIES)
def test_libraries_are_there(purpose: str) -> None:
    for name in LIBRARIES[purpose]:
        done = run(PROGRAMS / "python", "-c", f"import {name}; print({name}.__file__)")
        assert done.returncode == 0, done.stderr
        assert Path(done.stdout.strip()).is_relative_to(PROGRAMS.parent)


def test_kinit_is_there() -> None:
    assert shutil.which("kinit"), "the connection plugin winrm runs it"
