# Copyright (c) 2026, the winops.kms authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Real ansible-playbook runs against a lab, and what came out of them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from kmslab.control import Exchange, Lab

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
#: Where `estate_path` looks for an estate.
ESTATES = (HERE / "estates", ROOT / "tests" / "lab" / "estates")
#: The Ansible under test, by the folder of its programs, and where it finds the collection.  `make ee` names others
#: than those that the tests themselves run on.
PROGRAMS = Path(os.environ.get("WINOPS_TEST_PROGRAMS") or Path(sys.executable).parent)
COLLECTIONS = Path(os.environ.get("WINOPS_TEST_COLLECTIONS") or ROOT / ".build")

Expectation = Literal["ok", "failed", "unreachable"]
Tasks = Sequence[Mapping[str, Any]]


def estate_path(name: str) -> Path:
    """The file of an estate by its name without `.yml`: one of these tests, or one that comes with the lab."""
    for folder in ESTATES:
        path = folder / f"{name}.yml"
        if path.exists():
            return path
    raise FileNotFoundError(f"no estate {name} in {', '.join(map(str, ESTATES))}")


@dataclass(frozen=True)
class TaskResult:
    """One result of a task on a host, by whatever told of it; `event` is in its words."""

    event: str
    host: str
    play: str
    role: str
    task: str
    action: str
    result: dict[str, Any]

    @property
    def module_results(self) -> list[dict[str, Any]]:
        """The result, or those of the items when the task is a loop."""
        items = self.result.get("results")
        if isinstance(items, list) and all(isinstance(item, dict) for item in items):
            return items
        return [self.result]


@dataclass(frozen=True)
class Event(TaskResult):
    """One of a playbook run.  `event`: ok, failed, ignored, unreachable, skipped or retry."""

    check: bool


@dataclass(frozen=True)
class Run:
    """What one ansible-playbook did.  `folder` holds all that it left: temporary files, ANSIBLE_HOME, results."""

    rc: int
    stdout: str
    stderr: str
    folder: Path
    recap: dict[str, dict[str, int]]
    """Host -> the counts of PLAY RECAP: ok, changed, failures, unreachable, skipped, rescued, ignored."""
    events: list[Event] = field(repr=False)

    @property
    def output(self) -> str:
        """All that was printed."""
        return self.stdout + self.stderr

    @property
    def results(self) -> dict[str, dict[str, dict[str, Any]]]:
        """Host -> task name (without the role's) -> result; the last one where a name comes several times."""
        found: dict[str, dict[str, dict[str, Any]]] = {}
        for event in self.events:
            if event.event != "retry":
                found.setdefault(event.host, {})[event.task] = event.result
        return found

    def result(self, host: str, task: str | None = None) -> dict[str, Any]:
        """The result of one task on one host; without a name, of the last task that was not skipped."""
        if task is not None:
            return self.results[host][task]
        return [one.result for one in self.events if one.host == host and one.event not in ("skipped", "retry")][-1]

    def changed(self, host: str) -> bool:
        """Whether any task changed something on this host."""
        return self.recap[host]["changed"] > 0

    @property
    def changed_hosts(self) -> list[str]:
        return [host for host in self.recap if self.changed(host)]

    def outcome(self, host: str) -> Expectation:
        """How the host ended."""
        counts = self.recap[host]
        return "unreachable" if counts["unreachable"] else "failed" if counts["failures"] else "ok"

    def changes(self) -> dict[str, dict[str, tuple[Any, Any]]]:
        """Host -> setting -> (before, after) over all tasks of the run, from the results' `changes`.

        A setting that two tasks change has the first one's before and the last one's after.
        """
        found: dict[str, dict[str, tuple[Any, Any]]] = {}
        for event in self.events:
            for result in event.module_results if event.event != "retry" else ():
                for change in result.get("changes") or ():
                    settings = found.setdefault(event.host, {})
                    first = settings.get(change["setting"], (change["before"],))[0]
                    settings[change["setting"]] = (first, change["after"])
        return found

    def left_behind(self) -> Iterator[tuple[Path, str]]:
        """Every file that the run left, with its content as text."""
        for path in sorted(self.folder.rglob("*")):
            if path.is_file():
                yield path, path.read_bytes().decode("utf-8", "replace")


