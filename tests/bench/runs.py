# Copyright (c) 2026, the winops.kms authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One run of ansible-playbook, and what it used."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from kmslab.control import Lab

from .results import Sample
from .variants import Variant

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
_LOOK = 1.0
_TEMPLATE = re.compile(r"\{\{.*?\}\}")
_RECAP = re.compile(r"^(\S+)\s+: ok=(\d+)\s+changed=(\d+)\s+unreachable=(\d+)\s+failed=(\d+)", re.MULTILINE)


class BenchError(Exception):
    """A run did not do what it is measured for."""


@dataclass(frozen=True)
class Plan:
    """How a variant is run."""

    variant: Variant
    hosts: int
    latency_ms: float
    forks: int
    repeat: int
    look_at_memory: bool = False


def measure(plan: Plan, lab: Lab, folder: Path, *, collections: tuple[Path, ...]) -> Sample:
    """Run one variant.  Raises BenchError when a host fails, or is not as the variant says."""
    folder.mkdir(parents=True, exist_ok=True)
    playbook = folder / "playbook.json"
    play = {
        "hosts": plan.variant.hosts,
        "gather_facts": False,
        "vars": dict(plan.variant.variables),
        "tasks": list(plan.variant.tasks),
    }
    playbook.write_text(json.dumps([play]), encoding="utf-8")
    inventory = _plain_inventory(lab, folder)
    command = [str(Path(sys.executable).with_name("ansible-playbook")), "-i", str(inventory), str(playbook)]
    environment = _environment(folder, plan.forks, collections)
    lab.settings(latency_ms=plan.latency_ms, swallow_modules=plan.variant.stock)
    lab.clear_requests()
    lab_before = lab.totals()["cpu_seconds"]
    output = folder / "output.txt"
    with output.open("wb") as stream:
        start = time.monotonic()
        process = subprocess.Popen(
            command, cwd=folder, env=environment, stdin=subprocess.DEVNULL, stdout=stream, stderr=subprocess.STDOUT
        )
        with _Memory(process.pid, active=plan.look_at_memory) as memory:
            _pid, status, used = os.wait4(process.pid, 0)
        wall = time.monotonic() - start
    process.returncode = os.waitstatus_to_exitcode(status)
    totals = lab.totals()
    _check(plan, process.returncode, output.read_text(encoding="utf-8", errors="replace"))
    return Sample(
        variant=plan.variant.name,
        hosts=plan.hosts,
        latency_ms=plan.latency_ms,
        forks=plan.forks,
        repeat=plan.repeat,
        wall=round(wall, 3),
        cpu=round(used.ru_utime + used.ru_stime, 3),
        lab_cpu=round(totals["cpu_seconds"] - lab_before, 3),
        largest=used.ru_maxrss * 1024,
        memory=memory.peak,
        requests=totals["requests"],
        sent=totals["wire"]["bytes_in"],
        received=totals["wire"]["bytes_out"],
        connections=totals["wire"]["connections"],
    )


def _plain_inventory(lab: Lab, folder: Path) -> Path:
    """The lab's, without its template: what Ansible takes to work that out would be in every figure."""
    text, count = _TEMPLATE.subn("winrm", lab.inventory.read_text(encoding="utf-8"))
    if count != 1:
        raise BenchError(f"{lab.inventory}: {count} templates instead of 1")
    path = folder / "inventory.yml"
    path.write_text(text, encoding="utf-8")
    return path


def _environment(folder: Path, forks: int, collections: tuple[Path, ...]) -> dict[str, str]:
    """Ansible as it is, without settings of the user: only where things are, and the number of forks."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("ANSIBLE_", "PYTHON"))}
    config = folder / "ansible.cfg"
    config.touch()
    return kept | {
        "LC_ALL": "C.UTF-8",
        "NO_PROXY": "127.0.0.1,localhost",
        "ANSIBLE_CONFIG": str(config),
        "ANSIBLE_HOME": str(folder / "home"),
        "ANSIBLE_COLLECTIONS_PATH": os.pathsep.join(map(str, (ROOT / ".build", *collections))),
        "ANSIBLE_ACTION_PLUGINS": str(HERE / "action"),
        "ANSIBLE_FORKS": str(forks),
        "ANSIBLE_LOCALHOST_WARNING": "false",
        "ANSIBLE_NOCOLOR": "1",
    }


def _check(plan: Plan, code: int, output: str) -> None:
    recap = {host: tuple(map(int, numbers)) for host, *numbers in _RECAP.findall(output)}
    bad = [host for host, (_ok, _changed, unreachable, failed) in recap.items() if unreachable or failed]
    if code or bad:
        raise BenchError(f"{plan.variant.name}: rc {code}, {len(bad)} hosts failed\n{output[-3000:]}")
    if plan.variant.estate == "fleet":
        return  # One task for all: what it found of them is no failure.
    changed = sum(changed > 0 for _ok, changed, _unreachable, _failed in recap.values())
    expected = plan.hosts if plan.variant.fresh else 0
    if len(recap) != plan.hosts or changed != expected:
        raise BenchError(
            f"{plan.variant.name}: {len(recap)} hosts of {plan.hosts}, {changed} changed instead of {expected}"
        )


class _Memory:
    """Looks once a second at the memory of a process and of all below it."""

    def __init__(self, pid: int, *, active: bool) -> None:
        self._pid = pid
        self._done = threading.Event()
        self.peak: int | None = None
        self._thread = threading.Thread(target=self._watch, name="memory", daemon=True) if active else None

    def __enter__(self) -> _Memory:
        if self._thread is not None:
            self._thread.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self._done.set()
        if self._thread is not None:
            self._thread.join()

    def _watch(self) -> None:
        while not self._done.wait(_LOOK):
            total = sum(map(_proportional_set, _family(self._pid)))
            self.peak = max(self.peak or 0, total)


def _family(pid: int) -> Iterator[int]:
    """A process and all that descend from it."""
    children: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            parent = _parent(entry)
            if parent is not None:
                children.setdefault(parent, []).append(int(entry.name))
    waiting = [pid]
    while waiting:
        one = waiting.pop()
        yield one
        waiting += children.get(one, [])


def _parent(entry: Path) -> int | None:
    try:
        return int((entry / "stat").read_text().rpartition(")")[2].split()[1])
    except OSError:
        return None  # It has ended meanwhile.


def _proportional_set(pid: int) -> int:
    """The memory of a process in bytes; of what several share, each has its part."""
    try:
        text = Path(f"/proc/{pid}/smaps_rollup").read_text()
    except OSError:
        return 0
    found = re.search(r"^Pss:\s+(\d+) kB", text, re.MULTILINE)
    return int(found[1]) * 1024 if found else 0


def describe_machine() -> Mapping[str, object]:
    """The machine as far as it matters for the figures."""
    information = Path("/proc/cpuinfo").read_text()
    model = re.search(r"^model name\s*:\s*(.+)$", information, re.MULTILINE)
    memory = re.search(r"^MemTotal:\s+(\d+) kB", Path("/proc/meminfo").read_text(), re.MULTILINE)
    return {
        "processor": model[1] if model else os.uname().machine,
        "cores": len(os.sched_getaffinity(0)),
        "memory_gib": round(int(memory[1]) / 2**20, 1) if memory else None,
        "kernel": f"{os.uname().sysname} {os.uname().release}",
        "python": sys.version.split()[0],
    }
