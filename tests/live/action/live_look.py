# Copyright (c) 2026, the winops.kms authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Looks at the open questions by the task's own connection, and writes what it read as scripts for tests/protocol.

Options: `folder` for the scripts (none: only the answers), `forbidden` words.
Result: `answers`, `files`, `refused` (why a script was not written).
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ansible.plugins.action import ActionBase

from ansible_collections.winops.kms.plugins.plugin_utils._action.connection import open_session
from ansible_collections.winops.kms.tests.live import questions
from ansible_collections.winops.kms.tests.live.recording import RecordingRefused, learn, public_scrubber, write


class ActionModule(ActionBase):
    """See the file's description."""

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        result: dict[str, Any] = super().run(tmp, task_vars)
        variables = task_vars or {}
        with open_session(self._connection) as session:
            seen = questions.look(session._transport)
        scrubber = public_scrubber(self._task.args.get("forbidden") or ())
        for name in ("inventory_hostname", "ansible_host"):
            scrubber.learn("host", str(variables.get(name) or ""))
        user, _at, realm = str(self._connection.get_option("remote_user") or "").partition("@")
        scrubber.learn("user", user)
        scrubber.learn("domain", realm)
        for recording in seen.recordings.values():
            learn(recording, scrubber)
        result |= {"changed": False, "files": [], "refused": []}
        result["answers"] = [_publishable(one, scrubber) for one in questions.answers(seen)]
        if self._task.args.get("folder"):
            for name in seen.published:
                try:
                    paths = write([seen.recordings[name]], Path(self._task.args["folder"]), scrubber)
                    result["files"] += map(str, paths)
                except RecordingRefused as error:
                    result["refused"].append(str(error))
        return result


def _publishable(answer: dict[str, str], scrubber: Any) -> dict[str, str]:
    text = scrubber.text(answer["host"])
    return {
        **answer,
        "host": "withheld: it has something that tells whose host this is" if scrubber.leftovers(text) else text,
    }
