# Copyright (c) 2026, the winops.kms authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""`make matrix`: the tests on every supported ansible-core, with the Pythons that it supports and that are here.

Everything runs on one copy of the project's files, so edits during a run don't count. Each combination has a virtual
environment of its own in .cache/matrix, which is kept until a requirement file changes. The oldest one has the oldest
libraries too.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from .errors import StageError
from .galaxy import galaxy
from .interpreters import find_python
from .runner import SHOWN_LINES, Job
from .sanity import HOME, provide_programs, run_sanity
from .tree import CACHE, COLLECTION, ROOT, copy_tree

#: ansible-core -> the Pythons that it supports on the controller (Requires-Python and classifiers of its releases).
CORES = {
    "2.16": ("3.10", "3.11", "3.12"),
    "2.18": ("3.11", "3.12", "3.13"),
    "2.19": ("3.11", "3.12", "3.13"),
    "2.20": ("3.12", "3.13", "3.14"),
    "2.21": ("3.12", "3.13", "3.14"),
}
#: What the stage `cores` runs, in CI too: the ends of the range, which differ most from what all else runs on.
ENDS = ("2.16-py3.10", "2.21-py3.13")
#: Sanity tests whose answer depends on the Python that ansible-test runs on; the others run once for each ansible-core.
PYTHON_SANITY = ("compile", "import")

_LEGEND = """\
lab: once for each Python, for it does not use ansible-core. units: ansible-test units. sanity: ansible-test sanity, all
its tests on the newest Python here of each ansible-core, compile and import on the others.
"""

VENVS = CACHE / "matrix"
TABLE = CACHE / "matrix.txt"
_REQUIREMENTS = ("requirements/test.txt", "requirements/controller.txt")
#: Instead of the newest libraries, for the first of ENDS.
_OLDEST = "requirements/oldest.txt"
#: The test of a whole job, short enough for every combination.
_SYSTEM = "tests/system/test_every_core.py"


@dataclass(frozen=True)
class Combination:
    """An ansible-core and a Python, as 2.16 and 3.10. `newest`: of the Pythons here that this ansible-core supports."""

    core: str
    python: str
    interpreter: Path
    full_version: str
    newest: bool

    @property
    def name(self) -> str:
        return f"{self.core}-py{self.python}"

    @property
    def bin(self) -> Path:
        """The programs of its virtual environment."""
        return VENVS / self.name / "bin"

    @property
    def requirement(self) -> str:
        """What pip is asked for; a release candidate never comes by it."""
        return f"ansible-core=={self.core}.*"


@dataclass(frozen=True)
class Cell:
    """What one check of one combination came to; `passed` is None where it was not run."""

    passed: bool | None = None
    seconds: float = 0.0
    note: str = ""

    @property
    def failed(self) -> bool:
        return self.passed is False

    def __str__(self) -> str:
        if self.passed is None:
            return ""
        return f"{'passed' if self.passed else 'FAILED'} {self.seconds:4.0f} s"


Check = Callable[[Job, Combination, Path], None]


def combinations() -> tuple[list[Combination], list[str]]:
    """All combinations that can be run here, and the names of those that can't for want of the Python."""
    pythons = {version: find_python(version) for version in sorted({one for row in CORES.values() for one in row})}
    found: list[Combination] = []
    missing: list[str] = []
    for core, versions in CORES.items():
        present = [version for version in versions if pythons[version]]
        missing += [f"{core}-py{version}" for version in versions if version not in present]
        for version in present:
            interpreter, full_version = pythons[version]  # type: ignore[misc]
            found.append(Combination(core, version, interpreter, full_version, newest=version == present[-1]))
    return found, missing


def matrix(names: Sequence[str] = (), checks: Sequence[str] = ()) -> int:
    """`make matrix`: runs, prints and writes the table; returns the exit code.

    :param names: combinations or ansible-core releases; all when none is given.
    :param checks: of CHECKS; all when none is given.
    """
    found, missing = combinations()
    if names:
        found = [one for one in found if one.name in names or one.core in names]
        missing = [name for name in missing if name in names or name.partition("-")[0] in names]
    chosen = [name for name in CHECKS if not checks or name in checks]
    tree = _snapshot("matrix")
    table = _Table(chosen)
    tested_labs: set[str] = set()
    for combination in found:
        # The lab does not use ansible-core: once for each Python will do.
        left_out = {"lab"} & set(chosen) if combination.python in tested_labs else set()
        tested_labs.add(combination.python)
        for check, cell in _run_row(combination, [name for name in chosen if name not in left_out], tree):
            table.add(combination.name, check, cell)
            print(f"{combination.name:<12} {check:<6} {cell}", flush=True)
    if not names and not checks:
        table.add("galaxy-importer", "archive", _run("galaxy-importer", "archive", galaxy))
    text = table.text() + _LEGEND + "".join(f"not run: {name}, there is no such Python here\n" for name in missing)
    TABLE.write_text(text, encoding="utf-8")
    print(f"\n{text}", end="", flush=True)
    for name, check, cell in table.failures():
        print(f"\n--- {name} {check}; the whole output is in {_log(name, check).relative_to(ROOT)}\n{cell.note}")
    return 1 if table.failures() or not found else 0


def cores(job: Job) -> None:
    """The oldest and the newest ansible-core and libraries: unit tests and a whole job."""
    found, missing = combinations()
    # No package of the system brings other Pythons than its own, so that this is told and no failure.
    absent = [name for name in ENDS if name in missing]
    tree = _snapshot("cores")
    ends = [one for one in found if one.name in ENDS]
    job.run_all([partial(make_venv, job, one) for one in ends])
    for combination in ends:
        own = Job(job.log)
        _unit(own, combination, tree)
        _system(own, combination, tree)
        job.passed += own.passed
        job.notes.append(f"{combination.name}: {own.passed} passed")
    if absent:
        job.notes.append(f"left out, no such Python here: {' '.join(absent)}")


