# Copyright (c) 2026, the winops.kms authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The stage `ee`: the execution environment, step by step as an image of it is built, without a container engine.

ansible-builder writes the build context of extensions/ee. What its Containerfile does in an image is done in a virtual
environment: ansible-core and ansible-runner, the collection from the archive, the packages that ansible-builder finds
in the collection, system packages by bindep. Then the tests of the lab are run, with that Ansible and that collection.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from . import apt, authentication
from .errors import StageError
from .needs import provide
from .runner import Job
from .tree import BUILD, CACHE, COLLECTION, ROOT, VENV_BIN, copy_tree

_FOLDER = CACHE / "ee"
_TOOLS = _FOLDER / "tools"
#: The environment under test.
_ENVIRONMENT = _FOLDER / "environment"
_WORK = BUILD / "ee"
_REQUIREMENTS = ROOT / "requirements" / "ee.txt"
_DEFINITION = Path("extensions", "ee", "execution-environment.yml")
_PIP = ("-m", "pip", "install", "-q", "--no-input", "--disable-pip-version-check")
_ARGUMENT = re.compile(r'^ARG (\w+)="(.*)"$', re.MULTILINE)
#: The environment, a whole job, all modules, and the workflow as AWX runs it: a choice that does not take long.
_TESTS = (
    "tests/ee",
    "tests/system/test_every_core.py",
    "tests/system/test_acceptance_modules.py",
    "tests/awx/test_run_workflow.py",
)
_ALL_TESTS = ("tests/ee", "tests/system", "tests/awx/test_run_workflow.py", "tests/awx/test_run_surveys.py")


@dataclass(frozen=True)
class Requirements:
    """What an image gets beside the collection.

    ansible: ansible-core and ansible-runner. python: a requirement file. system: a bindep file. collections: the folder
    that the collection is installed in.
    """

    ansible: tuple[str, ...]
    python: Path
    system: Path
    collections: Path


def ee(job: Job, *, everything: bool = False) -> None:
    """Build context, requirements, and the tests of the lab in an environment of these requirements alone."""
    _make_tools(job)
    tree = _build(job)
    context = _create(job, tree)
    requirements = _collect(job, context)
    if not _provide_system(job, requirements.system):
        return
    _make_environment(job, requirements)
    if everything:
        _test(job, requirements, _ALL_TESTS)
        if not provide(job, authentication.FOLDERS):  # By Kerberos, with the tickets of a real KDC.
            _test(job, requirements, [f"tests/{name}" for name in authentication.FOLDERS])
    else:
        _test(job, requirements, _TESTS)


def lines(path: Path) -> list[str]:
    """The lines of a requirement or bindep file and of those that it includes, without comments."""
    found: list[str] = []
    for line in path.read_text(encoding="utf-8").splitlines():
        text = re.sub(r"(^|\s+)#.*", "", line).strip()
        if text.startswith("-r "):
            found += lines(path.parent / text.removeprefix("-r ").strip())
        elif text:
            found.append(text)
    return found


def _make_tools(job: Job) -> None:
    digest = hashlib.sha256(_REQUIREMENTS.read_bytes() + sys.version.encode()).hexdigest()
    _make_venv(job, _TOOLS, digest, [("-r", str(_REQUIREMENTS))])


def _make_venv(job: Job, folder: Path, digest: str, steps: Sequence[Sequence[str]]) -> None:
    """A virtual environment of nothing but the steps, each the words of one pip; kept while the digest is the same."""
    stamp = folder / "made-of"
    if stamp.exists() and stamp.read_text(encoding="ascii") == digest:
        return
    shutil.rmtree(folder, ignore_errors=True)
    job.run(VENV_BIN / "python", "-m", "venv", folder)
    for words in steps:
        job.run(folder / "bin" / "python", *_PIP, *words, env={"CFLAGS": "-O0 -g0"})  # Three times as fast to compile.
    job.run(folder / "bin" / "python", "-m", "pip", "check")
    stamp.write_text(digest, encoding="ascii")


def _build(job: Job) -> Path:
    """A copy of the project with the archive beside the image definition, as extensions/ee/README.md has it."""
    tree = copy_tree("ee")
    job.run(VENV_BIN / "ansible-galaxy", "collection", "build", "--output-path", _DEFINITION.parent, cwd=tree)
    return tree


