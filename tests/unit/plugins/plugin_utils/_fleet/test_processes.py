# Copyright (c) 2026, the winops.kms authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Several processes share a fleet: every host has exactly one answer, whatever becomes of the processes."""

from __future__ import annotations

import multiprocessing
import os
import resource
import signal
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from ansible_collections.winops.kms.plugins.plugin_utils._fleet import processes as module
from ansible_collections.winops.kms.plugins.plugin_utils._fleet.answers import Answer
from ansible_collections.winops.kms.plugins.plugin_utils._fleet.asking import Limits, Target
from ansible_collections.winops.kms.plugins.plugin_utils._fleet.processes import survey
from ansible_collections.winops.kms.tests.unit.plugins.plugin_utils._cim.scripted import ScriptedTransport
from ansible_collections.winops.kms.tests.unit.plugins.plugin_utils._fleet.fleet_answers import (
    NO_PRODUCTS,
    SERVICE,
    Slow,
    target,
    wait_until,
)

HOSTS = [f"pc{number:03}" for number in range(60)]
LIMITS = Limits(concurrency=6, per_host=30)


def ask(
    hosts: list[str],
    make_target: Callable[[str], Target] = target,
    limits: Limits = LIMITS,
    processes: int = 3,
) -> dict[str, Answer]:
    found = list(survey(hosts, make_target, limits, processes=processes))
    assert Counter(answer.host for answer in found) == Counter(hosts), "exactly one answer for each"
    assert not multiprocessing.active_children()
    return {answer.host: answer for answer in found}


def why(answer: Answer) -> str:
    return str(answer.rows[0].error_message)


@pytest.mark.parametrize("processes", [1, 2, 7, 64])
@pytest.mark.parametrize("concurrency", [1, 5])
def test_every_host_has_its_own_answer(processes: int, concurrency: int) -> None:
    found = ask(HOSTS, limits=Limits(concurrency, 30), processes=processes)
    assert {answer.outcome for answer in found.values()} == {"ok"}
    assert all(answer.rows[0].host == host for host, answer in found.items())


@pytest.mark.parametrize("hosts", [[], ["pc"]])
def test_few_hosts_are_no_trouble(hosts: list[str]) -> None:
    assert set(ask(hosts, processes=4)) == set(hosts)


def test_the_processes_share_the_concurrency(tmp_path: Path) -> None:
    """Each of the seven at once waits for all seven; an eighth would be seen."""

    def make_target(host: str) -> Target:
        def enter(request: bytes) -> bytes:
            (tmp_path / host).touch()
            wait_until(lambda: len(list(tmp_path.glob("pc*"))) >= 7)
            counted = len(list(tmp_path.glob("pc*")))
            (tmp_path / f"count {host}").write_text(str(counted))
            return SERVICE

        return Target(host, ScriptedTransport(enter, NO_PRODUCTS))

    ask(HOSTS[:7], make_target, Limits(7, 30), processes=3)
    assert {path.read_text() for path in tmp_path.glob("count *")} == {"7"}


@pytest.mark.parametrize(
    ("concurrency", "processes", "hosts_of_each"), [(5, 2, [24, 36]), (6, 3, [20, 20, 20]), (4, 3, [15, 15, 30])]
)
def test_a_process_has_as_many_hosts_as_it_has_threads_for(
    concurrency: int, processes: int, hosts_of_each: list[int], tmp_path: Path
) -> None:
    """Else the process with the fewest threads would be the last for long."""

    def make_target(host: str) -> Target:
        (tmp_path / f"{os.getpid()}.{host}").touch()
        return target(host)

    ask(HOSTS, make_target, Limits(concurrency, 30), processes=processes)
    made = Counter(path.name.partition(".")[0] for path in tmp_path.iterdir())
    assert sorted(made.values()) == hosts_of_each


