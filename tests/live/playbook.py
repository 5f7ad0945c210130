# Copyright (c) 2026, the winops.kms authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""ansible-playbook against the host, with the user's own inventory and settings."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ansible_collections.winops.kms.tests.live.settings import Settings

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]

Task = Mapping[str, Any]

#: Remote shells, and the runspaces of PowerShell.
_SHELLS = ("/windows/shell", "/powershell/")


@dataclass(frozen=True)
class Request:
    """One request that left the controller: `kind` is read, write or shell."""

    action: str
    resource: str

    @property
    def kind(self) -> str:
        if any(mark in text for mark in _SHELLS for text in (self.resource, self.action)):
            return "shell"
        name = self.action.rpartition("/")[2]
        if name in ("Enumerate", "Pull", "Release", "Get"):
            return "read"
        # The static methods of the registry that only look.
        looks = self.resource.endswith("/StdRegProv") and name.startswith(("Get", "Enum", "CheckAccess"))
        return "read" if looks else "write"


@dataclass(frozen=True)
class Outcome:
    """What a run did: the result of each task by name, how it ended, and the requests that were sent."""

    results: dict[str, dict[str, Any]]
    endings: dict[str, str]
    requests: list[Request]
    output: str = field(repr=False)

    def __getitem__(self, task: str) -> dict[str, Any]:
        if task not in self.results:
            raise AssertionError(f"no result of {task!r}\n{self.output[-4000:]}")
        return self.results[task]

    def of_kind(self, kind: str) -> list[Request]:
        """The requests of a kind."""
        return [request for request in self.requests if request.kind == kind]


def play(settings: Settings, connection: str, tasks: Sequence[Task], folder: Path) -> Outcome:
    """Run tasks on the host by this connection plugin; a task that fails does not end the run."""
    folder.mkdir(parents=True)
    playbook, results, requests = folder / "playbook.json", folder / "results.jsonl", folder / "requests.jsonl"
    # A variable of the play wins over the inventory, and a task that runs on the controller over that.
    variables = {"ansible_connection": connection}
    entry = {"hosts": settings.host, "gather_facts": False, "vars": variables, "tasks": [dict(task) for task in tasks]}
    playbook.write_text(json.dumps([entry], indent=1), encoding="utf-8")
    done = subprocess.run(
        [
            str(Path(sys.executable).with_name("ansible-playbook")),
            str(playbook),
            *("-i", str(settings.inventory), "--limit", settings.host),
        ],
        env=_environment(results, requests),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        encoding="utf-8",
        errors="replace",
        check=False,
    )
    output = done.stdout + done.stderr
    found: dict[str, dict[str, Any]] = {}
    endings: dict[str, str] = {}
    for line in _lines(results):
        if line["event"] not in ("stats", "retry", "skipped"):
            # The callback has it as a kind of event.
            found[line["task"]] = {**line["result"], "failed": line["event"] != "ok"}
            endings[line["task"]] = line["event"]
    if not found:
        raise AssertionError(f"ansible-playbook has run no task on {settings.host}:\n{output[-4000:]}")
    return Outcome(found, endings, [Request(**line) for line in _lines(requests)], output)


def _lines(path: Path) -> list[dict[str, Any]]:
    text = path.read_text(encoding="utf-8") if path.exists() else ""
    return [json.loads(line) for line in text.splitlines()]


def _environment(results: Path, requests: Path) -> dict[str, str]:
    """The user's, so that vault, proxies and ansible.cfg hold, and what these tests add."""
    callbacks = [str(HERE / "callback"), str(ROOT / "tests" / "system" / "callback")]
    added = {
        "ANSIBLE_COLLECTIONS_PATH": [str(ROOT / ".build")],
        "ANSIBLE_CALLBACK_PLUGINS": callbacks,
        "ANSIBLE_ACTION_PLUGINS": [str(HERE / "action")],
    }
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("PYTEST_", "PYTHONPATH"))}
    for name, paths in added.items():
        environment[name] = os.pathsep.join([*paths, *filter(None, [environment.get(name)])])
    return environment | {
        "ANSIBLE_CALLBACKS_ENABLED": "record_results,watch_requests",
        "ANSIBLE_NOCOLOR": "1",
        "ANSIBLE_LOCALHOST_WARNING": "false",
        "RECORD_RESULTS_TO": str(results),
        "WATCH_REQUESTS_IN": str(requests),
    }
