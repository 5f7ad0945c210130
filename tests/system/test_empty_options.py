# Copyright (c) 2026, the winops.kms authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""An option of a role or playbook that is an empty string is not given, whatever its type is.

The inventory of the estate has no option of a role, so that what is not given is not set anywhere.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest
import yaml

from ansible_collections.winops.kms.tests.system.harness import ROOT, Play, Run
from kmslab.control import Lab

pytestmark = pytest.mark.estate("secrets")

#: As AWX marks it (`!unsafe`), in the JSON of an extra variables file.
UNSAFE_EMPTY = {"__ansible_unsafe": ""}


def options(role: str, entry: str = "main") -> list[str]:
    """The options of a role that need not be given."""
    path = ROOT / "roles" / role / "meta" / "argument_specs.yml"
    specs = yaml.safe_load(path.read_text(encoding="utf-8"))["argument_specs"]
    return [name for name, option in specs[entry]["options"].items() if not option.get("required")]


def head_variables(playbook: str) -> list[str]:
    """The variables that the head of a playbook explains."""
    text = (ROOT / "playbooks" / f"{playbook}.yml").read_text(encoding="utf-8")
    return re.findall(r"(?m)^# (kms_\w+)", text)


@dataclass(frozen=True)
class Case:
    """Plays, the variables that are emptied, and what has to be given for something to happen on the lab."""

    plays: str | Sequence[Mapping[str, Any]]
    variables: Sequence[str]
    needs: Mapping[str, Any] = field(default_factory=dict)

    @property
    def emptied(self) -> list[str]:
        return [name for name in self.variables if name not in self.needs]


PATTERNS = ("kms_host_pattern", "kms_client_pattern", "kms_client_serial")
KEY = {"install_kms_host_key": "BCDFG-HJKMP-QRTVW-XY234-HKX26"}
UPDATE = {
    "publish_dns_method": "rfc2136",
    "publish_dns_zone": "corp.example",
    "publish_dns_server": "{{ lab_dns_server }}",
    "publish_dns_server_port": "{{ lab_dns_port }}",
    "publish_dns_tsig_key_name": "winops-kms.",
    "publish_dns_tsig_key_secret": "bGFiIG9ubHk6IHRoaXMgaXMgbm90IGEgc2VjcmV0ISE=",
}
SELF = {**KEY, "publish_dns_target": "kms1.corp.example", "publish_dns_verify_servers": []}
INSTALL = {"hosts": "kms1", "roles": ["winops.kms.install_kms_host"]}
WITHDRAW = {"ansible.builtin.include_role": {"name": "winops.kms.publish_dns", "tasks_from": "withdraw"}}
CASES = {
    "site": Case(
        "winops.kms.site",
        [*PATTERNS, *options("install_kms_host"), *options("publish_dns"), *options("point_clients")],
        {**KEY, **UPDATE},
    ),
    "self": Case([INSTALL, {"hosts": "kms1", "roles": ["winops.kms.publish_dns"]}], options("publish_dns"), SELF),
    "withdraw": Case(
        [{"hosts": "kms1", "tasks": [WITHDRAW]}],
        options("publish_dns", "withdraw"),
        {**UPDATE, "publish_dns_withdraw_last": True},
    ),
    "withdraw the last": Case([{"hosts": "kms1", "tasks": [WITHDRAW]}], options("publish_dns", "withdraw"), UPDATE),
    "report": Case("winops.kms.report", ["kms_report_pattern", *PATTERNS, *options("report")]),
    "apply": Case("winops.kms.apply_confirmation_ids", head_variables("apply_confirmation_ids")),
}


def asked(lab: Lab) -> list[str]:
    return sorted(f"{one['machine']} {one['action']} {one['resource']} {one['method']}" for one in lab.requests())


def outline(run: Run) -> list[tuple[str, str, str, bool]]:
    """What happened: each task's outcome on each host."""
    found = [(one.host, one.task, one.event, bool(one.result.get("changed"))) for one in run.events]
    return sorted(found)


@pytest.mark.parametrize("name", CASES)
def test_empty_is_not_given(name: str, lab: Lab, play: Play) -> None:
    """The same tasks end in the same way, and ask the machines for the same."""
    case = CASES[name]
    seen = []
    for more in ({}, dict.fromkeys(case.emptied, UNSAFE_EMPTY)):
        lab.reset()
        run = play(case.plays, extra_vars={**case.needs, **more}, expect=None)
        seen.append((outline(run), asked(lab), run.rc))
    assert seen[0] == seen[1]
    assert seen[0][1], "no machine was asked"


def test_every_option_is_emptied_by_a_case() -> None:
    emptied = {option for case in CASES.values() for option in case.emptied}
    every = {
        option
        for path in (ROOT / "roles").glob("*/meta/argument_specs.yml")
        for entry in yaml.safe_load(path.read_text(encoding="utf-8"))["argument_specs"]
        for option in options(path.parents[1].name, entry)
    }
    assert not every - emptied


def test_false_and_an_empty_list_are_given(lab: Lab, play: Play) -> None:
    run = play(
        [
            {"hosts": "kms1", "roles": ["winops.kms.install_kms_host"]},
            {"hosts": "pc1", "roles": ["winops.kms.point_clients"]},
        ],
        extra_vars={
            **KEY,
            "install_kms_host_activate": False,
            "install_kms_host_firewall": "false",
            "install_kms_host_dns_publishing": False,
            "install_kms_host_publish_domains": [],
            "install_kms_host_low_priority": False,
            "install_kms_host_preflight": "skip",
            "point_clients_activate": "no",
            "point_clients_gvlk": False,
            "point_clients_host_caching": False,
            "point_clients_discover": False,
            "point_clients_wait": 0,
        },
    )
    host, client = lab.machine("kms1"), lab.machine("pc1")
    assert host["status"] != "licensed"
    assert host["firewall"]["SPPSVC-In-TCP"] is False
    assert run.changes()["kms1"]["dns_publishing"] == (True, False)
    assert client["counters"]["activation_attempts"] == 0
    assert run.changes()["pc1"] == {"host_caching": (True, False)}


def test_the_empty_answer_is_that_of_the_playbooks_own_variables() -> None:
    """Each variable that the head of a playbook explains may be empty: it is read with a default for what is empty."""
    for path in sorted((ROOT / "playbooks").glob("*.yml")):
        text = path.read_text(encoding="utf-8")
        for name in {"kms_host_pattern", "kms_client_pattern", "kms_client_serial", *head_variables(path.stem)}:
            for use in re.findall(rf"(?<![\w.]){name} \| default\(([^()]*(?:\([^()]*\)[^()]*)*)\)", text):
                assert use.endswith((", true", "''")), f"{path.name}: {name} | default({use})"
