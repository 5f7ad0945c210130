# Copyright (c) 2026, the winops.kms authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The files for execution environments name the versions that the tests install, and the archive that is built."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from ansible_collections.winops.kms.tests.tools.checks.ee import lines
from ansible_collections.winops.kms.tests.tools.checks.needs import BUILD_PACKAGES

ROOT = Path(__file__).resolve().parents[3]
META = ROOT / "meta"
REQUIREMENTS = ROOT / "requirements"
DEFINITION: dict[str, Any] = yaml.safe_load((ROOT / "extensions" / "ee" / "execution-environment.yml").read_text())
GALAXY: dict[str, Any] = yaml.safe_load((ROOT / "galaxy.yml").read_text())


def entries(profile: str, platform: str) -> set[str]:
    """The packages of the collection's bindep file for a profile (compile, or the default one: "") on a platform."""
    found: dict[str, set[str]] = {}
    for line in lines(META / "ee-bindep.txt"):
        name, _space, conditions = line.partition(" ")
        found.setdefault(conditions, set()).add(name)
    return found[f"[{profile} platform:{platform}]" if profile else f"[platform:{platform}]"]


def test_the_files_that_the_metadata_names_are_there() -> None:
    metadata = yaml.safe_load((META / "execution-environment.yml").read_text())
    assert metadata["version"] == 1, "that of a collection; 3 is that of an image definition"
    for name in metadata["dependencies"].values():
        assert lines(ROOT / name)


def test_python_requirements_are_those_that_the_tests_install() -> None:
    tested = {line for name in ("test", "kerberos") for line in lines(REQUIREMENTS / f"{name}.txt")}
    assert set(lines(META / "ee-requirements.txt")) <= tested


def test_nothing_that_a_controller_needs_is_left_out() -> None:
    needed = {line for name in ("controller", "gssapi", "kerberos") for line in lines(REQUIREMENTS / f"{name}.txt")}
    assert needed < set(lines(META / "ee-requirements.txt"))


def test_the_image_has_the_ansible_of_the_tests() -> None:
    assert [DEFINITION["dependencies"]["ansible_core"]["package_pip"]] == lines(REQUIREMENTS / "core.txt")
    assert DEFINITION["dependencies"]["ansible_runner"]["package_pip"] in lines(REQUIREMENTS / "test.txt")


def test_the_image_takes_the_archive_of_this_version() -> None:
    archive = f"{GALAXY['namespace']}-{GALAXY['name']}-{GALAXY['version']}.tar.gz"
    (file,) = DEFINITION["additional_build_files"]
    (collection,) = DEFINITION["dependencies"]["galaxy"]["collections"]
    assert file["src"] == archive
    assert collection == {"name": f"{file['dest']}/{archive}", "type": "file"}
    assert DEFINITION["options"]["tags"] == [f"winops-kms-ee:{GALAXY['version']}"]
    assert archive in (ROOT / "extensions" / "ee" / "README.md").read_text()


def test_each_platform_has_compiler_headers_and_kinit() -> None:
    assert entries("compile", "dpkg") == set(BUILD_PACKAGES)
    assert entries("compile", "rpm") == {"gcc", "krb5-devel", "python3-devel"}
    assert "krb5-user" in entries("", "dpkg") and "krb5-workstation" in entries("", "rpm")


def test_the_headers_of_the_image_are_those_of_its_python() -> None:
    python = DEFINITION["dependencies"]["python_interpreter"]
    assert DEFINITION["dependencies"]["system"] == [f"{python['package_system']}-devel [compile platform:rpm]"]
    assert python["python_path"] == f"/usr/bin/{python['package_system']}"
