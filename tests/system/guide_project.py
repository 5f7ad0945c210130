# Copyright (c) 2026, the winops.kms authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A folder in which the blocks of a guide are used as its reader uses them, over a lab.

Files are written, commands are run and compared with what the guide says they print, tasks are run in check mode, for
good and once more.  Of the world of the guide only the secrets are replaced; where its machines and its DNS server
listen says a second inventory.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from ansible_collections.winops.kms.tests.system.harness import COLLECTIONS, HERE, PROGRAMS, Event
from ansible_collections.winops.kms.tests.tools.guide_blocks import Block, Command, commands, replaced
from kmslab.control import Lab

DOMAIN = "contoso.com"
PASSES = ("check", "run", "again")
#: What stands for a secret in the guides -> what the lab knows.
SECRETS = {
    "YOUR-KMS-HOST-KEY": "N2222-22222-22222-22222-HK222",
    "YOUR-OTHER-HOST-KEY": "N2222-22222-22222-22222-HK226",
    "YOUR-OFFICE-2021-KEY": "N2222-22222-22222-22222-HF922",
    "YOUR-OFFICE-2024-KEY": "N2222-22222-22222-22222-HF924",
    "YOUR-WINDOWS-MAK": "N3333-33333-33333-33333-MK333",
    "YOUR-OFFICE-MAK": "N3333-33333-33333-33333-MF922",
    "YOUR-PASSWORD": "Lab-only-1",
    "YOUR-TSIG-SECRET": "bGFiIG9ubHk6IHRoaXMgaXMgbm90IGEgc2VjcmV0ISE=",
}
#: The variables of the guides' tasks.
VARIABLES = {
    "vault_kms_host_key": "YOUR-OTHER-HOST-KEY",
    "vault_kms_publisher_secret": "YOUR-TSIG-SECRET",
    "vault_office_2021_key": "YOUR-OFFICE-2021-KEY",
    "vault_office_2024_key": "YOUR-OFFICE-2024-KEY",
    "vault_windows_mak": "YOUR-WINDOWS-MAK",
    "vault_office_mak": "YOUR-OFFICE-MAK",
}
_COUNTS = re.compile(r"\b(ok|skipped)=\d+")
_STARS = re.compile(r" \*{3,}$")


@dataclass(frozen=True)
class Tasks:
    """What the tasks of one block did: pass -> its results."""

    block: Block
    events: Mapping[str, Sequence[Event]]

    def changed(self, name: str) -> set[tuple[str, str]]:
        """The hosts and tasks that changed something in a pass."""
        return {(one.host, one.task) for one in self.events[name] if one.result.get("changed")}


class Project:
    """A reader's folder.  `hands`: what a reader does between two blocks, by the remark `by hand=NAME`."""

    def __init__(
        self,
        lab: Lab,
        folder: Path,
        *,
        groups: bool,
        hands: Mapping[str, Callable[[Project, Block], None]] | None = None,
    ) -> None:
        self.lab = lab
        self.folder = folder / "project"
        self._hands = hands or {}
        self._work = folder / "work"
        for path in (self.folder, self._work / "home", self._work / "tmp"):
            path.mkdir(parents=True)
        (self._work / "home" / ".kms-vault-password").write_text("only here\n", encoding="utf-8")
        # Beside the files of the reader, so that his group_vars count.
        self._inventory = self.folder / "where.json"
        self._inventory.write_text(json.dumps(_inventory(lab, groups=groups)), encoding="utf-8")
        self._runs = 0

    def use(self, blocks: Sequence[Block]) -> list[Tasks]:
        """Use blocks in their order; tasks that follow each other are run together."""
        done: list[Tasks] = []
        waiting: list[Block] = []
        for block in blocks:
            if _is_tasks(block):
                waiting.append(block)
                continue
            done += self._run_tasks(waiting)
            waiting = []
            if hand := block.remarks.get("by hand"):
                self._hands[hand](self, block)
            elif block.caption:
                path = self.folder / block.caption
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(replaced(block.text, SECRETS), encoding="utf-8")
            elif block.language == "console":
                for command in commands(block.text):
                    self._run_command(block, command)
            else:
                raise ValueError(f"{block.name}: neither tasks nor a file (caption) nor commands")
        return done + self._run_tasks(waiting)

    def shell(self, line: str, environment: Mapping[str, str] | None = None) -> subprocess.CompletedProcess[str]:
        """Run a command in the folder as its reader would."""
        return subprocess.run(
            ["bash", "-c", line],
            cwd=self.folder,
            env={**self._environment(), **(environment or {})},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            encoding="utf-8",
            errors="replace",
            check=False,
        )

    def _run_command(self, block: Block, command: Command) -> None:
        done = self.shell(replaced(command.line, {**SECRETS, "@ns1.contoso.com": f"@127.0.0.1 -p {self._dns_port}"}))
        wanted = 2 if "fails" in block.remarks else 0
        assert done.returncode == wanted, f"{block.name}: {command.line}: {done.returncode}\n{done.stdout[-6000:]}"
        if missing := first_missing(command.printed, done.stdout):
            raise AssertionError(f"{block.name}: {command.line} does not print\n{missing}\nbut\n{done.stdout[-8000:]}")

    def _run_tasks(self, blocks: Sequence[Block]) -> list[Tasks]:
        if not blocks:
            return []
        self._runs += 1
        plays = [_play(block, name, dns_port=self._dns_port) for block in blocks for name in PASSES]
        playbook = self.folder / f"tasks-{self._runs}.json"
        playbook.write_text(json.dumps(plays, indent=1), encoding="utf-8")
        results = self._work / f"results-{self._runs}.jsonl"
        done = self.shell(
            f"ansible-playbook {playbook.name}",
            {
                "RECORD_RESULTS_TO": str(results),
                "ANSIBLE_CALLBACK_PLUGINS": str(HERE / "callback"),
                "ANSIBLE_CALLBACKS_ENABLED": "record_results",
            },
        )
        assert done.returncode == 0, done.stdout[-8000:]
        events: dict[str, list[Event]] = {}
        for line in results.read_text(encoding="utf-8").splitlines():
            entry = json.loads(line)
            if entry["event"] != "stats":
                events.setdefault(entry["play"], []).append(Event(**entry))
        found = [Tasks(one, {name: events.get(f"{one.name}, {name}", []) for name in PASSES}) for one in blocks]
        for tasks in found:
            assert tasks.events["run"], f"{tasks.block.name}: no host ran it"
        return found

    @property
    def _dns_port(self) -> int:
        port: int = self.lab.info["dns_port"]
        return port

    def _environment(self) -> dict[str, str]:
        left_out = ("ANSIBLE_", "PYTHON", "PYTEST_")
        kept = {name: value for name, value in os.environ.items() if not name.startswith(left_out)}
        own = self.folder / "inventory.yml"
        return kept | {
            "PATH": f"{PROGRAMS}{os.pathsep}{os.environ.get('PATH', os.defpath)}",
            "LC_ALL": "C.UTF-8",
            "HOME": str(self._work / "home"),
            "TMPDIR": str(self._work / "tmp"),
            "NO_PROXY": "127.0.0.1,localhost,::1",
            "ANSIBLE_HOME": str(self._work / "ansible"),
            "ANSIBLE_LOCAL_TEMP": str(self._work / "tmp"),
            "ANSIBLE_REMOTE_TMP": str(self._work / "remote"),
            "ANSIBLE_COLLECTIONS_PATH": str(COLLECTIONS),
            "ANSIBLE_INVENTORY": ",".join(str(path) for path in (own, self._inventory) if path.exists()),
            "ANSIBLE_LOCALHOST_WARNING": "false",
            "ANSIBLE_NOCOLOR": "1",
            "COLUMNS": "120",
        }


