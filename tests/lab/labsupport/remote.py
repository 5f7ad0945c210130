# Copyright (c) 2026, the winops.kms authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""An estate for clients that run commands: a KMS host that has counted, its clients in two languages, Windows 7."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

import yaml

from kmslab.control import Lab

HOST, ENGLISH, GERMAN, OLD = "kms1", "pc1", "berlin", "win7"
USER, PASSWORD = "Administrator", "Lab-only-1"
READER, READER_PASSWORD = "reader", "Lab-only-2"
HOST_KEY = "N2222-22222-22222-22222-HK222"
SCRIPT = "C:\\Windows\\System32\\slmgr.vbs"

ESTATE = {
    "name": "remote",
    "domain": "corp.example",
    "clock": "2026-10-05T12:00:00Z",
    "keys": [{"key": HOST_KEY, "channel": "csvlk", "group": "ws2025"}],
    "zones": [{"name": "corp.example", "records": [f"_vlmcs._tcp SRV 0 0 1688 {HOST}.corp.example."]}],
    "defaults": {
        "domain": "corp.example",
        "accounts": {
            USER: {"password": PASSWORD, "rights": "full"},
            READER: {"password": READER_PASSWORD, "rights": "read"},
        },
    },
    "machines": [
        {
            "name": HOST,
            "edition": "ServerStandard",
            "build": 20348,
            "key": HOST_KEY,
            "licensed": True,
            "sppsvc": "Running",
            "seed_cmids": 30,
            "firewall": {"SPPSVC-In-TCP": True},
        },
        {"name": ENGLISH, "edition": "Enterprise", "build": 22631},
        {"name": GERMAN, "edition": "Enterprise", "build": 19045, "locale": "de-DE"},
        {"name": OLD, "edition": "Professional", "build": 7601},
    ],
}


@contextlib.contextmanager
def running(directory: Path, *arguments: str) -> Iterator[Lab]:
    """The estate, with a port of its own for every machine, two hours after its start: the clients are activated."""
    path = directory / "remote.yml"
    path.write_text(yaml.safe_dump(ESTATE), encoding="utf-8")
    with Lab(path, arguments=("--machine-ports", ",".join((HOST, ENGLISH, GERMAN, OLD)), *arguments)) as lab:
        lab.advance(hours=3)
        yield lab


def port(lab: Lab, machine: str, scheme: str = "http") -> int:
    """The port that is one machine's alone."""
    number: int = lab.info["machine_ports"][machine][scheme]
    return number
