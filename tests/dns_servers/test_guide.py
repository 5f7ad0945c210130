# Copyright (c) 2026, the winops.kms authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The guide docs/docsite/rst/dns_guide.rst: the servers are set up with its blocks, and here its tasks are run."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from . import guide
from .servers import KEYS, Bind, BindWithKdc, DnsServer, Knot, PowerDns, PowerDnsWithPolicy, ProgramServer, Samba

HERE = Path(__file__).parent
ROOT = HERE.parent.parent

Running = Callable[[str], DnsServer]

# For which there is nothing here that could run them. The task's module is tested with the simulated estate.
WINDOWS = {"dns-guide-windows-zone", "dns-guide-windows-rights", "dns-guide-windows-wmi-task"}

_RESULT = re.compile(r"^(ok|changed|fatal): \[", re.MULTILINE)

TASKS = [
    (Bind.name, "dns-guide-bind-task"),
    (Bind.name, "dns-guide-several-task"),
    (Bind.name, "dns-guide-nameservers-task"),
    (Knot.name, "dns-guide-knot-task"),
    (PowerDns.name, "dns-guide-powerdns-task"),
    (PowerDnsWithPolicy.name, "dns-guide-powerdns-task"),
    (BindWithKdc.name, "dns-guide-bind-gss-task"),
    (Samba.name, "dns-guide-samba-task"),
    # The account of this task has a password; what the server is makes no difference to it.
    (Samba.name, "dns-guide-windows-task"),
]


def names_of(server: DnsServer) -> dict[str, str]:
    """The guide's names as a task needs them: no DNS server here stands in the machine's own DNS or hosts file."""
    assert isinstance(server, ProgramServer)
    return {**server.names(), "ns1.contoso.com": "localhost", "dc1.contoso.com": "localhost"}


@pytest.fixture
def started(running: Running, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], DnsServer]:
    """A server by name, with no records of KMS hosts; Kerberos finds its realm."""

    def start(name: str) -> DnsServer:
        server = running(name)
        server.clear()
        if server.kerberos is not None:
            monkeypatch.setenv("KRB5_CONFIG", str(server.kerberos.config))
        return server

    return start


def play(server: DnsServer, block: str, folder: Path) -> list[str]:
    """Runs a block with tasks in check mode, then for good, then again: the results of the tasks, in order."""
    tasks, variables = folder / f"{block}.yml", folder / f"{block}.json"
    tasks.write_text(guide.snippet(block, names_of(server)))
    kerberos = server.kerberos
    variables.write_text(
        json.dumps(
            {
                "guide_tasks": str(tasks),
                "guide_server_port": server.port,
                "kms_publisher_secret": KEYS["kms-key"],
                "kms_publisher_password": kerberos.publisher.password if kerberos else "",
            }
        )
    )
    done = subprocess.run(
        [
            *(Path(sys.executable).with_name("ansible-playbook"), HERE / "guide.yml"),
            *("-i", "kms01.lab.test,", "-e", f"@{variables}"),
        ],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
        env={
            **os.environ,
            "ANSIBLE_COLLECTIONS_PATH": str(ROOT / ".build"),
            "ANSIBLE_HOME": str(folder),
            "ANSIBLE_NOCOLOR": "1",
        },
    )
    assert done.returncode == 0, done.stdout
    return _RESULT.findall(done.stdout)


def test_every_block_is_used() -> None:
    sources = "".join(path.read_text() for path in HERE.glob("*.py"))
    unused = {name for name in guide.blocks() if f'"{name}"' not in sources}
    assert not unused
    assert guide.blocks().keys() >= WINDOWS


def test_the_task_for_wmi_has_options_that_exist() -> None:
    module = yaml.safe_load((ROOT / "plugins" / "modules" / "windows_srv_record.yml").read_text())
    (task,) = yaml.safe_load(guide.blocks()["dns-guide-windows-wmi-task"].text)
    assert task["winops.kms.windows_srv_record"].keys() <= module["DOCUMENTATION"]["options"].keys()


