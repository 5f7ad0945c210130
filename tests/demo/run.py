# Copyright (c) 2026, the winops.kms authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The whole job over a simulated estate: `winops.kms.site` twice by winrm, once by psrp, then the report.

Exits 1 unless the first run activates every volume client and the other two change nothing.  Everything that Ansible
prints is in `.demo/*.log`.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests" / "lab"))

from kmslab.control import Lab  # noqa: E402 - the lab is no installed package

ESTATE = ROOT / "tests" / "lab" / "estates" / "demo.yml"
DEMO = ROOT / ".demo"
VENV_BIN = ROOT / ".venv" / "bin"
FORKS = 12
# What clients find at the end of the first run: both KMS hosts, which were published one beside the other.
ZONE = "corp.example"
PUBLISHED = ("0 0 1688 kms1.corp.example.", "10 0 1688 kms2.corp.example.")
# The machine with a MAK is among the clients, so that it shows that its key is left alone.
CLIENTS = "kms_clients:kms_clients_mak"

_TASK = re.compile(r"^(PLAY|TASK|RUNNING HANDLER) \[(.*?)\] \*+$")
_RECAP = re.compile(r"^(\S+)\s+: (ok=.*)$")
_TROUBLE = re.compile(r"^(?:fatal|failed): (\[.*?\]).*?=> (\{.*)$")


class DemoError(Exception):
    """The demo did not show what it shall show; the message says what."""


@dataclass(frozen=True)
class Run:
    """One run of the playbook and what it must not do."""

    title: str
    connection: str
    may_change: bool


RUNS = (
    Run("first run, by winrm: from unlicensed to activated", "winrm", may_change=True),
    Run("second run, by winrm: nothing to change", "winrm", may_change=False),
    Run("third run, by psrp: nothing to change either", "psrp", may_change=False),
)


@dataclass
class Recap:
    """The counts of a run's PLAY RECAP, by host."""

    hosts: dict[str, dict[str, int]] = field(default_factory=dict)

    def total(self, name: str) -> int:
        return sum(counts.get(name, 0) for counts in self.hosts.values())

    def which(self, *names: str) -> list[str]:
        """The hosts for which one of these counts is not zero."""
        return [host for host, counts in self.hosts.items() if any(counts.get(name) for name in names)]


@dataclass(frozen=True)
class Member:
    """A machine of the fleet, as the report has it."""

    name: str
    edition: str
    channel: str
    partial_key: str
    status: str
    days_left: int | None
    kms_host: str

    HEADINGS = ("machine", "edition", "key", "status", "days left", "KMS host used")

    @property
    def columns(self) -> tuple[str, ...]:
        days = "no end" if self.days_left is None and self.status == "licensed" else str(self.days_left or 0)
        return (self.name, self.edition, f"{self.channel} ...{self.partial_key}", self.status, days, self.kms_host)


def environment() -> dict[str, str]:
    """All Ansible settings of the demo; a user's own settings have no part in it."""
    config = DEMO / "ansible.cfg"
    config.touch()
    kept = {key: value for key, value in os.environ.items() if not key.startswith("ANSIBLE_") and key != "PYTHONPATH"}
    return kept | {
        "PATH": f"{VENV_BIN}{os.pathsep}{os.environ.get('PATH', os.defpath)}",
        "LC_ALL": "C.UTF-8",
        "PYTHONUNBUFFERED": "1",
        "ANSIBLE_CONFIG": str(config),
        "ANSIBLE_HOME": str(DEMO / "ansible"),
        "ANSIBLE_COLLECTIONS_PATH": str(ROOT / ".build"),
        "ANSIBLE_STDOUT_CALLBACK": "ansible.builtin.default",
        "ANSIBLE_DISPLAY_SKIPPED_HOSTS": "false",
        "ANSIBLE_RETRY_FILES_ENABLED": "false",
        "ANSIBLE_LOCALHOST_WARNING": "false",
        "ANSIBLE_FORKS": str(FORKS),
        "ANSIBLE_NOCOLOR": "1",
    }


