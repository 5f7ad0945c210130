# Copyright (c) 2026, the winops.kms authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The stage `molecule` and `make molecule`: the scenarios in extensions/molecule."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import cycle

from .errors import StageError
from .runner import Job, environment
from .tree import CACHE, ROOT, VENV_BIN, role_names

SCENARIOS = ROOT / "extensions" / "molecule"
CONNECTIONS = ("winrm", "psrp")
#: What runs by both connection plugins every time.
BOTH = "default"
#: These take the longest, and so begin first.
LONG = ("fault", "replace_host", BOTH)
# Molecule goes on after these.
_NOTHING_DONE = ("Missing playbook", "no tests found")


@dataclass
class Run:
    """One scenario by one connection plugin; `number` is 1, or 2 when it is run again."""

    scenario: str
    connection: str
    number: int = 1
    tests: int = 0
    seconds: float = 0.0

    def environment(self) -> dict[str, str]:
        """Several runs side by side, of other checkouts too: each has a folder of its own."""
        return {
            "KMS_CONNECTION": self.connection,
            "MOLECULE_EPHEMERAL_DIRECTORY": str(CACHE / "molecule" / f"{self.scenario}-{self.connection}"),
        }

    def do(self, job: Job) -> None:
        """Run it; StageError when a step fails or has nothing to do."""
        own = Job(job.log)
        started = time.monotonic()
        output = own.run(*_command(self.scenario), "--no-report", "--no-command-borders", env=self.environment())
        self.seconds = time.monotonic() - started
        if any(words in output for words in _NOTHING_DONE):
            raise StageError(f"a step of the scenario {self.scenario} has nothing to do", output)
        own.count_tests(output)
        self.tests = own.passed


def scenario_names() -> list[str]:
    """All scenarios, `default` first."""
    names = [path.parent.name for path in SCENARIOS.glob("*/molecule.yml")]
    return sorted(names, key=lambda name: (name != BOTH, name))


def molecule(job: Job, *, twice: bool = False) -> None:
    """Every scenario once, `default` by both connection plugins and the others by turns; or all of it twice.

    Whoever came by winrm the first time comes by psrp the second time, and the other way round.
    """
    names = scenario_names()
    without = [name for name in role_names() if name.rpartition(".")[2] not in names]
    if without:
        raise StageError(f"there is no scenario in extensions/molecule for {' '.join(without)}")
    runs: list[Run] = []
    for number in (1, 2)[: 1 + twice]:
        row = list(_runs(names, number))
        row.sort(key=lambda run: LONG.index(run.scenario) if run.scenario in LONG else len(LONG))
        job.run_all([partial(run.do, job) for run in row])
        runs += row
    job.passed += sum(run.tests for run in runs)
    job.notes.append(f"{len(names)} scenarios, {len(runs)} runs, {job.passed} passed")
    job.table = table(runs)


def table(runs: Sequence[Run]) -> str:
    """A line for each run, with the time that it took."""
    lines = [("scenario", "connection", "run", "tests", "time")]
    for run in sorted(runs, key=lambda run: (run.scenario != BOTH, run.scenario, run.number, run.connection)):
        lines.append((run.scenario, run.connection, str(run.number), str(run.tests), f"{run.seconds:.0f} s"))
    return "".join("{:<18}{:<12}{:>3}{:>7}{:>8}\n".format(*line) for line in lines)


def show(scenarios: Sequence[str], connection: str) -> int:
    """Run single scenarios and show all that they print; returns the exit code."""
    for name in scenarios:
        run = Run(name, connection)
        done = subprocess.run(_command(name), check=False, cwd=ROOT, env={**_colourful(), **run.environment()})
        if done.returncode:
            return done.returncode
    return 0


def _runs(names: Sequence[str], number: int) -> Iterator[Run]:
    turns = cycle(CONNECTIONS if number == 1 else reversed(CONNECTIONS))
    for name in names:
        for connection in CONNECTIONS if name == BOTH else (next(turns),):
            yield Run(name, connection, number)


def _command(scenario: str) -> tuple[str, ...]:
    return (str(VENV_BIN / "molecule"), "test", "--scenario-name", scenario)


def _colourful() -> dict[str, str]:
    kept = environment()
    if "NO_COLOR" not in os.environ:
        for name in ("NO_COLOR", "ANSIBLE_NOCOLOR"):
            kept.pop(name, None)
    return kept