@pytest.mark.parametrize(("guide_server", "block"), TASKS)
def test_a_task(guide_server: str, block: str, started: Callable[[str], DnsServer], tmp_path: Path) -> None:
    server = started(guide_server)
    before = server.accepted
    assert play(server, block, tmp_path) == ["changed", "changed", "ok"]
    expected = ["0 0 1688 kms01.lab.test."]
    if block == "dns-guide-several-task":
        expected.append("10 0 1688 kms02.lab.test.")
    assert server.records() == expected
    refreshed = "refresh: true" in guide.blocks()[block].text
    assert server.accepted - before == (2 if refreshed else 1)


@pytest.mark.server(Bind.name)
def test_a_host_is_taken_out(started: Callable[[str], DnsServer], tmp_path: Path) -> None:
    server = started(Bind.name)
    play(server, "dns-guide-several-task", tmp_path)
    assert play(server, "dns-guide-remove-task", tmp_path) == ["changed", "changed", "ok"]
    assert guide.run_commands("dns-guide-look", names_of(server)) == "0 0 1688 kms01.lab.test.\n"


REFUSED = {
    "another name": ("lab.test", "add www.lab.test. 60 A 192.0.2.1", ("www.lab.test", "A")),
    "a name below": (
        "lab.test",
        "add a._vlmcs._tcp.lab.test. 60 SRV 0 0 1 a.lab.test.",
        ("a._vlmcs._tcp.lab.test", "SRV"),
    ),
    "another type": ("lab.test", 'add _vlmcs._tcp.lab.test. 60 TXT "a"', ("_vlmcs._tcp.lab.test", "TXT")),
    "another zone": (
        "closed.test",
        "add _vlmcs._tcp.closed.test. 60 SRV 0 0 1 a.lab.test.",
        ("_vlmcs._tcp.closed.test", "SRV"),
    ),
}


@pytest.mark.parametrize("case", REFUSED)
@pytest.mark.parametrize("guide_server", [Bind.name, Knot.name, BindWithKdc.name, PowerDnsWithPolicy.name])
def test_the_publisher_may_do_nothing_else(guide_server: str, case: str, started: Callable[[str], DnsServer]) -> None:
    server = started(guide_server)
    zone, command, asked = REFUSED[case]
    if guide_server == PowerDnsWithPolicy.name:  # says success, as the guide tells
        server.nsupdate(zone, command)
    else:
        with pytest.raises(RuntimeError, match="update failed"):
            server.nsupdate(zone, command)
    assert server.dig(*asked) == []


@pytest.mark.parametrize("guide_server", [Bind.name, Knot.name, PowerDns.name, BindWithKdc.name])
def test_nobody_else_may_do_it(guide_server: str, started: Callable[[str], DnsServer]) -> None:
    server = started(guide_server)
    with pytest.raises(RuntimeError, match="update failed"):
        server.nsupdate("lab.test", "add _vlmcs._tcp.lab.test. 60 SRV 0 0 1688 kms01.lab.test.", other=True)
    assert server.records() == []


@pytest.mark.server(Samba.name)
def test_rights_of_a_group_in_active_directory(started: Callable[[str], DnsServer]) -> None:
    server = started(Samba.name)
    assert isinstance(server, Samba)
    server.nsupdate("lab.test", "add _vlmcs._tcp.lab.test. 60 SRV 0 0 1688 kms01.lab.test.")
    second = "add _vlmcs._tcp.lab.test. 60 SRV 0 0 1688 kms02.lab.test."
    with pytest.raises(RuntimeError, match="SERVFAIL"):
        server.nsupdate("lab.test", second, other=True)
    # A name keeps its owner when its last record goes.
    server.nsupdate("lab.test", "delete _vlmcs._tcp.lab.test. SRV")
    with pytest.raises(RuntimeError, match="SERVFAIL"):
        server.nsupdate("lab.test", second, other=True)
    guide.run_commands("dns-guide-samba-group", server.names(), environment=server.environment)
    server.nsupdate("lab.test", second, other=True)
    assert server.records() == ["0 0 1688 kms02.lab.test."]