def lines_of(command: Sequence[str | Path], log: Path) -> Iterator[str]:
    """Run a command; its output line by line, which also goes to the log.  DemoError when it exits other than 0."""
    with (
        log.open("w", encoding="utf-8") as copy,
        subprocess.Popen(
            [str(word) for word in command],
            cwd=DEMO,
            env=environment(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            encoding="utf-8",
            errors="replace",
        ) as process,
    ):
        assert process.stdout is not None
        for line in process.stdout:
            copy.write(line)
            yield line.rstrip("\n")
    if process.returncode:
        raise DemoError(
            f"{Path(command[0]).name} ended with exit code {process.returncode}, see {log.relative_to(ROOT)}"
        )


def play(run: Run, number: int, lab: Lab) -> Recap:
    """Run the playbook; its plays, tasks, troubles and recap are shown."""
    recap = Recap()
    command: list[str | Path] = [
        VENV_BIN / "ansible-playbook",
        "-i",
        lab.inventory,
        "-e",
        f"kms_client_pattern={CLIENTS}",
        "-e",
        f"lab_connection={run.connection}",
        "winops.kms.site",
    ]
    say(f"\n== {run.title}\n")
    say(f"$ ansible-playbook {' '.join(str(word) for word in command[1:])}".replace(f"{ROOT}/", ""))
    started = time.monotonic()
    for line in lines_of(command, DEMO / f"run-{number}-{run.connection}.log"):
        if heading := _TASK.match(line):
            if "Validating arguments" in line:
                continue
            say(f"\n{heading[2]}" if heading[1] == "PLAY" else f"  {heading[2].removeprefix('winops.kms.')}")
        elif counts := _RECAP.match(line):
            recap.hosts[counts[1]] = {
                name: int(count) for name, count in (word.split("=") for word in counts[2].split())
            }
            say(("\nPLAY RECAP\n" if len(recap.hosts) == 1 else "") + line)
        elif trouble := _TROUBLE.match(line):
            say(f"    {trouble[1]} {_message(trouble[2])}")
    say(
        f"\n{len(recap.hosts)} machines in {time.monotonic() - started:.0f} s: {recap.total('changed')} changes, "
        f"{recap.total('failed')} failed, {recap.total('unreachable')} unreachable"
    )
    return recap


def _message(result: str) -> str:
    """What a failed task says; its whole result is in the log."""
    try:
        return str(json.loads(result)["msg"])
    except (ValueError, KeyError, TypeError):
        return result[:200]


def check_recap(run: Run, recap: Recap) -> None:
    if not recap.hosts:
        raise DemoError("no machine was in the play")
    if trouble := recap.which("failed", "unreachable", "rescued"):
        raise DemoError(f"there was trouble with {', '.join(trouble)}")
    if run.may_change and not recap.total("changed"):
        raise DemoError("the first run changed nothing")
    if not run.may_change and (changed := recap.which("changed")):
        raise DemoError(f"a run that had nothing to do changed {', '.join(changed)}")


def read_fleet(lab: Lab) -> list[Member]:
    """The fleet as the collection sees it: the report over all machines, whose page stays for the user."""
    command: list[str | Path] = [
        VENV_BIN / "ansible-playbook",
        "-i",
        lab.inventory,
        "-e",
        f"kms_report_pattern=all report_directory={DEMO / 'report'}",
        "winops.kms.report",
    ]
    say(f"\n== the report\n\n$ ansible-playbook {' '.join(map(str, command[1:]))}".replace(f"{ROOT}/", ""))
    for _ignored in lines_of(command, DEMO / "report.log"):
        pass
    report = json.loads((DEMO / "report" / "kms-report.json").read_text(encoding="utf-8"))
    return [_member(row) for row in report["rows"]]


def _member(row: Mapping[str, Any]) -> Member:
    return Member(
        name=row["host"],
        edition=f"{row['edition'] or 'no product key'} ({row['windows_version']})",
        channel=str(row["channel"] or "none").rpartition(":")[2],
        partial_key=str(row["partial_product_key"] or ""),
        status=str(row["status"]),
        days_left=row["days_left"],
        kms_host=str(row["kms_server"] or "-"),
    )


def show_fleet(fleet: Sequence[Member]) -> None:
    rows = [Member.HEADINGS, *(member.columns for member in fleet)]
    widths = [max(len(row[number]) for row in rows) for number in range(len(Member.HEADINGS))]
    say("")
    for number, row in enumerate(rows):
        say("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())
        if number == 0:
            say("  ".join("-" * width for width in widths))


def check_activated(lab: Lab) -> None:
    """Every volume client of the simulated estate is activated, as the estate itself knows."""
    clients = [machine for machine in map(lab.machine, lab.machines()) if machine["channel"] == "Volume:GVLK"]
    waiting = [machine["name"] for machine in clients if machine["status"] != "licensed"]
    if waiting:
        raise DemoError(f"not activated after the first run: {', '.join(waiting)}")
    say(f"All {len(clients)} volume clients are activated.")


def check_published(lab: Lab) -> None:
    """The second KMS host was added to the record set in which the first one has its record: both remain."""
    found = sorted(record["data"] for record in lab.zone(ZONE) if record["type"] == "SRV")
    say(f"\n_vlmcs._tcp.{ZONE} is now, on the DNS server:")
    for data in found:
        say(f"  SRV {data}")
    if found != sorted(PUBLISHED):
        raise DemoError(f"{ZONE} must have the records of both KMS hosts: {', '.join(PUBLISHED)}")


def check_fleet(fleet: Sequence[Member], lab: Lab) -> None:
    """What the collection reads is what the simulated machines hold."""
    if missing := set(lab.machines()) - {member.name for member in fleet}:
        raise DemoError(f"the report has no row for {', '.join(sorted(missing))}")
    for member in fleet:
        machine = lab.machine(member.name)
        truth = {
            "status": machine["status"],
            "partial_key": machine["partial_product_key"] or "",
            # The estate counts no minutes for a licence without an end.
            "days_left": machine["days_left"] or None,
            # The estate names the machine, a client the DNS name that it found.
            "kms_host": machine["kms_host"] or "-",
        }
        seen = {
            "status": member.status,
            "partial_key": member.partial_key,
            "days_left": member.days_left,
            "kms_host": member.kms_host.partition(".")[0],
        }
        if seen != truth:
            raise DemoError(f"{member.name}: the report says {seen}, the simulated machine {truth}")


def say(text: str) -> None:
    print(text, flush=True)


def demo() -> None:
    shutil.rmtree(DEMO, ignore_errors=True)
    DEMO.mkdir()
    started = time.monotonic()
    with Lab(ESTATE, directory=DEMO / "lab") as lab:
        say(f"{len(lab.machines())} simulated Windows machines listen, none of them is a KMS host yet.")
        for number, run in enumerate(RUNS, start=1):
            check_recap(run, play(run, number, lab))
            check_published(lab)
            if number == 1:
                check_activated(lab)
        fleet = read_fleet(lab)
        show_fleet(fleet)
        check_fleet(fleet, lab)
    say(f"\nThe report is {DEMO.name}/report/kms-report.html. What Ansible printed is in {DEMO.name}/*.log")
    say(f"The demo took {time.monotonic() - started:.0f} s.")


def main() -> int:
    try:
        demo()
    except DemoError as error:
        print(f"\nThe demo failed: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
