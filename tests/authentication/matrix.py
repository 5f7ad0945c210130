# Copyright (c) 2026, the winops.kms authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Fills the table: real ansible-playbook runs that read, write, and write again what is there already.

A cell has passed when all three did what they should, and the lab saw nothing but reads and writes of CIM: no shell, no
runspace.  One that is not supported has been tried, and has said why.
"""

from __future__ import annotations

import importlib.metadata
import json
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from ansible_collections.winops.kms.tests.system.harness import Ansible, Run, brief, kinds
from kmslab.control import Exchange, Lab

from .cells import AUTHORITY, CERTIFICATE, KEY, Cell, cells
from .site import HOST, Site

PASSED, NOT_SUPPORTED, FAILED = "passed", "not supported", "failed"
READ, WRITE, AGAIN = "read", "write", "write again"
_LASTING = {"ignore_unreachable": True, "ignore_errors": True}
TASKS: Sequence[Mapping[str, Any]] = (
    {"name": READ, "winops.kms.license_info": {}, **_LASTING},
    {"name": WRITE, "winops.kms.client": {"host_caching": False}, **_LASTING},
    {"name": AGAIN, "winops.kms.client": {"host_caching": False}, **_LASTING},
)
_FORKS = "16"
PAGE = """..
  Copyright (c) 2026, the winops.kms authors
  GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
  SPDX-License-Identifier: GPL-3.0-or-later

.. _ansible_collections.winops.kms.docsite.authentication_table:

Ways to log on
==============

Which authentication works by which connection plugin, on which listener of WinRM, and with which setting of message
encryption (``ansible_winrm_message_encryption``, ``ansible_psrp_message_encryption``).

This table is the output of a program, ``tests/authentication/run.py``, which tries each cell by a playbook that reads,
writes, and writes again without a change.  It does so against the lab, not against Windows: a simulated host that takes
log-ons by the acceptor of pyspnego, with the tickets of a real MIT KDC, demands encrypted messages by HTTP, and log-ons
that are bound to the TLS channel by HTTPS.  No run of it opened a shell or a runspace.

"""


@dataclass(frozen=True)
class Outcome:
    """What came out of a cell. state: passed, not supported or failed. why: the reason of the last two."""

    core: str
    plugin: str
    method: str
    column: str
    state: str
    why: str = ""

    def __str__(self) -> str:
        return f"{self.state}: {self.why}" if self.why else self.state


def host_variables(site: Site, *, lax: bool, path: str, scheme: str, variables: Mapping[str, Any]) -> dict[str, Any]:
    """A host's variables for one of the labs, with its port and files."""
    lab = site.lax if lax else site.strict
    files = {
        CERTIFICATE: str(lab.directory / "client.pem"),
        KEY: str(lab.directory / "client.key"),
        AUTHORITY: str(lab.info["ca_file"]),
    }
    chosen = {name: files.get(value, value) if isinstance(value, str) else value for name, value in variables.items()}
    return {
        "ansible_host": HOST,
        "ansible_port": lab.info[f"{scheme}_port"],
        "ansible_winrm_path": f"/{path}/wsman",
        "ansible_psrp_path": f"{path}/wsman",
        **chosen,
    }


def run_hosts(
    site: Site,
    folder: Path,
    hosts: Mapping[str, Mapping[str, Any]],
    tasks: Sequence[Mapping[str, Any]],
    *,
    environment: Mapping[str, str] | None = None,
    verbosity: int = 0,
) -> Run:
    """One ansible-playbook run over hosts with variables of their own."""
    folder.mkdir(parents=True, exist_ok=True)
    inventory = folder / "inventory.json"
    inventory.write_text(json.dumps({"all": {"hosts": hosts}}), encoding="utf-8")
    ansible = Ansible(site.strict, folder, inventory=inventory)
    given = {**site.environment, "ANSIBLE_FORKS": _FORKS, **(environment or {})}
    return ansible.play(tasks, hosts="all", environment=given, verbosity=verbosity, expect=None)


def fill(site: Site, folder: Path) -> list[Outcome]:
    """Try every cell, with the ansible-core of this Python."""
    tried = list(cells())
    hosts = {
        cell.machine: host_variables(
            site, lax=cell.column.lax, path=cell.machine, scheme=cell.column.scheme, variables=cell.variables
        )
        for cell in tried
    }
    run = run_hosts(site, folder, hosts, TASKS)
    core = importlib.metadata.version("ansible-core")
    return [_judge(site.lax if cell.column.lax else site.strict, cell, run, core) for cell in tried]


