# Copyright (c) 2026, the winops.kms authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Starts and stops the lab of a scenario: `lab.py start DIRECTORY ESTATE`, `lab.py stop DIRECTORY`.

The lab outlives the playbook that starts it. It holds a lock on DIRECTORY/lab.lock as long as it runs, so that whoever
stops it knows that its process ID is still its own, and when it has ended.
"""

from __future__ import annotations

import argparse
import contextlib
import fcntl
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import FrameType
from typing import Any

import yaml

LAB = Path(__file__).resolve().parents[3] / "tests" / "lab"
sys.path.insert(0, str(LAB))

from kmslab.control import Lab  # noqa: E402 - the lab is no installed package

SECONDS_TO_STOP = 20


class LabTrouble(Exception):
    """The lab can't be started or stopped; the message says why."""


def start(directory: Path, estate: Path) -> str:
    """Start the lab and wait until it answers.  Returns what was done."""
    directory.mkdir(parents=True, exist_ok=True)
    with (directory / "lab.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            return "runs already"
        with (directory / "lab.log").open("wb") as log:
            process = subprocess.Popen(
                [
                    *(sys.executable, "-m", "kmslab", "--estate", str(estate), "--directory", str(directory)),
                    # testinfra and some other clients know no other path than /wsman.
                    *("--machine-ports", ",".join(_names(estate, "machines"))),
                ],
                cwd=directory,
                env={**os.environ, "PYTHONPATH": str(LAB)},
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=log,
                # It keeps the lock when this process ends, and gets no signal that is meant for Molecule.
                pass_fds=[lock.fileno()],
                start_new_session=True,
            )
        assert process.stdout is not None
        if process.stdout.readline().strip() != b"kmslab ready":
            process.wait()
            raise LabTrouble(f"The lab did not start:\n{(directory / 'lab.log').read_text(encoding='utf-8')}")
    remember(directory, estate)
    return f"started, process {process.pid}"


def stop(directory: Path) -> str:
    """Stop the lab if it runs, and wait until it has ended.  Returns what was done."""
    with contextlib.suppress(FileNotFoundError), (directory / "lab.lock").open("r+") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            pid: int = json.loads((directory / "lab.json").read_text(encoding="utf-8"))["pid"]
            os.kill(pid, signal.SIGTERM)
            with _no_longer_than(SECONDS_TO_STOP, f"The lab (process {pid}) does not end"):
                fcntl.flock(lock, fcntl.LOCK_EX)
            return f"stopped, process {pid}"
    return "does not run"


def attach(directory: Path, estate: Path) -> Lab:
    """A handle on a lab that runs."""
    lab = Lab(estate, directory=directory)
    lab.info = json.loads((directory / "lab.json").read_text(encoding="utf-8"))
    return lab


def zones(estate: Path, lab: Lab) -> dict[str, Any]:
    """The records of all DNS zones."""
    return {name: lab.zone(name) for name in _names(estate, "zones")}


def remember(directory: Path, estate: Path) -> None:
    """Begin a new step: forget what was asked so far, and take down the DNS zones as they are (zones.json)."""
    lab = attach(directory, estate)
    lab.clear_requests()
    (directory / "zones.json").write_text(json.dumps(zones(estate, lab)), encoding="utf-8")


def _names(estate: Path, kind: str) -> list[str]:
    return [entry["name"] for entry in yaml.safe_load(estate.read_text(encoding="utf-8"))[kind]]


@contextlib.contextmanager
def _no_longer_than(seconds: int, message: str) -> Iterator[None]:
    def give_up(number: int, frame: FrameType | None) -> None:
        raise LabTrouble(f"{message} within {seconds} seconds.")

    signal.signal(signal.SIGALRM, give_up)
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)


def main() -> int:
    """Entry point; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    starting = commands.add_parser("start")
    stopping = commands.add_parser("stop")
    for command in (starting, stopping):
        command.add_argument("directory", type=Path)
    starting.add_argument("estate", type=Path)
    options = parser.parse_args()
    try:
        print(start(options.directory, options.estate) if options.command == "start" else stop(options.directory))
    except LabTrouble as trouble:
        print(trouble, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
