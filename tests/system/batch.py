# Copyright (c) 2026, the winops.kms authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Many module calls in one ansible-playbook run: one call per machine, each with a connection of its own.

endings = Batch(lab, tmp_path).run([Call("pc-001", "winrm", "client", {"gvlk": True}), ...])
assert endings["pc-001"].how == "ok"
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from pathlib import Path
from typing import Any

from ansible_collections.winops.kms.tests.system.harness import Ansible, Expectation, Run
from kmslab.control import Lab

CONNECTIONS = ("winrm", "psrp")
_FORKS = "30"
#: The events that end a call.
_HOW: dict[str, Expectation] = {"ok": "ok", "ignored": "failed", "failed": "failed", "unreachable": "unreachable"}


def kinds_of_faults(*, wmi: str = "0xC004F025") -> tuple[Mapping[str, Any], ...]:
    """Every way in which a call can go wrong, for the lab; `wmi`: the HRESULT of the fault in WMI's own shape."""
    return (
        {"kind": "drop_before"},
        {"kind": "drop_after"},
        {"kind": "timed_out"},
        {"kind": "timed_out", "done": False},
        {"kind": "quota"},
        {"kind": "fault", "hresult": "0xC004F025", "shape": "wsman"},
        {"kind": "fault", "hresult": wmi, "shape": "wmi"},
        {"kind": "fault", "hresult": "0xC004F025", "done": True},
        {"kind": "html"},
        {"kind": "html", "done": True},
        {"kind": "truncated"},
        {"kind": "doctype"},
        {"kind": "http_503"},
        {"kind": "http_503", "done": True},
        {"kind": "empty_400"},
        {"kind": "access_denied"},
    )


@dataclass(frozen=True)
class Call:
    """One task on one machine.  `variables` are more variables of the machine, `keywords` more of the task."""

    machine: str
    connection: str
    module: str
    options: Mapping[str, Any]
    variables: Mapping[str, Any] = field(default_factory=dict)
    keywords: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Ending:
    """How one call ended, and its result as Ansible has it."""

    how: Expectation
    result: dict[str, Any]

    @property
    def message(self) -> str:
        return str(self.result.get("msg", ""))

    @property
    def changes(self) -> dict[str, tuple[Any, Any]]:
        """Setting -> (before, after)."""
        return {one["setting"]: (one["before"], one["after"]) for one in self.result.get("changes") or ()}


class Batch:
    """Runs calls against a lab.  `last_run` is the run of the last call of `run`, for what it printed."""

    def __init__(self, lab: Lab, folder: Path) -> None:
        self._ansible = Ansible(lab, folder)
        self._folder = folder
        self._count = 0
        self.last_run: Run | None = None

    def run(self, calls: Sequence[Call], *, environment: Mapping[str, str] | None = None) -> dict[str, Ending]:
        """Machine -> how its call ended.  Every machine has at most one call."""
        if len({call.machine for call in calls}) != len(calls):
            raise ValueError("two calls on one machine")
        self._count += 1
        playbook = self._folder / f"batch-{self._count}.json"
        playbook.write_text(json.dumps([_play(calls) for calls in _alike(calls)], indent=1), encoding="utf-8")
        inventory = self._folder / f"inventory-{self._count}.json"
        hosts = {call.machine: _variables(call) for call in calls}
        inventory.write_text(json.dumps({"all": {"hosts": hosts}}), encoding="utf-8")
        run = self._ansible.play(
            playbook,
            inventory=[inventory],
            environment={"ANSIBLE_FORKS": _FORKS, **(environment or {})},
            expect=None,
        )
        self.last_run = run
        endings = {one.host: Ending(_HOW[one.event], one.result) for one in run.events if one.event in _HOW}
        missing = [call.machine for call in calls if call.machine not in endings]
        assert not missing, f"no result of {missing}\n{run.output[-6000:]}"
        return endings


def _shape(call: Call) -> str:
    return json.dumps([call.module, dict(call.keywords)], sort_keys=True)


def _alike(calls: Sequence[Call]) -> list[list[Call]]:
    return [list(group) for _ignored, group in groupby(sorted(calls, key=_shape), key=_shape)]


def _play(calls: Sequence[Call]) -> dict[str, Any]:
    module, keywords = calls[0].module, calls[0].keywords
    task: dict[str, Any] = {"name": module, f"winops.kms.{module}": {}, "args": "{{ call_options }}", **keywords}
    # A playbook ends with the first play in which every machine fails.
    task |= {"ignore_errors": True, "ignore_unreachable": True}
    hosts = ",".join(call.machine for call in calls)
    return {"name": module, "hosts": hosts, "gather_facts": False, "tasks": [task]}


def _variables(call: Call) -> dict[str, Any]:
    return {"ansible_connection": call.connection, "call_options": dict(call.options), **call.variables}