class Ansible:
    """Runs playbooks against a lab, by its own inventory or another one.

    Everything that a run needs or leaves behind is in a folder below `folder`.
    """

    def __init__(self, lab: Lab, folder: Path, *, inventory: Path | None = None) -> None:
        self.lab = lab
        self._inventory = inventory or lab.inventory
        self._folder = folder
        self._runs = 0

    def play(
        self,
        tasks_or_playbook: Tasks | str | Path,
        *,
        hosts: str = "all",
        connection: str = "winrm",
        check: bool = False,
        diff: bool = False,
        extra_vars: Mapping[str, Any] | None = None,
        verbosity: int = 0,
        limit: str | None = None,
        inventory: Sequence[str | Path] = (),
        environment: Mapping[str, str] | None = None,
        expect: Expectation | None = "ok",
    ) -> Run:
        """Run ansible-playbook.

        :param tasks_or_playbook: a list of tasks, run on `hosts`; a list of plays (each with its `hosts`); or a
            playbook: a path, or a name as winops.kms.site.
        :param connection: winrm or psrp.
        :param inventory: more inventory sources, after the first.
        :param environment: more environment variables.
        :param expect: how every host must end; "failed" and "unreachable" ask for at least one such host and none
            of the other sort; None asks for nothing.
        """
        self._runs += 1
        folder = self._folder / f"run-{self._runs}"
        (folder / "tmp").mkdir(parents=True)
        inputs = folder.with_name(folder.name + "-inputs")
        inputs.mkdir()
        playbook = self._playbook(tasks_or_playbook, hosts, inputs)
        variables = inputs / "vars.json"
        variables.write_text(json.dumps({"lab_connection": connection, **(extra_vars or {})}), encoding="utf-8")
        command = [str(PROGRAMS / "ansible-playbook"), playbook, "-e", f"@{variables}"]
        for source in (self._inventory, *inventory):
            command += ["-i", str(source)]
        command += ["--check"] * check + ["--diff"] * diff + ["-" + "v" * verbosity] * bool(verbosity)
        if limit:
            command += ["--limit", limit]
        results = folder / "results.jsonl"
        with _short_path(folder / "tmp") as temporary:
            settings = {"TMPDIR": temporary, "RECORD_RESULTS_TO": str(results), **(environment or {})}
            done = subprocess.run(
                command,
                cwd=inputs,
                env={**_environment(folder), **settings},
                stdin=subprocess.DEVNULL,
                capture_output=True,
                encoding="utf-8",
                errors="replace",
                check=False,
            )
        run = _read_run(done, folder, results)
        if expect is not None:
            _check(run, expect)
        return run

    @staticmethod
    def _playbook(source: Tasks | str | Path, hosts: str, folder: Path) -> str:
        if isinstance(source, (str, Path)):
            return str(source)
        path = folder / "playbook.json"
        entries = [dict(entry) for entry in source]
        plays = entries if all("hosts" in entry for entry in entries) else [{"hosts": hosts, "tasks": entries}]
        path.write_text(json.dumps([{"gather_facts": False, **play} for play in plays], indent=1), encoding="utf-8")
        return str(path)


#: The type of the `play` fixture.
Play = Callable[..., Run]


@contextmanager
def _short_path(folder: Path) -> Iterator[str]:
    """Another path of the folder: ansible-core 2.21 has a socket below TMPDIR, and a socket's path has 107 bytes."""
    with tempfile.TemporaryDirectory(prefix="run-") as short:
        link = Path(short, "tmp")
        link.symlink_to(folder)
        yield str(link)


def _environment(folder: Path) -> dict[str, str]:
    """Only these settings of Ansible: those of the user and of the machine have no part in a test."""
    left_out = ("ANSIBLE_", "PYTHON", "PYTEST_")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(left_out)}
    config = folder / "ansible.cfg"
    config.touch()
    return kept | {
        "LC_ALL": "C.UTF-8",
        "NO_PROXY": "127.0.0.1,localhost,::1",
        "ANSIBLE_CONFIG": str(config),
        "ANSIBLE_HOME": str(folder / "home"),
        "ANSIBLE_LOCAL_TEMP": str(folder / "tmp"),
        # Modules that run on the controller (srv_record) are put here.
        "ANSIBLE_REMOTE_TMP": str(folder / "remote"),
        "ANSIBLE_COLLECTIONS_PATH": str(COLLECTIONS),
        "ANSIBLE_CALLBACK_PLUGINS": str(HERE / "callback"),
        "ANSIBLE_CALLBACKS_ENABLED": "record_results",
        "ANSIBLE_STDOUT_CALLBACK": "ansible.builtin.default",
        "ANSIBLE_RETRY_FILES_ENABLED": "false",
        "ANSIBLE_LOCALHOST_WARNING": "false",
        "ANSIBLE_FORKS": "10",
        "ANSIBLE_NOCOLOR": "1",
    }


def _read_run(done: subprocess.CompletedProcess[str], folder: Path, results: Path) -> Run:
    events: list[Event] = []
    recap: dict[str, dict[str, int]] = {}
    lines = results.read_text(encoding="utf-8").splitlines() if results.exists() else []
    for line in lines:
        entry = json.loads(line)
        if entry["event"] == "stats":
            recap = entry["recap"]
        else:
            events.append(Event(**entry))
    return Run(done.returncode, done.stdout, done.stderr, folder, recap, events)


def _check(run: Run, expect: Expectation) -> None:
    outcomes = {host: run.outcome(host) for host in run.recap}
    wrong = {host: outcome for host, outcome in outcomes.items() if outcome not in (expect, "ok")}
    missing = expect not in outcomes.values() or (expect == "ok") != (run.rc == 0)
    if wrong or missing:
        raise AssertionError(
            f"expected {expect}, rc {run.rc}, hosts {wrong or outcomes}\n{run.stdout[-6000:]}\n{run.stderr[-3000:]}"
        )


def kinds(requests: Sequence[Exchange]) -> dict[str, int]:
    """How many requests of each kind (read, write, shell) there were."""
    found: dict[str, int] = {}
    for request in requests:
        found[request["kind"]] = found.get(request["kind"], 0) + 1
    return found


def brief(requests: Sequence[Exchange]) -> list[str]:
    """The requests in words, for the message of an assertion."""
    return [
        f"{request['machine']}: {request['kind']} {request['action'].rpartition('/')[2]} "
        f"{request['resource'].rpartition('/')[2]} {request['method']} {request['status']}".strip()
        for request in requests
    ]
