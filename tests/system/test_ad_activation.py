# Copyright (c) 2026, the winops.kms authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""ad_activation where the directory can't be read: it refuses unless told otherwise, and never sends twice.

With a directory that can be read: tests/directory.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import pytest

from ansible_collections.winops.kms.tests.system.batch import CONNECTIONS, Batch, Call, Ending
from kmslab.control import Exchange, Lab

KEY = "N2222-22222-22222-22222-HK222"
USED_UP_KEY = "N2222-22222-22222-22222-HK777"
MAK = "N3333-33333-33333-33333-MK333"
CONFIRMATION = "123456-" * 7 + "123456"
ONLINE = "DoActiveDirectoryOnlineActivation"
GENERATE = "GenerateActiveDirectoryOfflineActivationId"
DEPOSIT = "DepositActiveDirectoryOfflineActivationConfirmation"
BLIND = {"verify": False}
LDAP_SECRET = "Passw0rd.directory"


@dataclass(frozen=True)
class Row:
    """A call on a machine of its own: how it ends, what it says, which methods are sent."""

    options: Mapping[str, Any]
    how: str
    says: str
    sent: tuple[str, ...] = ()
    machine: str = "dc"
    fault: Mapping[str, Any] | None = None
    variables: Mapping[str, Any] = field(default_factory=dict)


ROWS: dict[str, Row] = {
    "no directory named": Row({}, "failed", "ldap_server: it is needed"),
    "directory not reached": Row(
        {"ldap_server": ["127.0.0.1"], "ldap_port": 9, "ldap_user": "u@corp.example", "ldap_password": LDAP_SECRET},
        "failed",
        "Nothing was sent, because whether the forest is activated already can't be read",
    ),
    "password without protection": Row(
        {"ldap_server": ["127.0.0.1"], "ldap_user": "u", "ldap_password": LDAP_SECRET, "ldap_tls": "sasl"},
        "failed",
        "sasl does not protect ldap_password",
    ),
    "name too long": Row({**BLIND, "name": "n" * 41}, "failed", "it has 41 characters"),
    "a client setup key": Row(
        {**BLIND, "key": "NPPR9-FWDCX-D2C8J-H872K-2YT43"}, "failed", "is a public client setup key (GVLK)"
    ),
    "told to send": Row({**BLIND, "name": "Contoso"}, "ok", "the forest is now activated: Contoso", (ONLINE,)),
    "installation ID": Row({**BLIND, "offline": True}, "ok", "call Microsoft with the installation ID", (GENERATE,)),
    "confirmation ID": Row({**BLIND, "confirmation_id": CONFIRMATION}, "ok", "the forest is now activated", (DEPOSIT,)),
    "answer lost": Row(
        BLIND, "failed", "was not sent a second time", (ONLINE,), fault={"kind": "drop_after", "method": ONLINE}
    ),
    "an account that may not": Row(
        BLIND,
        "failed",
        "Connect with CredSSP",
        (ONLINE,),
        variables={"ansible_user": "local", "ansible_password": "Lab-only-2"},
    ),
    "used up": Row({**BLIND, "key": USED_UP_KEY}, "failed", "0xC004C008", (ONLINE,)),
    "a MAK": Row({**BLIND, "key": MAK}, "failed", "0xC004F07D", (ONLINE,)),
    "workgroup": Row(BLIND, "failed", "ERROR_NO_SUCH_DOMAIN", (ONLINE,), machine="alone"),
    "Server 2008 R2": Row(BLIND, "failed", "can't activate a forest", machine="old"),
}


@dataclass(frozen=True)
class Played:
    """What a row came to."""

    ending: Ending
    requests: list[Exchange]
    output: str


@pytest.fixture(scope="module")
def played(start_lab: Callable[[str], Lab], tmp_path_factory: pytest.TempPathFactory) -> dict[str, Played]:
    """All rows in one run, the connection plugins in turn."""
    lab = start_lab("forest")
    machines = {"dc": iter(f"dc-{n:02d}" for n in range(1, 21)), "alone": iter(["alone-1"]), "old": iter(["old-1"])}
    calls: dict[str, Call] = {}
    for number, (name, row) in enumerate(ROWS.items()):
        machine = next(machines[row.machine])
        options = {"key": KEY, **row.options}
        calls[name] = Call(machine, CONNECTIONS[number % 2], "ad_activation", options, row.variables)
        if row.fault is not None:
            lab.fault(machine, **row.fault)
    batch = Batch(lab, tmp_path_factory.mktemp("forest"))
    endings = batch.run(list(calls.values()))
    assert batch.last_run is not None
    output = batch.last_run.output
    return {name: Played(endings[call.machine], lab.requests(call.machine), output) for name, call in calls.items()}


@pytest.mark.parametrize("name", ROWS)
def test_a_directory_that_cannot_be_read(name: str, played: dict[str, Played]) -> None:
    row, found = ROWS[name], played[name]
    assert (found.ending.how, row.says in found.ending.message) == (row.how, True), found.ending.message
    assert tuple(request["method"] for request in found.requests if request["method"]) == row.sent
    if row.how == "failed":
        assert found.ending.result["error"]["remedy"] and not found.ending.result["changed"]
    else:
        assert found.ending.result["changed"] is (GENERATE not in row.sent)
        assert found.ending.result["pending"] is (GENERATE in row.sent)
    warned = any("every run of this task spends" in text for text in found.ending.result.get("warnings", ()))
    assert warned is bool({ONLINE, DEPOSIT} & set(row.sent))
    for secret in (KEY, USED_UP_KEY, MAK, LDAP_SECRET):
        assert secret not in found.output