def test_a_host_whose_way_can_not_be_made_is_told_and_the_others_are_asked() -> None:
    def make_target(host: str) -> Target:
        if host == "pc007":
            raise KeyError("no such variable")
        return target(host)

    found = ask(HOSTS, make_target)
    assert why(found.pop("pc007")) == "It can't be asked: 'no such variable'"
    assert {answer.outcome for answer in found.values()} == {"ok"}


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_a_process_that_dies_takes_only_its_own_hosts_with_it(number: int) -> None:
    def make_target(host: str) -> Target:
        if host == HOSTS[30]:
            os.kill(os.getpid(), number)
        return target(host)

    found = ask(HOSTS, make_target, Limits(3, 30), processes=3)
    lost = {host for host, answer in found.items() if not answer.answered}
    assert HOSTS[30] in lost
    assert lost <= set(HOSTS[0::3]) and not lost & set(HOSTS[:24]), "only what it had not told yet"
    for host in lost:
        assert why(found[host]) == f"The process that was to ask it has ended (exit code {-number})"


def test_a_process_that_ends_in_some_other_way_is_told_too() -> None:
    def make_target(host: str) -> Target:
        os._exit(3)

    found = ask(HOSTS[:2], make_target, processes=1)
    assert {why(answer) for answer in found.values()} == {"The process that was to ask it has ended (exit code 3)"}


def test_the_run_ends_in_time_though_a_machine_can_not_be_interrupted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_GRACE", 0.2)

    def make_target(host: str) -> Target:
        if host == "pc000":
            # As a look-up of a name, in the one thread that makes targets.
            threading.Event().wait()
        return Target(host, Slow(threading.Event(), heeds=False)) if host == "pc001" else target(host)

    found = ask(HOSTS, make_target, Limits(4, 30, total=2.0), processes=2)
    assert not found["pc000"].answered and not found["pc001"].answered
    assert why(found["pc000"]) == "The time of the whole run, 2 seconds, was over before it answered"
    assert "call again with the same state_file" in str(found["pc000"].rows[0].remedy)
    for number, host in enumerate(HOSTS[2:], 2):
        assert found[host].answered is (number % 2 == 1), host


def test_it_says_how_it_goes_on_while_nothing_comes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_TICK", 0.05)
    ticks: list[int] = []
    limits = Limits(1, 0.5)
    slow = survey(
        ["pc"], lambda host: Target(host, Slow(threading.Event())), limits, processes=1, tick=lambda: ticks.append(1)
    )
    assert len(list(slow)) == 1
    assert len(ticks) > 3


def test_who_stops_listening_stops_the_processes() -> None:
    def make_target(host: str) -> Target:
        return target(host) if host == HOSTS[0] else Target(host, Slow(threading.Event()))

    answers = survey(HOSTS, make_target, LIMITS, processes=3)
    with closing(answers):
        next(answers)
        children = multiprocessing.active_children()
        assert len(children) == 3
    assert not multiprocessing.active_children()
    assert not any(child.is_alive() for child in children)


def test_the_processes_end_with_the_one_that_started_them(tmp_path: Path) -> None:
    """A run that is killed must not leave anything that asks machines, or that has the state file locked."""
    script = f"""
import os, sys, threading, time
from pathlib import Path
from {Target.__module__} import Limits, Target
from {survey.__module__} import survey

class Stuck:
    endpoint, last_status = "http://stuck/wsman", None
    def send(self, envelope, *, timeout, idempotent=False):
        Path(sys.argv[1], str(os.getpid())).touch()
        time.sleep(600)
    def close(self): pass

list(survey(["a", "b"], lambda host: Target(host, Stuck()), Limits(2, 600), processes=2))
"""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    with subprocess.Popen([sys.executable, "-c", script, str(tmp_path)], env=environment) as process:
        wait_until(lambda: len(list(tmp_path.iterdir())) == 2)
        children = [int(path.name) for path in tmp_path.iterdir()]
        process.kill()
    wait_until(lambda: not any(_runs(child) for child in children))


def _runs(process: int) -> bool:
    try:
        state = Path(f"/proc/{process}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state != "Z"


def test_the_processes_may_have_as_many_connections_as_the_system_allows() -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(soft, 200), hard))

    def make_target(host: str) -> Target:
        raise OSError(f"{resource.getrlimit(resource.RLIMIT_NOFILE)[0]} files")

    try:
        found = ask(["pc"], make_target)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert why(found["pc"]) == f"It can't be asked: {hard} files"
