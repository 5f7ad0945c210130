# Copyright (c) 2026, the winops.kms authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whatever goes wrong, and however often a task runs: a counted activation is never spent twice.

Random sequences of runs and faults; each is one machine, and all take a step in one ansible-playbook run.  The seed is
printed at the end.  WINOPS_TEST_SEED=random draws others, WINOPS_TEST_SEQUENCES asks for more or fewer of them.
"""

from __future__ import annotations

import json
import os
import random
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.winops.kms.tests.system.batch import CONNECTIONS, Batch, Call, Ending, kinds_of_faults
from ansible_collections.winops.kms.tests.system.harness import Ansible, brief
from kmslab.control import Exchange, Lab

SEED = os.environ["WINOPS_TEST_SEED"]
SEQUENCES = int(os.environ.get("WINOPS_TEST_SEQUENCES", "200"))
ROUNDS = 4

HOST_KEY = "N2222-22222-22222-22222-HK222"
MAK = "N3333-33333-33333-33333-MK333"

Task = tuple[str, Mapping[str, Any]]

#: Tasks that lead to an activated KMS host; the last one is what every sequence ends with.
HOST_TASKS: tuple[Task, ...] = (
    ("license_info", {}),
    ("product_key", {"key": HOST_KEY, "key_channel": "csvlk"}),
    ("activation", {}),
    ("host", {"key": HOST_KEY, "activate": True}),
    ("host", {"key": HOST_KEY, "activate": True, "port": 1700, "dns_publishing": False}),
    ("host", {"key": HOST_KEY, "activate": True, "port": 1700, "dns_publishing": False, "firewall": True}),
)
#: The same for a machine with a MAK.
MAK_TASKS: tuple[Task, ...] = (
    ("license_info", {}),
    ("product_key", {"key": MAK, "key_channel": "mak"}),
    ("activation", {}),
    ("client", {"key": MAK, "key_channel": "mak", "activate": True, "server": "kms.corp.example"}),
    ("client", {"key": MAK, "key_channel": "mak", "activate": True}),
)
TASKS = {"host": HOST_TASKS, "mak": MAK_TASKS}

#: What a fault is aimed at: those that count get the most.
TARGETS: tuple[Mapping[str, str], ...] = (
    {"method": "Activate"},
    {"method": "Activate"},
    {"method": "Activate"},
    {"method": "InstallProductKey"},
    {"method": "InstallProductKey"},
    {"method": "RefreshLicenseStatus"},
    {"method": "StopService"},
    {"method": "StartService"},
    {"method": "SetKeyManagementServiceListeningPort"},
    {"action": "/Enumerate"},
    {"action": "/Enumerate"},
)
KINDS = kinds_of_faults()


@dataclass
class Step:
    """One run of a sequence."""

    task: Task
    faults: list[dict[str, Any]]
    ending: Ending | None = None
    requests: list[Exchange] = field(default_factory=list)
    view: Mapping[str, Any] = field(default_factory=dict)


@dataclass
class Sequence:
    """A machine and what happens to it."""

    number: int
    kind: str
    machine: str
    connection: str
    before: Mapping[str, Any]
    steps: list[Step]

    def story(self) -> str:
        """All of it, for the message of an assertion."""
        lines = [f"seed {SEED}, sequence {self.number}, {self.connection}"]
        for step in self.steps:
            lines.append(f"- {step.task[0]} {json.dumps({**step.task[1], 'key': '...'})}")
            lines += [f"    fault {json.dumps(rule)}" for rule in step.faults]
            lines += [f"    {line}" for line in brief(step.requests)]
            if step.ending is not None:
                lines.append(f"    {step.ending.how}: {step.ending.message} {step.ending.changes}")
                lines.append(f"    spent: {step.view['counters']['activations_spent']}, {step.view['status']}")
        return "\n".join(lines)


def _faults(draw: random.Random) -> list[dict[str, Any]]:
    """None to three faults; each may let some requests of its target pass, and may last."""
    rules: list[dict[str, Any]] = []
    for _number in range(draw.choice((0, 1, 1, 2, 3))):
        target = dict(draw.choice(TARGETS))
        passing = draw.choice((0, 0, 1, 3, 5)) if "action" in target else draw.choice((0, 0, 0, 1))
        if passing:
            rules.append({**target, "kind": "delay", "seconds": 0, "count": passing})
        rules.append({**target, **draw.choice(KINDS), "count": draw.choice((1, 1, 1, 2, None))})
    return rules


def _sequences(lab: Lab) -> list[Sequence]:
    found = []
    for number in range(SEQUENCES):
        draw = random.Random(f"{SEED}/{number}")
        kind = ("host", "host", "mak", "host")[number // len(CONNECTIONS) % 4]
        tasks = TASKS[kind]
        steps = [Step(draw.choice(tasks), _faults(draw)) for _number in range(ROUNDS)]
        # Undisturbed: once to finish, once to find that all is done.
        steps += [Step(tasks[-1], []), Step(tasks[-1], [])]
        machine = f"{kind}-{number + 1:03d}"
        found.append(
            Sequence(number, kind, machine, CONNECTIONS[number % len(CONNECTIONS)], lab.machine(machine), steps)
        )
    return found


@pytest.fixture(scope="module")
def sequences(start_lab: Callable[[str], Lab], tmp_path_factory: pytest.TempPathFactory) -> list[Sequence]:
    """All sequences, played to their end."""
    lab = start_lab("once_hosts")
    found = _sequences(lab)
    batch = Batch(lab, tmp_path_factory.mktemp("once"))
    for number in range(ROUNDS + 2):
        lab.clear_faults()
        lab.clear_requests()
        steps = {one.machine: one.steps[number] for one in found}
        for machine, step in steps.items():
            for rule in step.faults:
                lab.fault(machine, **rule)
        endings = batch.run([Call(one.machine, one.connection, *one.steps[number].task) for one in found])
        for machine, step in steps.items():
            step.ending = endings[machine]
            step.requests = lab.requests(machine)
            step.view = lab.machine(machine)
    return found


@pytest.mark.parametrize("number", range(SEQUENCES))
def test_never_spent_twice(number: int, sequences: list[Sequence]) -> None:
    played = sequences[number]
    for step in played.steps:
        assert step.view["counters"]["activations_spent"] <= 1, played.story()


@pytest.mark.parametrize("number", range(SEQUENCES))
def test_every_run_tells_the_truth(number: int, sequences: list[Sequence]) -> None:
    played = sequences[number]
    before = played.before
    for step in played.steps:
        ending, options = step.ending, step.task[1]
        assert ending is not None
        if ending.how == "ok" and options.get("activate"):
            assert step.view["status"] == "licensed", played.story()
            assert step.view["partial_product_key"] == str(options["key"])[-5:], played.story()
        spent = step.view["counters"]["activations_spent"] - before["counters"]["activations_spent"]
        told = ending.changes.get("status", (None, None))[1] == "licensed"
        if ending.how == "unreachable":
            writes = [request for request in step.requests if request["kind"] != "read"]
            said = "A change had been sent" in ending.message or "Restart sppsvc" in ending.message
            assert said or not writes, played.story()
        else:
            # Windows refused what it had done, and then could not be read: all that is left is to say so.
            unread = any("could not be read afterwards" in one for one in ending.result.get("warnings") or ())
            assert told == bool(spent) or (ending.how == "failed" and unread and not told), played.story()
        before = step.view


@pytest.mark.parametrize("number", range(SEQUENCES))
def test_it_ends_activated_and_converged(number: int, sequences: list[Sequence]) -> None:
    played = sequences[number]
    finish, again = played.steps[-2:]
    assert finish.ending is not None and again.ending is not None
    assert finish.ending.how == again.ending.how == "ok", played.story()
    assert again.view["status"] == "licensed", played.story()
    assert again.view["counters"]["activations_spent"] == 1, played.story()
    assert again.ending.result["changed"] is False, played.story()
    assert all(request["kind"] == "read" for request in again.requests), played.story()


@pytest.mark.estate("once_hosts")
@pytest.mark.parametrize("kind", ["host", "mak"])
def test_plays_side_by_side_spend_one_activation(kind: str, lab: Lab, tmp_path: Path) -> None:
    """Each has its own temporary folder, as jobs have that one controller runs at the same time."""
    machine = f"{kind}-001"
    name, options = TASKS[kind][-1]
    apart = [
        {f"winops.kms.{module}": dict(arguments)}
        for module, arguments in TASKS[kind]
        if module in ("product_key", "activation")
    ]
    together = [{f"winops.kms.{name}": dict(options)}]
    # The call takes its time, so that each play finds the state before it.
    lab.fault(machine, method="Activate", kind="delay", seconds=3, count=None)
    lab.fault(machine, method="InstallProductKey", kind="delay", seconds=1, count=None)
    plays = [Ansible(lab, tmp_path / str(number)).play for number in range(3)]
    with ThreadPoolExecutor() as pool:
        runs = [
            pool.submit(play, tasks, hosts=machine, connection=connection)
            for play, tasks, connection in zip(
                plays, (together, apart, together), ("winrm", "psrp", "psrp"), strict=True
            )
        ]
        told = [run.result().changes().get(machine, {}) for run in runs]
    view = lab.machine(machine)
    assert view["counters"]["activations_spent"] == 1
    assert view["counters"]["key_installs"] == 1
    assert view["status"] == "licensed"
    assert sum(changes.get("status", (None, None))[1] == "licensed" for changes in told) == 1
