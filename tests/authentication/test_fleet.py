# Copyright (c) 2026, the winops.kms authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""fleet_report with Kerberos: one ticket for each account and process, whatever becomes of the other accounts."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

from ansible_collections.winops.kms.tests.dns_servers.base import find_program

from .matrix import host_variables, run_hosts
from .site import ALICE, DOMAIN_PASSWORD, FLEET, LOCAL, REALM, STRANGER, Site
from .troubles import WRONG

PROCESSES = 2
_MANAGED = {
    "ansible_connection": "winrm",
    "ansible_winrm_transport": "kerberos",
    "ansible_winrm_kinit_env_vars": ["KRB5_CONFIG"],
}


def _account(user: str, password: str) -> dict[str, Any]:
    return {**_MANAGED, "ansible_user": user, "ansible_password": password}


#: In turns, so that each process has hosts of every sort.
SORTS: dict[str, dict[str, Any]] = {
    "managed": _account(ALICE, DOMAIN_PASSWORD),
    "refused by the machine": _account(STRANGER, DOMAIN_PASSWORD),
    "wrong password": _account(ALICE, WRONG),
    "no account": _account(f"nobody@{REALM}", WRONG),
    "own cache": {
        "ansible_connection": "psrp",
        "ansible_psrp_auth": "kerberos",
        "ansible_user": ALICE,
        "ansible_password": DOMAIN_PASSWORD,
    },
    "ntlm": {"ansible_connection": "winrm", "ansible_winrm_transport": "ntlm", **LOCAL},
}


def test_tickets_are_shared(site: Site, tmp_path: Path) -> None:
    kinit, calls = tmp_path / "kinit", tmp_path / "calls"
    program = find_program("kinit", "krb5-user")
    kinit.write_text(f'#!/bin/sh\necho "$@" >> {calls}\nexec {program} "$@"\n', encoding="utf-8")
    kinit.chmod(0o700)
    names = list(SORTS)
    sort_of = {machine: names[number // PROCESSES % len(names)] for number, machine in enumerate(sorted(FLEET))}
    hosts = {}
    for machine, sort in sort_of.items():
        variables = {**SORTS[sort], "ansible_winrm_kinit_cmd": str(kinit)}
        variables |= {"ansible_winrm_scheme": "http", "ansible_psrp_protocol": "http"}
        hosts[machine] = host_variables(site, lax=False, path=machine, scheme="http", variables=variables)
    options = {"processes": PROCESSES, "concurrency": 6, "host_timeout": 30, "most_listed": 99}
    run = run_hosts(site, tmp_path / "run", hosts, [{"name": "survey", "winops.kms.fleet_report": options}])

    (found,) = (event.result for event in run.events if event.task == "survey")
    reasons = {entry["host"]: entry["why"] for entry in found["problems"]["unanswered"]}
    works = ("managed", "own cache", "ntlm")
    assert {sort_of[host] for host in reasons} == set(SORTS) - set(works), reasons
    assert found["totals"]["answered"] == sum(sort in works for sort in sort_of.values())
    for host, reason in reasons.items():
        assert f"/{host}/wsman: " in reason, "each tells of itself"
    assert all(f"credentials of {STRANGER}" in reasons[host] for host in reasons if "refused" in sort_of[host])
    assert all("password" in reasons[host] for host in reasons if sort_of[host] == "wrong password")
    assert all("there is no account nobody" in reasons[host] for host in reasons if sort_of[host] == "no account")

    # A wrong password of an account is another account: both are tried once in each process.
    counted = Counter(line.split()[-1] for line in calls.read_text(encoding="utf-8").splitlines())
    assert counted[f"nobody@{REALM}"] == PROCESSES
    # Those that take turns need their ticket again; at most once for each of their hosts.
    most = Counter(SORTS[sort].get("ansible_user") for sort in sort_of.values())
    assert PROCESSES <= counted[STRANGER] <= most[STRANGER]
    assert 2 * PROCESSES <= counted[ALICE] <= most[ALICE]
    for secret in (WRONG, DOMAIN_PASSWORD):
        assert secret not in run.output and not [path for path, text in run.left_behind() if secret in text]


def test_one_account_needs_one_ticket_for_each_process(site: Site, tmp_path: Path) -> None:
    kinit, calls = tmp_path / "kinit", tmp_path / "calls"
    kinit.write_text(f'#!/bin/sh\necho "$@" >> {calls}\nexec {find_program("kinit", "krb5-user")} "$@"\n')
    kinit.chmod(0o700)
    variables = {**SORTS["managed"], "ansible_winrm_kinit_cmd": str(kinit), "ansible_winrm_scheme": "http"}
    hosts = {
        machine: host_variables(site, lax=False, path=machine, scheme="http", variables=variables) for machine in FLEET
    }
    task = {"name": "survey", "winops.kms.fleet_report": {"processes": PROCESSES, "concurrency": 8}}
    run = run_hosts(site, tmp_path / "run", hosts, [task])
    (found,) = (event.result for event in run.events if event.task == "survey")
    assert found["totals"]["answered"] == len(FLEET)
    assert calls.read_text(encoding="utf-8").splitlines() == [ALICE] * PROCESSES
