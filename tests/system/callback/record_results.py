# Copyright (c) 2026, the winops.kms authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A callback that writes what every callback is given, as JSON lines, to the file named by RECORD_RESULTS_TO."""

from __future__ import annotations

import json
import os
from typing import Any

from ansible.plugins.callback import CallbackBase

DOCUMENTATION = """
name: record_results
type: aggregate
short_description: Write task results to a file as JSON lines
description: For the tests of this collection.
requirements: [the environment variable RECORD_RESULTS_TO]
"""


class CallbackModule(CallbackBase):
    """One line per result: event, host, play, role, task, action, check, result; one at the end with the recap."""

    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "aggregate"
    CALLBACK_NAME = "record_results"
    CALLBACK_NEEDS_ENABLED = True

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._play = ""
        # Opened once: the file is there, though empty, when Ansible ends before any task.
        self._file = open(os.environ["RECORD_RESULTS_TO"], "a", encoding="utf-8")  # noqa: SIM115

    def _write(self, **entry: Any) -> None:
        self._file.write(json.dumps(entry, default=str) + "\n")
        self._file.flush()

    def _result(self, event: str, result: Any) -> None:
        task = result._task
        self._write(
            event=event,
            play=self._play,
            host=result._host.get_name(),
            task=task.name or task.action,
            role=task._role.get_name() if task._role else "",
            action=task.action,
            check=bool(task.check_mode),
            result=result._result,
        )

    def v2_playbook_on_play_start(self, play: Any) -> None:
        self._play = play.get_name()

    def v2_runner_on_ok(self, result: Any) -> None:
        self._result("ok", result)

    def v2_runner_on_failed(self, result: Any, ignore_errors: bool = False) -> None:
        self._result("ignored" if ignore_errors else "failed", result)

    def v2_runner_on_unreachable(self, result: Any) -> None:
        self._result("unreachable", result)

    def v2_runner_on_skipped(self, result: Any) -> None:
        self._result("skipped", result)

    def v2_runner_retry(self, result: Any) -> None:
        self._result("retry", result)

    def v2_playbook_on_stats(self, stats: Any) -> None:
        self._write(event="stats", recap={host: stats.summarize(host) for host in sorted(stats.processed)})
