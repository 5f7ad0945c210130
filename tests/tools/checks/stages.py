# Copyright (c) 2026, the winops.kms authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The stages of `make test`, each also a target of the Makefile."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

from .authentication import auth
from .awx import COLLECTIONS, awx, provide_collection
from .dns_servers import dns
from .ee import ee
from .errors import StageError
from .galaxy import galaxy
from .html import html
from .logons import logons
from .matrix import cores
from .molecule import molecule
from .needs import Needs, provide
from .programs import programs
from .runner import Job, Stage
from .sanity import sanity
from .tree import BUILD, COLLECTION, ROOT, VENV_BIN, copy_tree, playbook_names, plugin_names, role_names

# Checked as packages by their import names, so that each file has one module name; the rest of tests/ by path.
TYPED_PACKAGES = ("ansible_collections.winops.kms.plugins", "kmslab", "checks", "pages")
TYPED_FOLDERS = (
    "tests/unit",
    "tests/protocol",
    "tests/lab/tests",
    "tests/system",
    "tests/demo",
    "tests/dns_servers",
    "tests/directory",
    "tests/browser",
    "tests/authentication",
    "tests/ee",
    "tests/awx",
    "tests/live",
    "tests/bench",
    "extensions/molecule",
)
# Tests of the lab -> what they need.
LAB_CLIENTS = {"tests/lab/tests/test_wsl_tools.py": Needs(("wsl", "curl", "libxml2-utils", "uuid-runtime"))}


def lint(job: Job) -> None:
    """Style, types, YAML, Ansible content."""
    tree = copy_tree("lint")
    job.run_all(
        [
            lambda: _lint_python(job),
            lambda: job.run(
                VENV_BIN / "ansible-lint",
                "--offline",
                "--profile",
                "production",
                "--nocolor",
                cwd=tree,
                env={"ANSIBLE_COLLECTIONS_PATH": str(BUILD / "lint")},
            ),
        ]
    )
    job.notes.append("ruff, mypy --strict, yamllint, ansible-lint production")


def _lint_python(job: Job) -> None:
    job.run(VENV_BIN / "ruff", "check", "--output-format", "concise", ".")
    job.run(VENV_BIN / "ruff", "format", "--check", ".")
    job.run(VENV_BIN / "yamllint", "--strict", ".")
    folders = [name for name in TYPED_FOLDERS if any((ROOT / name).rglob("*.py"))]
    packages = [word for name in TYPED_PACKAGES for word in ("--package", name)]
    mypy = (VENV_BIN / "mypy", "--cache-dir", ".cache/mypy")
    job.run(*mypy, *packages)
    if folders:
        job.run(*mypy, *folders)


def unit(job: Job) -> None:
    """Pure tests; nothing is started."""
    job.pytest("-n", "2", "tests/unit", "tests/protocol")


def lab(job: Job) -> None:
    """The simulated estate by itself, and Debian's tools on it: root gets them, others go without, and in CI nobody."""
    left_out = provide(job, LAB_CLIENTS)
    job.pytest("-n", "2", "tests/lab/tests", *(f"--ignore={test}" for test in left_out))


def system(job: Job) -> None:
    """ansible-playbook over the simulated estate."""
    # One worker per file: what a module sets up for all its tests is set up once.
    job.pytest("-n", "2", "--dist", "loadfile", "tests/system")


def docs(job: Job) -> None:
    """Documentation of modules and roles, all pages as HTML, and the changelog."""
    tree = copy_tree("docs")
    environment = {"ANSIBLE_COLLECTIONS_PATH": str(BUILD / "docs")}
    job.run_all(
        [
            lambda: job.run(
                VENV_BIN / "antsibull-docs",
                "lint-collection-docs",
                "--plugin-docs",
                "--validate-collection-refs=self",
                "--skip-rstcheck",
                "--check-extra-docs-refs",
                ".",
                cwd=tree,
                env=environment,
            ),
            lambda: job.run(VENV_BIN / "antsibull-changelog", "lint", cwd=tree, env=environment),
            lambda: html(job, environment),
        ]
    )
    modules, filters, roles = plugin_names("modules"), plugin_names("filter"), role_names()
    _check_documented(job, "module", modules, environment)
    _check_documented(job, "filter", filters, environment)
    _check_documented(job, "role", roles, environment)
    job.notes.append(f"{len(modules)} modules, {len(filters)} filters, {len(roles)} roles, changelog")


def _check_documented(job: Job, kind: str, names: list[str], environment: dict[str, str]) -> None:
    """ansible-doc exits 0 for what it could not find or read, so its answer is looked through."""
    if not names:
        raise StageError(f"no {kind} was found in the checkout")
    output = job.run(VENV_BIN / "ansible-doc", "--type", kind, "--json", *names, env=environment)
    found = json.loads(output[output.index("{") :])
    lost = [name for name in names if not found.get(name) or "error" in found[name]]
    if lost:
        raise StageError(f"ansible-doc knows nothing of: {' '.join(lost)}", output)


def build(job: Job) -> None:
    """The archive that users install, used as they use it."""
    tree = copy_tree("package")
    target = BUILD / "dist"
    shutil.rmtree(target, ignore_errors=True)
    target.mkdir(parents=True)
    job.run(VENV_BIN / "ansible-galaxy", "collection", "build", "--output-path", target, cwd=tree)
    (archive,) = target.glob("*.tar.gz")
    installed = target / "installed"
    environment = {"ANSIBLE_COLLECTIONS_PATH": str(installed)}
    job.run(
        VENV_BIN / "ansible-galaxy",
        "collection",
        "install",
        "--offline",
        "--collections-path",
        installed,
        archive,
        env=environment,
    )
    modules, playbooks = plugin_names("modules"), playbook_names()
    _check_documented(job, "module", modules, environment)
    provide_collection(job)  # the playbook configure_awx needs awx.awx
    environment = {"ANSIBLE_COLLECTIONS_PATH": f"{installed}:{COLLECTIONS}"}
    for playbook in playbooks:
        job.run(VENV_BIN / "ansible-playbook", "--syntax-check", "-i", "localhost,", playbook, env=environment)
    _check_contents(archive, installed)
    job.notes.append(f"{archive.name}: {len(modules)} modules, {len(playbooks)} playbooks")


def _check_contents(archive: Path, installed: Path) -> None:
    top = installed / "ansible_collections" / Path(*COLLECTION.split("."))
    manifest = json.loads((top / "FILES.json").read_text(encoding="utf-8"))
    odd = [
        entry["name"] for entry in manifest["files"] if entry["name"].startswith((".venv", ".build", ".cache", ".git"))
    ]
    if odd:
        raise StageError(f"{archive.name} holds files that are no part of the collection: {' '.join(odd)}")


STAGES = {
    stage.name: stage
    for stage in (
        Stage("lint", lint),
        Stage("unit", unit),
        Stage("lab", lab),
        Stage("system", system),
        Stage("dns", dns),
        Stage("auth", auth),
        Stage("programs", programs),
        Stage("molecule", molecule),
        Stage("sanity", sanity),
        Stage("docs", docs),
        Stage("build", build),
        Stage("ee", ee),
        Stage("awx", awx),
        Stage("galaxy", galaxy),
        Stage("cores", cores),
        Stage("logons", logons),
    )
}