def _create(job: Job, tree: Path) -> Path:
    """The build context of the image definition, with all that the definition asks for."""
    context = _WORK / "context"
    words = ("create", "--file", _DEFINITION, "--context", context, "--output-filename", "Containerfile")
    job.run(_TOOLS / "bin" / "ansible-builder", *words, cwd=tree)
    definition = yaml.safe_load((tree / _DEFINITION).read_text(encoding="utf-8"))
    (archive,) = (tree / _DEFINITION.parent).glob("*.tar.gz")
    wanted = {
        "Containerfile": f'ARG EE_BASE_IMAGE="{definition["images"]["base_image"]["name"]}"',
        "_build/bindep.txt": "\n".join(definition["dependencies"]["system"]),
        "_build/requirements.yml": f"name: collections/{archive.name}",
        f"_build/collections/{archive.name}": "",
        "_build/scripts/assemble": "",
    }
    for name, text in wanted.items():
        path = context / name
        if not path.exists():
            raise StageError(f"ansible-builder wrote no {name}; extensions/ee and galaxy.yml may name other versions")
        if text and text not in path.read_text(encoding="utf-8"):
            raise StageError(f"{name} of the build context does not have: {text}", path.read_text(encoding="utf-8"))
    return context


def _collect(job: Job, context: Path) -> Requirements:
    """What the stages `galaxy` and `builder` of the Containerfile come to."""
    content = (context / "Containerfile").read_text(encoding="utf-8")
    ansible = tuple(dict(_ARGUMENT.findall(content))["ANSIBLE_INSTALL_REFS"].split())
    collections = _WORK / "collections"
    # ansible-galaxy leaves a collection of an earlier run as it is when its version is the same.
    shutil.rmtree(collections, ignore_errors=True)
    inside = context / "_build"
    job.run(
        VENV_BIN / "ansible-galaxy",
        *("collection", "install", "--offline", "-r", "requirements.yml", "--collections-path", collections),
        cwd=inside,
        env={"ANSIBLE_COLLECTIONS_PATH": str(collections)},
    )
    found = Requirements(ansible, _WORK / "requirements.txt", _WORK / "bindep.txt", collections)
    builder = _TOOLS / "bin" / "ansible-builder"
    _compare(_introspect(job.run(builder, "introspect", collections)))
    words = ("--user-bindep", inside / "bindep.txt", "--write-pip", found.python, "--write-bindep", found.system)
    job.run(builder, "introspect", collections, *words)
    job.notes.append(
        f"build context; {len(lines(found.python))} Python and {len(lines(found.system))} system requirements"
    )
    return found


def _introspect(output: str) -> dict[str, list[str]]:
    answer: dict[str, Any] = yaml.safe_load(output[output.index("---\n") :].partition("\n\n")[0])
    return answer


def _compare(found: dict[str, list[str]]) -> None:
    """ansible-builder drops a line that it takes for a mistake, so what it read is compared with what is there."""
    for kind, name in (("python", "ee-requirements.txt"), ("system", "ee-bindep.txt")):
        read = [line.partition("  # from collection ") for line in found[kind]]
        wanted = [(line, "  # from collection ", COLLECTION) for line in lines(ROOT / "meta" / name)]
        if read != wanted:
            listed = "\n".join("".join(parts) for parts in read)
            raise StageError(f"ansible-builder reads something else than meta/{name} has", listed)


def _provide_system(job: Job, bindep: Path) -> bool:
    """The system packages of this platform, as the image gets them; True if all are here in the end."""
    missing = _missing(job, bindep)
    if missing and apt.may_install():
        apt.install(job, missing)
        missing = _missing(job, bindep)
    if missing:
        reason = f"left out: the environment itself, it needs root or apt install {' '.join(missing)}"
        if os.environ.get("CI"):
            raise StageError(f"in CI, nothing may be {reason}")
        job.notes.append(reason)
    return not missing


def _missing(job: Job, bindep: Path) -> list[str]:
    """What bindep says is not installed: of the packages to build with, and of those without a profile."""
    try:
        job.run(_TOOLS / "bin" / "bindep", "--brief", "--file", bindep, "compile")
    except StageError as error:
        packages = error.output.split()
        if not packages or not all(re.fullmatch(r"[a-z0-9][a-z0-9.+-]+", package) for package in packages):
            raise
        return packages
    return []


def _make_environment(job: Job, requirements: Requirements) -> None:
    content = "\n".join((*requirements.ansible, *lines(requirements.python), sys.version))
    digest = hashlib.sha256(content.encode()).hexdigest()
    _make_venv(job, _ENVIRONMENT, digest, [requirements.ansible, ("-r", str(requirements.python))])


def _test(job: Job, requirements: Requirements, tests: Sequence[str]) -> None:
    """pytest and the lab are those of the project; every Ansible that the tests start is the environment's."""
    programs = _ENVIRONMENT / "bin"
    environment = {
        "WINOPS_TEST_PROGRAMS": str(programs),
        "WINOPS_TEST_COLLECTIONS": str(requirements.collections),
    }
    words = ("-m", "pytest", "-q", "--color=no", "-n", "2", "--dist", "loadfile")
    job.count_tests(job.run(VENV_BIN / "python", *words, *tests, env=environment))
