# Copyright (c) 2026, the winops.kms authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Runs stages one after the other: one line each on the terminal, everything else in a log file."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

from .errors import StageError
from .tree import BUILD, CACHE, ROOT, VENV_BIN

SHOWN_LINES = 150
_PYTEST_CLOSING = re.compile(r"^(?:=+ )?((?:\d+ \w+, )*\d+ passed\b.*? in [\d.]+s)\b")


def environment() -> dict[str, str]:
    """The environment of every command: the project's tools first, nothing of the user's Ansible settings."""
    config = CACHE / "ansible.cfg"
    config.parent.mkdir(parents=True, exist_ok=True)
    config.touch()
    kept = {
        key: value
        for key, value in os.environ.items()
        if not key.startswith(("ANSIBLE_", "PYTEST_", "MYPY", "RUFF_")) and key not in {"PYTHONPATH", "PYTHONHOME"}
    }
    return kept | {
        "PATH": f"{VENV_BIN}{os.pathsep}{os.environ.get('PATH', os.defpath)}",
        "VIRTUAL_ENV": str(VENV_BIN.parent),
        "LC_ALL": "C.UTF-8",
        "ANSIBLE_CONFIG": str(config),
        "ANSIBLE_HOME": str(CACHE / "ansible"),
        "ANSIBLE_COLLECTIONS_PATH": str(BUILD),
        "ANSIBLE_NOCOLOR": "1",
        "NO_COLOR": "1",
    }


@dataclass
class Job:
    """One stage's run: commands are started through it, their output goes to its log."""

    log: Path
    passed: int = 0
    notes: list[str] = field(default_factory=list)
    #: Shown below the line of the stage.
    table: str = ""

    def run(
        self,
        *command: str | Path,
        cwd: Path = ROOT,
        env: Mapping[str, str] | None = None,
    ) -> str:
        """Runs one command and returns its output (both streams); StageError when it exits other than 0."""
        words = [str(word) for word in command]
        done = subprocess.run(
            words,
            check=False,
            cwd=cwd,
            env={**environment(), **(env or {})},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            encoding="utf-8",
            errors="replace",
        )
        with self.log.open("a", encoding="utf-8") as log:
            log.write(f"$ {shlex.join(words)}\n{done.stdout}\n")
        if done.returncode:
            raise StageError(f"exit code {done.returncode}: {shlex.join(words)}", done.stdout)
        return done.stdout

    def run_all(self, commands: Sequence[Callable[[], object]]) -> None:
        """Runs independent commands side by side, one per core; the first failure is raised after all have ended."""
        with ThreadPoolExecutor(max_workers=os.cpu_count() or 1) as pool:
            futures = [pool.submit(command) for command in commands]
        failures = [error for error in (future.exception() for future in futures) if error is not None]
        for error in failures:
            if not isinstance(error, StageError):
                raise error
        if failures:
            raise StageError(
                "; ".join(str(error) for error in failures),
                "\n".join(error.output for error in failures if isinstance(error, StageError)),
            )

    def pytest(self, *arguments: str) -> None:
        """Runs pytest and notes its closing line."""
        self.count_tests(self.run(VENV_BIN / "python", "-m", "pytest", "-q", "--color=no", *arguments))

    def count_tests(self, output: str) -> None:
        """Notes the closing line of pytest, or of each pytest that a command has run."""
        closing = [match for line in output.splitlines() if (match := _PYTEST_CLOSING.match(line.strip()))]
        if not closing:
            raise StageError("pytest ended without a line that says how many tests passed", output)
        for counts in (match[1] for match in closing):
            passed = re.search(r"(\d+) passed", counts)
            self.passed += int(passed[1]) if passed else 0
            self.notes.append(counts)


@dataclass(frozen=True)
class Stage:
    """A named part of `make test`."""

    name: str
    action: Callable[[Job], None]


def run_stages(stages: Sequence[Stage]) -> int:
    """Runs the stages until one fails; returns the exit code. The closing line counts the tests that pytest ran."""
    logs = CACHE / "logs"
    logs.mkdir(parents=True, exist_ok=True)
    passed = 0
    begin = time.monotonic()
    for stage in stages:
        job = Job(logs / f"{stage.name}.log")
        job.log.unlink(missing_ok=True)
        print(f"{stage.name:<9}", end="", flush=True)
        started = time.monotonic()
        try:
            stage.action(job)
        except StageError as error:
            print(f"FAILED {time.monotonic() - started:7.1f} s", flush=True)
            _explain(error, job.log)
            return 1
        passed += job.passed
        print(f"ok     {time.monotonic() - started:7.1f} s   {'; '.join(job.notes)}\n{job.table}".rstrip(), flush=True)
    if len(stages) > 1:
        print(f"{'all':<9}ok     {time.monotonic() - begin:7.1f} s")
    if passed:
        result = f"{passed} passed, 0 failed"
        (CACHE / "result.txt").write_text(f"{result}\n", encoding="utf-8")
        print(result)
    return 0


def _explain(error: StageError, log: Path) -> None:
    lines = error.output.rstrip().splitlines()
    if len(lines) > SHOWN_LINES:
        print(f"[... {len(lines) - SHOWN_LINES} lines more in {log.relative_to(ROOT)}]")
    if lines:
        print("\n".join(lines[-SHOWN_LINES:]), flush=True)
    print(error, file=sys.stderr)
    if log.exists():  # not when the stage failed before its first command
        print(f"The whole output is in {log.relative_to(ROOT)}", file=sys.stderr)
