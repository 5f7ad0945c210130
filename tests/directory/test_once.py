# Copyright (c) 2026, the winops.kms authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Whatever goes wrong with the call that activates a forest, running the task again spends no second activation."""

from __future__ import annotations

from pathlib import Path

from ansible_collections.winops.kms.tests.system.batch import CONNECTIONS, Batch, Call, Ending, kinds_of_faults
from ansible_collections.winops.kms.tests.system.harness import brief
from kmslab.control import Lab

from .conftest import KEYS_OF_THEIR_OWN, reading
from .samba import SambaDirectory

ONLINE = "DoActiveDirectoryOnlineActivation"
KINDS = kinds_of_faults(wmi="0x80072098")


def test_a_forest_is_activated_once_whatever_happens(directory: SambaDirectory, lab: Lab, tmp_path: Path) -> None:
    cases = [(kind, connection) for kind in KINDS for connection in CONNECTIONS]
    machines = dict(zip(KEYS_OF_THEIR_OWN, cases, strict=False))
    assert len(machines) == len(cases)
    batch = Batch(lab, tmp_path)

    def run() -> dict[str, Ending]:
        lab.clear_requests()
        return batch.run(
            [
                Call(name, connection, "ad_activation", {"key": KEYS_OF_THEIR_OWN[name], **reading(directory)})
                for name, (_kind, connection) in machines.items()
            ]
        )

    def spent(name: str) -> int:
        number: int = lab.machine(name)["counters"]["activations_spent"]
        return number

    for name, (kind, _connection) in machines.items():
        lab.fault(name, **{**kind, "method": ONLINE})
    disturbed = run()
    for name, case in machines.items():
        ending, story = disturbed[name], (case, disturbed[name].message, brief(lab.requests(name)))
        assert spent(name) <= 1, story
        assert sum(request["method"] == ONLINE for request in lab.requests(name)) == 1, story
        assert ending.how != "unreachable", story
        assert ending.result["changed"] is bool(spent(name)), story

    finished = run()
    for name, case in machines.items():
        assert (finished[name].how, spent(name)) == ("ok", 1), (case, finished[name].message)

    again = run()
    assert lab.requests() == [], "the directory tells enough"
    for name, case in machines.items():
        assert (again[name].how, again[name].result["changed"], spent(name)) == ("ok", False, 1), case
    assert directory.ldapsearch("dn").count("dn: ") == len(machines)