def _is_tasks(block: Block) -> bool:
    return block.language.startswith("yaml") and not block.caption


def _play(block: Block, name: str, *, dns_port: int) -> dict[str, Any]:
    tasks = yaml.safe_load(block.text)
    server = {"server": "127.0.0.1", "server_port": dns_port}
    return {
        "name": f"{block.name}, {name}",
        "hosts": block.remarks["hosts"],
        "gather_facts": False,
        "check_mode": name == "check",
        "diff": True,
        "vars": {variable: SECRETS[stands_for] for variable, stands_for in VARIABLES.items()},
        "module_defaults": {
            "group/winops.kms.dns": server,
            # Nothing listens at the addresses of the lab's machines but WinRM.
            "winops.kms.discovery_info": {**server, "probe": "none"},
            "winops.kms.fleet_report": {"dns_server": "127.0.0.1", "dns_port": dns_port},
        },
        "tasks": tasks,
    }


def _inventory(lab: Lab, *, groups: bool) -> dict[str, Any]:
    """The machines of the lab by their full names.  Variables of hosts, which go before those of a reader's groups."""
    found = yaml.safe_load(lab.inventory.read_text(encoding="utf-8"))["all"]
    shared = {name: value for name, value in found["vars"].items() if name != "ansible_connection"}
    shared |= {"publish_dns_server": "127.0.0.1", "publish_dns_server_port": lab.info["dns_port"]}
    shared["publish_dns_verify_servers"] = [{"server": "127.0.0.1", "port": lab.info["dns_port"]}]
    inventory: dict[str, Any] = {
        "all": {"hosts": {f"{name}.{DOMAIN}": {**shared, **own} for name, own in found["hosts"].items()}}
    }
    if groups:
        children: dict[str, Any] = {
            group: {"hosts": {f"{name}.{DOMAIN}": {} for name in content["hosts"]}}
            for group, content in found["children"].items()
        }
        inventory["all"]["children"] = children
        inventory["all"]["vars"] = {
            "ansible_connection": "winrm",
            "publish_dns_method": "rfc2136",
            "publish_dns_tsig_key_name": "kms-publisher",
            "publish_dns_tsig_key_secret": SECRETS["YOUR-TSIG-SECRET"],
        }
    return inventory


def first_missing(wanted: Sequence[str], printed: str) -> str:
    """The first line that does not come after those before it, or nothing.

    A line `...` stands for any lines, and `...` in a line for any text.  Only how many tasks were ok or skipped is not
    compared, since no reader cares.
    """
    lines = [_plain(line) for line in printed.splitlines()]
    position = 0
    for line in wanted:
        text = _plain(line)
        if text in ("", "..."):
            continue
        pattern = re.compile(".*".join(re.escape(part) for part in text.split("...")))
        position = next((at + 1 for at in range(position, len(lines)) if pattern.fullmatch(lines[at])), 0)
        if not position:
            return line
    return ""


def _plain(line: str) -> str:
    return " ".join(_COUNTS.sub(r"\1=N", _STARS.sub("", line.rstrip())).split())