class _Table:
    """The outcome of all checks."""

    def __init__(self, checks: Sequence[str]) -> None:
        self._checks = checks
        self._rows: dict[str, dict[str, Cell]] = {}

    def add(self, name: str, check: str, cell: Cell) -> None:
        self._rows.setdefault(name, {})[check] = cell

    def failures(self) -> list[tuple[str, str, Cell]]:
        return [(name, check, cell) for name, row in self._rows.items() for check, cell in row.items() if cell.failed]

    def text(self) -> str:
        columns = [*self._checks, *("archive" for row in self._rows.values() if "archive" in row)]
        lines = [("", *columns)]
        for name, row in self._rows.items():
            broken = row.get("venv")
            lines.append((name, *(str(broken or row.get(column, Cell())) for column in columns)))
        return "".join(f"{'  '.join(f'{word:<16}' for word in line).rstrip()}\n" for line in lines)


def _run_row(combination: Combination, checks: Sequence[str], tree: Path) -> Iterator[tuple[str, Cell]]:
    venv = _run(combination.name, "venv", partial(make_venv, combination=combination))
    if venv.failed:
        yield "venv", venv
        return
    for name in checks:
        yield name, _run(combination.name, name, partial(_check, CHECKS[name], combination, tree))


def _check(check: Check, combination: Combination, tree: Path, job: Job) -> None:
    check(job, combination, tree)


def _run(row: str, name: str, action: Callable[[Job], None]) -> Cell:
    job = Job(_log(row, name))
    job.log.parent.mkdir(parents=True, exist_ok=True)
    job.log.unlink(missing_ok=True)
    started = time.monotonic()
    try:
        action(job)
    except StageError as error:
        shown = "\n".join(error.output.rstrip().splitlines()[-SHOWN_LINES:])
        return Cell(False, time.monotonic() - started, f"{shown}\n{error}")
    return Cell(True, time.monotonic() - started, "; ".join(job.notes))


def _log(name: str, check: str) -> Path:
    return CACHE / "logs" / "matrix" / f"{name}-{check}.log"


def _snapshot(name: str) -> Path:
    """A copy of the project's files that pytest can run in as in the checkout."""
    tree = copy_tree(name)
    package = tree / ".build" / "ansible_collections" / Path(*COLLECTION.split("."))
    package.parent.mkdir(parents=True)
    package.symlink_to(Path("..", "..", ".."))
    return tree


def make_venv(job: Job, combination: Combination) -> None:
    """The virtual environment of a combination; the one of an earlier run if it was made of the same things."""
    folder = VENVS / combination.name
    stamp = folder / ".made-of"
    parts = [combination.requirement, combination.full_version]
    oldest = [_OLDEST] if combination.name == ENDS[0] else []
    parts += [(ROOT / name).read_text(encoding="utf-8") for name in (*_REQUIREMENTS, *oldest)]
    digest = hashlib.sha256("\0".join(parts).encode()).hexdigest()
    if stamp.exists() and stamp.read_text(encoding="ascii") == digest:
        return
    shutil.rmtree(folder, ignore_errors=True)
    job.run(combination.interpreter, "-m", "venv", folder)
    pip = (combination.bin / "python", "-m", "pip", "install", "-q", "--no-input", "--disable-pip-version-check")
    job.run(*pip, combination.requirement, "-r", ROOT / _REQUIREMENTS[0])
    for name in oldest:
        # Some are older than what other packages for tests ask for.
        job.run(*pip, "--no-warn-conflicts", "-r", ROOT / name)
    stamp.write_text(digest, encoding="ascii")


def _environment(combination: Combination, tree: Path) -> dict[str, str]:
    return {
        "PATH": f"{combination.bin}{os.pathsep}{os.environ.get('PATH', os.defpath)}",
        "VIRTUAL_ENV": str(combination.bin.parent),
        "ANSIBLE_COLLECTIONS_PATH": str(tree.parents[2]),
    }


def _pytest(job: Job, combination: Combination, tree: Path, *arguments: str) -> None:
    command = (combination.bin / "python", "-m", "pytest", "-q", "--color=no", "-p", "no:cacheprovider", "-n", "2")
    job.count_tests(job.run(*command, *arguments, cwd=tree, env=_environment(combination, tree)))


def _unit(job: Job, combination: Combination, tree: Path) -> None:
    _pytest(job, combination, tree, "tests/unit", "tests/protocol")


def _lab(job: Job, combination: Combination, tree: Path) -> None:
    _pytest(job, combination, tree, "tests/lab/tests")


def _system(job: Job, combination: Combination, tree: Path) -> None:
    _pytest(job, combination, tree, _SYSTEM)


def _units(job: Job, combination: Combination, tree: Path) -> None:
    """ansible-test's way to run the unit tests: with its own settings of pytest and its own import of collections."""
    words = ("units", "--local", "--python", combination.python, "--num-workers", "2", "--color", "no")
    environment = {**_environment(combination, tree), "HOME": str(HOME)}
    job.count_tests(job.run(combination.bin / "ansible-test", *words, cwd=tree, env=environment))


def _sanity(job: Job, combination: Combination, tree: Path) -> None:
    provide_programs(job)
    tests = () if combination.newest else PYTHON_SANITY
    run_sanity(job, tree, combination.python, *tests, programs=combination.bin, env=_environment(combination, tree))


#: The columns of the table.
CHECKS: dict[str, Check] = {
    "unit": _unit,
    "lab": _lab,
    "system": _system,
    "units": _units,
    "sanity": _sanity,
}