def _judge(lab: Lab, cell: Cell, run: Run, core: str) -> Outcome:
    results = run.results.get(cell.machine, {})
    state = lab.machine(cell.machine)["settings"]["host_caching"]
    seen = lab.requests(cell.machine)
    problem = _refusal(cell, results, seen) if cell.reason else _work(results, seen, host_caching=state)
    if problem:
        verdict, why = FAILED, problem
    else:
        verdict, why = (NOT_SUPPORTED, cell.reason) if cell.reason else (PASSED, "")
    return Outcome(core, cell.row.plugin, cell.row.name, cell.column.name, verdict, why)


def _refusal(cell: Cell, results: Mapping[str, Any], seen: Sequence[Exchange]) -> str:
    """What is wrong with the way in which a cell failed; empty when it failed as it should."""
    result = results.get(READ, {})
    message = str(result.get("msg", "no result"))
    if not result.get("unreachable"):
        return f"not unreachable: {message}"
    missing = [words for words in cell.says if words not in message]
    if missing:
        return f"{missing} is not in: {message}"
    return f"was carried out: {brief(seen)}" if seen else ""


def _work(results: Mapping[str, Any], seen: Sequence[Exchange], *, host_caching: bool) -> str:
    """What is wrong with a cell that should work; empty when it did."""
    for name in (READ, WRITE, AGAIN):
        result = results.get(name, {})
        if result.get("unreachable") or result.get("failed") or not result:
            return f"{name}: {result.get('msg', 'no result')}"
    changed = [bool(results[name].get("changed")) for name in (READ, WRITE, AGAIN)]
    if changed != [False, True, False] or host_caching:
        return f"changed {changed}, host_caching {host_caching}"
    if not results[READ].get("licenses"):
        return "license_info has no licences"
    if kinds(seen).keys() != {"read", "write"}:
        return f"requests: {brief(seen)}"
    return ""


def collect() -> list[Outcome]:
    """Start everything, fill the table, stop everything."""
    with tempfile.TemporaryDirectory(prefix="winops-kms-auth-") as name:
        folder = Path(name)
        with Site(folder / "site", [cell.machine for cell in cells()]) as site:
            return fill(site, folder / "runs")


def table(outcomes: Iterable[Outcome]) -> str:
    """The table as reStructuredText; the reasons stand below it, once each.

    Releases of ansible-core with the same row share it.
    """
    rows: dict[tuple[str, str, str], dict[str, Outcome]] = {}
    columns: list[str] = []
    for outcome in outcomes:
        rows.setdefault((outcome.plugin, outcome.method, outcome.core), {})[outcome.column] = outcome
        if outcome.column not in columns:
            columns.append(outcome.column)
    reasons: list[str] = []

    def text(outcome: Outcome) -> str:
        if not outcome.why:
            return outcome.state
        if outcome.why not in reasons:
            reasons.append(outcome.why)
        return f"{'no' if outcome.state == NOT_SUPPORTED else outcome.state} ({reasons.index(outcome.why) + 1})"

    shared: dict[tuple[str, ...], list[str]] = {}
    for (plugin, method, core), found in rows.items():
        shared.setdefault((plugin, method, *(text(found[column]) for column in columns)), []).append(core)
    head = ["connection", "authentication", "ansible-core", *columns]
    body = [[words[0], words[1], ", ".join(cores), *words[2:]] for words, cores in shared.items()]
    widths = [max(len(line[number]) for line in [head, *body]) for number in range(len(head))]
    rule = "  ".join("=" * width for width in widths)

    def line(words: Sequence[str]) -> str:
        return "  ".join(word.ljust(width) for word, width in zip(words, widths, strict=True)).rstrip()

    notes = [f"({number}) not supported: {reason}" for number, reason in enumerate(reasons, 1)]
    return "\n".join([rule, line(head), rule, *map(line, body), rule, "", "\n\n".join(notes), ""])


def page(outcomes: Iterable[Outcome]) -> str:
    """The table as a page of the documentation."""
    return PAGE + table(outcomes)


def as_json(outcomes: Iterable[Outcome]) -> str:
    """For another process of this kind."""
    return json.dumps([asdict(outcome) for outcome in outcomes])


def from_json(text: str) -> list[Outcome]:
    """What `as_json` has written."""
    return [Outcome(**one) for one in json.loads(text)]
